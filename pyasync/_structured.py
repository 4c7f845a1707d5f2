"""Timeouts, task groups and wait_for(): the C halves with asyncio's own classes behind them.

The C type comes first: it does what is done for every timeout and every task of a group. Its state
is in the attributes that asyncio's class has, so what is inherited (reprs, a newer version's
methods) works on it, and ``isinstance(x, asyncio.Timeout)`` holds.
"""

import asyncio

from . import _core


class Timeout(_core.Timeout, asyncio.Timeout):
    __doc__ = asyncio.Timeout.__doc__
    __module__ = 'pyasync.timeouts'
    __slots__ = ()


class TaskGroup(_core.TaskGroup, asyncio.TaskGroup):
    __doc__ = asyncio.TaskGroup.__doc__
    __module__ = 'pyasync.taskgroups'
    __slots__ = ()


_core._adopt(Timeout)
_core._adopt(TaskGroup)
_core._set_structured(Timeout, TaskGroup)

OURS = {  # asyncio's: ours
    asyncio.Timeout: Timeout,
    asyncio.timeout: _core.timeout,
    asyncio.timeout_at: _core.timeout_at,
    asyncio.TaskGroup: TaskGroup,
    asyncio.wait_for: _core.wait_for,
}
