"""What asyncio.tasks has of functions that make tasks or wait for others, ours for asyncio's."""

import asyncio
import inspect

from . import _core

_NAMES = ('sleep', 'gather', 'wait', 'as_completed', 'shield', 'ensure_future', 'create_task')

OURS = {getattr(asyncio, name): getattr(_core, name) for name in _NAMES}  # asyncio's: ours

if inspect.isgeneratorfunction(asyncio.as_completed):  # before 3.13: it begins when first asked

    def as_completed(fs, *, timeout=None):
        yield from _core.as_completed(fs, timeout=timeout)

    as_completed.__doc__ = _core.as_completed.__doc__
    as_completed.__module__ = _core.as_completed.__module__
    OURS[asyncio.as_completed] = as_completed
