"""The public names: asyncio's, with the types that typeshed gives them, and the few we add.

Future, Task, Handle and TimerHandle are asyncio's types here, as isinstance has it at run time: a
program that imports this package as asyncio then type-checks as it did before.
"""

# Ours first: mypy keeps the first definition of a name.
from ._loop import EventLoop as EventLoop
from ._policy import EventLoopPolicy as EventLoopPolicy
from ._policy import install as install
from ._policy import new_event_loop as new_event_loop
from ._policy import uninstall as uninstall

# isort: split
from asyncio import *  # type: ignore[assignment]  # noqa: F403
from asyncio import TaskGroup as TaskGroup  # 3.11's __all__ lacks it
from asyncio import base_events as base_events
from asyncio import base_futures as base_futures
from asyncio import base_subprocess as base_subprocess
from asyncio import base_tasks as base_tasks
from asyncio import constants as constants
from asyncio import coroutines as coroutines
from asyncio import events as events
from asyncio import exceptions as exceptions
from asyncio import format_helpers as format_helpers
from asyncio import futures as futures
from asyncio import locks as locks
from asyncio import log as log
from asyncio import mixins as mixins
from asyncio import protocols as protocols
from asyncio import queues as queues
from asyncio import runners as runners
from asyncio import selector_events as selector_events
from asyncio import sslproto as sslproto
from asyncio import staggered as staggered
from asyncio import streams as streams
from asyncio import subprocess as subprocess
from asyncio import taskgroups as taskgroups
from asyncio import tasks as tasks
from asyncio import threads as threads
from asyncio import timeouts as timeouts
from asyncio import transports as transports
from asyncio import trsock as trsock
from asyncio import unix_events as unix_events

__version__: str
