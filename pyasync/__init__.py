"""pyasync: asyncio with its core in C.

``pyasync.install()`` makes asyncio use our event loop; ``import pyasync as asyncio`` gives the
whole namespace of the running version with our objects in it; ``python -m pyasync script.py`` runs
an unchanged program.
"""

from . import _import_error as _import_error  # first: it says why the C half cannot be used

# isort: split
from . import _namespace
from ._loop import EventLoop as EventLoop
from ._policy import EventLoopPolicy as EventLoopPolicy
from ._policy import install as install
from ._policy import new_event_loop as new_event_loop
from ._policy import uninstall as uninstall
from ._version import __version__ as __version__

_namespace.fill(globals())
