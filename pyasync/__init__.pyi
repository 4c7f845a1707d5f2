"""The public names: asyncio's, with the types that typeshed gives them, and the few we add.

Future, Task, Handle and TimerHandle are asyncio's types here, as isinstance has it at run time: a
program that imports this package as asyncio then type-checks as it did before.

Each submodule has a stub of its own, for a checker finds modules by their files: asyncio's public
names by `*`, and the others that typeshed has one by one. A new version's may be absent on older
ones.
"""

import sys

# Ours first: mypy keeps the first definition of a name. Pyright takes the last, so the function is
# there again (from 3.13 on EventLoop is the class of typeshed to it: a class has one definition).
from ._loop import EventLoop as EventLoop
from ._policy import EventLoopPolicy as EventLoopPolicy
from ._policy import install as install
from ._policy import new_event_loop as new_event_loop
from ._policy import uninstall as uninstall

# isort: split
from asyncio import *  # type: ignore[assignment]  # noqa: F403
from asyncio import TaskGroup as TaskGroup  # 3.11's __all__ lacks it

# isort: split
from ._policy import new_event_loop as new_event_loop  # noqa: F811

# isort: split
from . import base_events as base_events
from . import base_futures as base_futures
from . import base_subprocess as base_subprocess
from . import base_tasks as base_tasks
from . import constants as constants
from . import coroutines as coroutines
from . import events as events
from . import exceptions as exceptions
from . import format_helpers as format_helpers
from . import futures as futures
from . import locks as locks
from . import log as log
from . import mixins as mixins
from . import protocols as protocols
from . import queues as queues
from . import runners as runners
from . import selector_events as selector_events
from . import sslproto as sslproto
from . import staggered as staggered
from . import streams as streams
from . import subprocess as subprocess
from . import taskgroups as taskgroups
from . import tasks as tasks
from . import threads as threads
from . import timeouts as timeouts
from . import transports as transports
from . import trsock as trsock
from . import unix_events as unix_events

if sys.version_info >= (3, 14):
    from . import graph as graph

__version__: str
