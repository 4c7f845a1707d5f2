import sys

from ._policy import new_event_loop as new_event_loop

# isort: split
from asyncio.events import *  # type: ignore[assignment]  # noqa: F403
from asyncio.events import _AbstractEventLoopPolicy as _AbstractEventLoopPolicy
from asyncio.events import _Context as _Context
from asyncio.events import _ExceptionHandler as _ExceptionHandler
from asyncio.events import _ProtocolFactory as _ProtocolFactory
from asyncio.events import _SSLContext as _SSLContext
from asyncio.events import _TaskFactory as _TaskFactory

# isort: split
from ._policy import new_event_loop as new_event_loop  # noqa: F811

if sys.version_info < (3, 14):
    from asyncio.events import BaseDefaultEventLoopPolicy as BaseDefaultEventLoopPolicy

if sys.version_info >= (3, 14):
    from asyncio.events import _BaseDefaultEventLoopPolicy as _BaseDefaultEventLoopPolicy
    from asyncio.events import _get_event_loop_policy as _get_event_loop_policy
    from asyncio.events import _set_event_loop_policy as _set_event_loop_policy
