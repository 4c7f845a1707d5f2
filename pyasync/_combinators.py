"""What asyncio.tasks has of functions that wait for others, ours for asyncio's."""

import asyncio

from . import _core

_NAMES = ('sleep', 'gather')

OURS = {getattr(asyncio, name): getattr(_core, name) for name in _NAMES}  # asyncio's: ours
