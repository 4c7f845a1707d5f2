import asyncio

from . import _core

class EventLoop(_core.NetLoop, asyncio.SelectorEventLoop): ...
