"""asyncio's functions that make tasks, wait for others or for threads: ours for asyncio's."""

import asyncio
import inspect

from . import _core

_NAMES = (
    'sleep',
    'gather',
    'wait',
    'as_completed',
    'shield',
    'ensure_future',
    'create_task',
    'wrap_future',
    'run_coroutine_threadsafe',
    'to_thread',
)

OURS = {getattr(asyncio, name): getattr(_core, name) for name in _NAMES}  # asyncio's: ours
OURS[asyncio.futures._chain_future] = _core._chain_future

if inspect.isgeneratorfunction(asyncio.as_completed):  # before 3.13: it begins when first asked

    def as_completed(fs, *, timeout=None):
        yield from _core.as_completed(fs, timeout=timeout)

    as_completed.__doc__ = _core.as_completed.__doc__
    as_completed.__module__ = _core.as_completed.__module__
    OURS[asyncio.as_completed] = as_completed
