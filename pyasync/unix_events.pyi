import sys

if sys.version_info >= (3, 13):
    from ._loop import EventLoop as EventLoop

# isort: split
from asyncio.unix_events import *  # type: ignore[assignment, unused-ignore]  # noqa: F403
from asyncio.unix_events import _UnixDefaultEventLoopPolicy as _UnixDefaultEventLoopPolicy
from asyncio.unix_events import _UnixSelectorEventLoop as _UnixSelectorEventLoop

if sys.version_info < (3, 14):
    from asyncio.unix_events import BaseChildWatcher as BaseChildWatcher

if sys.version_info >= (3, 14):
    from asyncio.unix_events import _DefaultEventLoopPolicy as _DefaultEventLoopPolicy
