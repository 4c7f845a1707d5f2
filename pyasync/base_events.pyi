from asyncio.base_events import *  # noqa: F403
from asyncio.base_events import _Context as _Context
from asyncio.base_events import _ExceptionHandler as _ExceptionHandler
from asyncio.base_events import _ProtocolFactory as _ProtocolFactory
from asyncio.base_events import _SSLContext as _SSLContext
