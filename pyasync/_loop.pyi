import asyncio

from . import _core

class EventLoop(_core.Loop, asyncio.SelectorEventLoop): ...
