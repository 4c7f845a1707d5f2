"""The C types that stand for asyncio's own, and what isinstance says of the originals.

Code written for the namespace asks ``isinstance(x, asyncio.Future)`` and means any future: one of
asyncio's own (from a stock loop, or from a library that does not know us) as well as one of ours.
"""

import abc
import asyncio

from . import _core
from ._core import Future, Handle, Task, TimerHandle

STOCK = {
    Future: asyncio.Future,
    Task: asyncio.Task,
    Handle: asyncio.Handle,
    TimerHandle: asyncio.TimerHandle,
}


class _StandsForStock(abc.ABCMeta):
    """A class of ours counts asyncio's own objects as instances; a subclass of it does not.

    It derives from ABCMeta so that subclasses may derive from abstract classes too, as those of
    asyncio's own types may.
    """

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        if cls is Future and type.__instancecheck__(Task, instance):
            return True
        return cls in STOCK and isinstance(instance, STOCK[cls])

    def __subclasscheck__(cls, subclass):
        if type.__subclasscheck__(cls, subclass):
            return True
        if cls is Future and type.__subclasscheck__(Task, subclass):
            return True
        return cls in STOCK and issubclass(subclass, STOCK[cls])


class _IsFuture(_StandsForStock):
    def mro(cls):
        # Our Future is put into the order of Task by hand; in that of a subclass CPython would
        # refuse it where the subclass has slots.
        order = super().mro()
        return [base for base in order if base is not Future or Task not in order]


def stand_for(ours, stock):
    """Have isinstance(x, ours) be true of an instance of asyncio's class as well."""
    STOCK[ours] = stock
    if type(ours) is type:
        metaclass = _IsFuture if ours in (Future, Task) else _StandsForStock
        _core._set_metaclass(ours, metaclass)


for _type, _stock_type in list(STOCK.items()):
    stand_for(_type, _stock_type)
del _type, _stock_type
