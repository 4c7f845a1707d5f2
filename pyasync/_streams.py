"""Streams: classes whose hot half is C, and asyncio's own functions that make them.

Each class puts the C type first and asyncio's class of the same name second: what is not in C is
the running version's own Python.
"""

import asyncio
import types
from asyncio import streams

from . import _core, _stock, _types
from ._types import _StandsForStock


class StreamReader(_core.StreamReader, asyncio.StreamReader, metaclass=_StandsForStock):
    __slots__ = ()
    __doc__ = asyncio.StreamReader.__doc__


class StreamReaderProtocol(
    _core.StreamReaderProtocol, asyncio.StreamReaderProtocol, metaclass=_StandsForStock
):
    __slots__ = ()
    __doc__ = asyncio.StreamReaderProtocol.__doc__


class StreamWriter(_core.StreamWriter, asyncio.StreamWriter, metaclass=_StandsForStock):
    __slots__ = ()
    __doc__ = asyncio.StreamWriter.__doc__


CLASSES = {  # asyncio's: ours
    asyncio.StreamReader: StreamReader,
    asyncio.StreamReaderProtocol: StreamReaderProtocol,
    asyncio.StreamWriter: StreamWriter,
}

for _stock_class, _class in CLASSES.items():
    _class.__module__ = f'{__package__}.streams'
    _types.STOCK[_class] = _stock_class
    _core._adopt(_class)
del _stock_class, _class

# asyncio's functions, with our classes in the place of those they find in their module.
_namespace = {**vars(streams), **{ours.__name__: ours for ours in CLASSES.values()}}

FUNCTIONS = {
    stock: _stock.rebound(stock, _namespace)
    for stock in (
        asyncio.open_connection,
        asyncio.start_server,
        asyncio.open_unix_connection,
        asyncio.start_unix_server,
    )
}
for _function in FUNCTIONS.values():
    _function.__module__ = f'{__package__}.streams'
del _function

OURS = {**CLASSES, **FUNCTIONS}


def _features():
    """What connection_made() of the running version does, which bug fixes have changed."""
    code = asyncio.StreamReaderProtocol.connection_made.__code__
    callback = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return (
        hasattr(asyncio.StreamReaderProtocol, '_replace_writer'),  # the protocol keeps the writer
        'cancelled' in callback.co_names,  # a handler that was cancelled is no error
        bool(code.co_exceptiontable),  # an error of a handler that is no coroutine is told of
    )


_core._set_stream_types(StreamReader, StreamReaderProtocol, StreamWriter, *_features())
