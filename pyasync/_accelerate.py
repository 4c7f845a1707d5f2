"""Our objects in asyncio's own place: ``install(accelerate=True)`` and what takes it back.

Every name of asyncio's package and of its submodules that holds an object which has one of ours
gets ours, whatever the name is. What others imported by name before, or derived from, stays
asyncio's own and works beside ours. A name that holds something else by then (somebody has
replaced it, or reloaded its module) is left alone, both when ours are put in and when they are
taken out.
"""

import sys
import types

_ours = {}  # id of asyncio's: (asyncio's, ours)
_stock = {}  # id of ours: asyncio's
_found_ours = set()  # (module, name) that held ours before anybody asked us to put it there
_depth = 0


def set_table(ours_by_stock):
    """Say what is to be replaced by what."""
    _ours.update((id(stock), (stock, ours)) for stock, ours in ours_by_stock.items())
    _stock.update((id(ours), stock) for stock, ours in ours_by_stock.items())


def begin():
    """Put ours in asyncio's place, or count once more. The caller holds the policy's lock."""
    global _depth
    if _depth == 0:
        _found_ours.update(
            (module, name) for module, name, value in _names() if id(value) in _stock
        )
    _depth += 1
    # Each time: a module may have been reloaded since.
    for module, name, value in _names():
        if id(value) in _ours:
            setattr(module, name, _ours[id(value)][1])


def end():
    """Undo one begin(), the last one for good. The caller holds the policy's lock."""
    global _depth
    _depth -= 1
    if _depth:
        return
    for module, name, value in _names():
        if id(value) in _stock and (module, name) not in _found_ours:
            setattr(module, name, _stock[id(value)])
    _found_ours.clear()


def _names():
    """(module, name, value) of everything in asyncio's package, as far as it is imported."""
    return [
        (module, name, value)
        for key, module in sys.modules.copy().items()
        if (key == 'asyncio' or key.startswith('asyncio.')) and isinstance(module, types.ModuleType)
        for name, value in vars(module).copy().items()
    ]
