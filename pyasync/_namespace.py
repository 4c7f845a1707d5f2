"""asyncio's namespace with our objects in the place of asyncio's own.

It is made at import from the running asyncio, so it is exactly that version's. Every object that
has one of ours (the table OURS) appears as ours, in the package and in each submodule; all the rest
(exceptions, abstract classes, constants, private state) is asyncio's very object.

The package holds its names as asyncio does: as they were at import. So does a submodule with the
names of its ``__all__``; it asks asyncio's for any other each time, for asyncio assigns to some.
"""

import asyncio
import importlib
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder

from . import (
    _accelerate,
    _combinators,
    _core,
    _locks,
    _policy,
    _runner,
    _stock,
    _streams,
    _structured,
    _tls,
    _types,
)
from ._loop import EventLoop

PACKAGE = __package__

OURS = {  # asyncio's: ours
    **{stock: ours for ours, stock in _types.STOCK.items()},
    **_locks.OURS,
    asyncio.SelectorEventLoop: EventLoop,  # from 3.13 on asyncio.EventLoop too
    _stock.DefaultEventLoopPolicy: _policy.EventLoopPolicy,
    asyncio.new_event_loop: _policy.new_event_loop,
    asyncio.Runner: _runner.Runner,
    asyncio.run: _runner.run,
    **_tls.OURS,
    **_streams.OURS,
    **_combinators.OURS,
    **_structured.OURS,
}
if hasattr(asyncio, 'create_eager_task_factory'):  # 3.12 and newer
    OURS[asyncio.eager_task_factory] = asyncio.create_eager_task_factory(_types.Task)
    _core._set_eager_factory(OURS[asyncio.eager_task_factory])

for _stock_object, _our_object in OURS.items():
    if isinstance(_our_object, type) and _our_object not in _types.STOCK:
        _types.stand_for(_our_object, _stock_object)
del _stock_object, _our_object

# asyncio's own of these stay where they are. new_event_loop() asks the policy in force: ours, or
# the one that the program has chosen since. Our loops make our tasks with the factory. What opens
# streams finds our classes in its module, or what a test has put there.
_KEPT = (
    asyncio.new_event_loop,
    getattr(asyncio, 'eager_task_factory', None),
    *_streams.FUNCTIONS,
)
_accelerate.set_table({stock: ours for stock, ours in OURS.items() if stock not in _KEPT})

_ours_by_id = {id(stock): ours for stock, ours in OURS.items()}


def translate(value):
    """Ours for an object of asyncio's that has one, a submodule included; others as they are."""
    return _ours_by_id.get(id(value), value)


def fill(namespace):
    """Put the names of the running asyncio into the namespace of the package."""
    if _Submodules not in sys.meta_path:
        sys.meta_path.append(_Submodules)
    submodules = [
        value.__name__
        for value in vars(asyncio).values()
        if isinstance(value, types.ModuleType) and value.__name__.startswith('asyncio.')
    ]
    for name in submodules:
        importlib.import_module(PACKAGE + name.removeprefix('asyncio'))
    for name, value in vars(asyncio).items():
        if not name.startswith('__'):
            namespace[name] = translate(value)
    namespace['__all__'] = asyncio.__all__
    if hasattr(asyncio, '__getattr__'):
        # 3.14's deprecated names. The warning is to point at the line that uses one, so nothing
        # may stand between that line and asyncio's function; it finds our names by itself.
        namespace['__getattr__'] = _stock.rebound(asyncio.__getattr__, namespace)


class _Submodules:
    """Finds and makes ``<package>.<name>`` where asyncio has a submodule of that name."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        package, _, name = fullname.rpartition('.')
        if package != PACKAGE or name.startswith('_'):
            return None
        stock_name = f'asyncio.{name}'
        if stock_name not in sys.modules and not PathFinder.find_spec(stock_name, asyncio.__path__):
            return None
        return ModuleSpec(fullname, _Submodules, origin=stock_name)

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        stock = importlib.import_module(module.__spec__.origin)
        _ours_by_id[id(stock)] = module
        _fill_submodule(vars(module), stock)


def _fill_submodule(namespace, stock):
    own_name = namespace['__name__']

    def __getattr__(name):
        # Names such as __file__ and __path__ are asyncio's alone: this is not that file.
        if name.startswith('__') or not hasattr(stock, name):
            raise AttributeError(f'module {own_name!r} has no attribute {name!r}')
        return translate(getattr(stock, name))

    def __dir__():
        return sorted({*namespace, *dir(stock)})

    public = getattr(stock, '__all__', None)  # () where asyncio exports nothing
    namespace.update((name, translate(getattr(stock, name))) for name in public or ())
    if public is None:
        public = [name for name in vars(stock) if not name.startswith('_')]
    namespace.update(
        __doc__=stock.__doc__,
        __all__=public,
        __getattr__=__getattr__,
        __dir__=__dir__,
    )
