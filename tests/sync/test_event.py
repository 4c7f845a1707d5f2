"""Event: the flag, and who is woken by it."""

from __future__ import annotations

import asyncio

import pytest
from sync.steps import outcomes, refused, settle, shown, spawn

pytestmark = pytest.mark.usefixtures('loop')


async def test_the_flag(aio):
    event = aio.Event()
    assert isinstance(event, asyncio.Event)
    assert event.is_set() is False
    assert (list(event._waiters), event._value, event._loop) == ([], False, None)
    assert shown(event) == '[unset]'
    assert event.set() is None
    assert event.is_set() is True
    assert shown(event) == '[set]'
    assert await event.wait() is True
    assert event.clear() is None
    assert event.is_set() is False
    assert event._loop is None


async def test_everybody_is_woken_in_order(aio):
    event, order = aio.Event(), []

    async def wait(name):
        assert await event.wait() is True
        order.append(name)

    tasks = spawn(*map(wait, 'abc'))
    await settle()
    assert shown(event) == '[unset, waiters:3]'
    event.set()
    assert shown(event) == '[set, waiters:3]'
    event.set()
    await asyncio.gather(*tasks)
    assert order == list('abc')
    assert shown(event) == '[set]'


async def test_cleared_before_those_woken_run(aio):
    event = aio.Event()
    [task] = spawn(event.wait())
    await settle()
    event.set()
    event.clear()
    [late] = spawn(event.wait())
    assert await task is True
    await settle()
    assert not late.done()
    event.set()
    assert await late is True


async def test_cancelled_waiters_leave(aio):
    event = aio.Event()
    tasks = spawn(*(event.wait() for _ in range(3)))
    await settle()
    tasks[0].cancel()
    event.set()
    tasks[1].cancel()  # after it was woken
    assert await outcomes(*tasks) == [asyncio.CancelledError, asyncio.CancelledError, True]
    assert shown(event) == '[set]'


async def test_a_task_made_of_wait(aio):
    event = aio.Event()
    [task] = spawn(event.wait())
    await settle()
    assert task.get_coro().__qualname__ == 'Event.wait'
    event.set()
    assert await task is True


def test_bound_to_one_loop(aio, loop):
    event = aio.Event()

    async def wait():
        [task] = spawn(event.wait())
        await settle()
        event.set()
        await task
        event.clear()

    loop.run_until_complete(wait())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        error = await refused(RuntimeError, event.wait())
        assert str(error) == f'{event!r} is bound to a different event loop'

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()


async def test_overridden_loop_lookup(aio):
    class Bound(aio.Event):
        def _get_loop(self):
            calls.append(1)
            return super()._get_loop()

    calls, event = [], Bound()
    [task] = spawn(event.wait())
    await settle()
    event.set()
    assert await task is True
    assert calls == [1]


async def test_overridden_flag(aio):
    class Always(aio.Event):
        _value = True

    event = Always()
    assert not event.is_set()  # __init__ assigns
    [task] = spawn(event.wait())
    await settle()
    event.set()
    assert event.is_set() and vars(event)['_value'] is True
    assert await task is True


async def test_assigned_attributes(aio):
    event = aio.Event()
    event._value = True
    assert event.is_set()
    assert await event.wait() is True
    event._value = False
    waiter = asyncio.get_running_loop().create_future()
    event._waiters.append(waiter)
    event.set()
    assert waiter.result() is True


async def test_set_by_a_callback_of_itself(aio):
    """A waiter of another kind runs code while the others are being woken."""
    event = aio.Event()

    class Reentrant(asyncio.Future):
        def set_result(self, result):
            event.clear()
            event.set()
            super().set_result(result) if not self.done() else None

    event._waiters.append(Reentrant(loop=asyncio.get_running_loop()))
    [task] = spawn(event.wait())
    await settle()
    with pytest.raises(RecursionError):
        event.set()
    event._waiters.popleft()
    event.clear()
    event.set()
    assert await task is True


async def test_changed_while_waking(aio):
    event = aio.Event()

    class Adds(asyncio.Future):
        def set_result(self, result):
            super().set_result(result)
            event._waiters.append(self)

    event._waiters.append(Adds(loop=asyncio.get_running_loop()))
    with pytest.raises(RuntimeError, match='deque mutated during iteration'):
        event.set()
    assert event.is_set()
