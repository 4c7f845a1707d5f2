"""Locks and queues: the C types, with asyncio's own classes behind them.

A method that C does not have is asyncio's, and works on the same attributes.
"""

import asyncio
import inspect

from . import _core


class _Named:
    """What a repr tells of the module is asyncio's, as all the rest of it."""

    __slots__ = ()

    def __repr__(self):
        return super().__repr__().replace('<pyasync.locks.', '<asyncio.locks.', 1)


class Lock(_Named, _core.Lock, asyncio.Lock):
    """Lock(): one task at a time has it. As asyncio.Lock."""

    __module__ = 'pyasync.locks'
    __slots__ = ()


class Event(_Named, _core.Event, asyncio.Event):
    """Event(): a flag that tasks can wait for. As asyncio.Event."""

    __module__ = 'pyasync.locks'
    __slots__ = ()


class Condition(_Named, _core.Condition, asyncio.Condition):
    """Condition(lock=None): wait for notifications, with a lock given up meanwhile.

    As asyncio.Condition.
    """

    __module__ = 'pyasync.locks'
    __slots__ = ()


class Semaphore(_Named, _core.Semaphore, asyncio.Semaphore):
    """Semaphore(value=1): so many tasks have it at a time.

    Raises ValueError where value is negative. As asyncio.Semaphore.
    """

    __module__ = 'pyasync.locks'
    __slots__ = ()


class BoundedSemaphore(_core.BoundedSemaphore, Semaphore, asyncio.BoundedSemaphore):
    """BoundedSemaphore(value=1): a Semaphore that cannot be released too often.

    Raises ValueError where value is negative. As asyncio.BoundedSemaphore.
    """

    __module__ = 'pyasync.locks'
    __slots__ = ()


class Barrier(_Named, _core.Barrier, asyncio.Barrier):
    """Barrier(parties): so many tasks wait for each other. As asyncio.Barrier.

    Raises ValueError where parties is less than 1.
    """

    __module__ = 'pyasync.locks'
    __slots__ = ()


class Queue(_core.Queue, asyncio.Queue):
    """Queue(maxsize=0): items, first in, first out; maxsize 0 is no limit. As asyncio.Queue."""

    __module__ = 'pyasync.queues'
    __slots__ = ()


class LifoQueue(_core.LifoQueue, Queue, asyncio.LifoQueue):
    """LifoQueue(maxsize=0): items, last in, first out. As asyncio.LifoQueue."""

    __module__ = 'pyasync.queues'
    __slots__ = ()


class PriorityQueue(_core.PriorityQueue, Queue, asyncio.PriorityQueue):
    """PriorityQueue(maxsize=0): items, least first. As asyncio.PriorityQueue."""

    __module__ = 'pyasync.queues'
    __slots__ = ()


# What asyncio's classes keep in an object's __dict__, and ours in C: copies take it along.
_ATTRIBUTES = (
    '_loop',
    '_waiters',
    '_locked',
    '_value',
    '_bound_value',
    '_cond',
    '_parties',
    '_state',
    '_count',
    '_lock',
    '_maxsize',
    '_queue',
    '_getters',
    '_putters',
    '_unfinished_tasks',
    '_finished',
    '_is_shutdown',
)


def _getstate(self):
    in_c = (n for n in _ATTRIBUTES if inspect.isgetsetdescriptor(getattr(type(self), n, None)))
    return {name: getattr(self, name) for name in in_c} | vars(self)


def _setstate(self, state):
    for name, value in state.items():
        setattr(self, name, value)


for _class in (
    Lock,
    Event,
    Condition,
    Semaphore,
    BoundedSemaphore,
    Barrier,
    Queue,
    LifoQueue,
    PriorityQueue,
):
    _class.__getstate__ = _getstate
    _class.__setstate__ = _setstate
    _core._adopt(_class)
del _class
_core._set_lock_classes(Lock, Event, Condition)

OURS = {  # asyncio's: ours
    asyncio.Lock: Lock,
    asyncio.Event: Event,
    asyncio.Condition: Condition,
    asyncio.Semaphore: Semaphore,
    asyncio.BoundedSemaphore: BoundedSemaphore,
    asyncio.Barrier: Barrier,
    asyncio.Queue: Queue,
    asyncio.LifoQueue: LifoQueue,
    asyncio.PriorityQueue: PriorityQueue,
}
