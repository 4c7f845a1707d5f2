"""contenders.py -- the event loops that are compared, and how each is made."""

import importlib
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

BASELINE = 'asyncio'
YARDSTICK = 'c-epoll'


@dataclass(frozen=True)
class Contender:
    """A loop, and the namespace whose sleep, gather, Queue... run on it."""

    name: str
    package: str
    factory: str = 'new_event_loop'
    namespace: str = 'asyncio'
    families: tuple[str, ...] = ()  # those that it makes any difference to; none: all

    def takes_part(self, family: str) -> bool:
        return not self.families or family in self.families

    def version(self) -> str:
        """The installed version; a build that was never installed has none."""
        if self.package == 'asyncio':
            return platform.python_version()
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return '(not installed)'

    def load(self) -> tuple[ModuleType, Callable]:
        """Import it: (namespace, loop factory). Raises ImportError."""
        factory = getattr(importlib.import_module(self.package), self.factory)
        return importlib.import_module(self.namespace), factory


@dataclass(frozen=True)
class Patched(Contender):
    """Stock's loop with the transports of another package."""

    def load(self) -> tuple[ModuleType, Callable]:
        namespace, make_factory = super().load()
        return namespace, make_factory()


@dataclass(frozen=True)
class PlainServer(Contender):
    """No loop: the C server of harness/yardstick.py, for the rows that it can do."""

    def version(self) -> str:
        return '(a plain C server)'

    def load(self) -> tuple[ModuleType, None]:
        if sys.platform != 'linux' or shutil.which('cc') is None:
            raise ImportError('it needs Linux and cc')
        return importlib.import_module(self.namespace), None


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender('asyncio', 'asyncio', factory='SelectorEventLoop'),
        Contender('pyasync', 'pyasync'),
        Contender('pyasync-all', 'pyasync', namespace='pyasync'),
        Contender('uvloop', 'uvloop'),
        Contender('rloop', 'rloop'),
        Contender('zuvloop', 'zuvloop'),
        Patched(
            'aiofastnet', 'aiofastnet', factory='loop_factory', families=('network', 'services')
        ),
        PlainServer(YARDSTICK, '', families=('network',)),
    )
}

DEFAULT = ('asyncio', 'pyasync', 'uvloop', 'rloop', 'zuvloop')
FULL = (*DEFAULT, 'aiofastnet', YARDSTICK)
