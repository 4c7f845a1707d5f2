"""The Python half of TLS: asyncio's own protocol and transport behind the C types that do its work.

Handshake, shutdown, timeouts and errors happen once a connection and are the running version's
code; what happens for every record is C's.
"""

import asyncio
from asyncio import sslproto
from asyncio.selector_events import BaseSelectorEventLoop

from . import _core, _stock


class _SSLProtocolTransport(_core._TLSTransport, sslproto._SSLProtocolTransport):
    __slots__ = ()


_core._adopt(_SSLProtocolTransport)


def _no_buffer(_):
    """Stands for bytearray and memoryview where asyncio makes a connection's read buffer: the C
    half reads into the loop's, and makes one only for a transport that asks for it."""


_NAMESPACE = {
    **vars(sslproto),
    '_SSLProtocolTransport': _SSLProtocolTransport,
    'bytearray': _no_buffer,
    'memoryview': _no_buffer,
}


class SSLProtocol(_core._TLSProtocol, sslproto.SSLProtocol):
    """A TLS connection's protocol to the transport below. As asyncio.sslproto.SSLProtocol."""

    # What asyncio's __init__ assigns and the C half does not have.
    __slots__ = (
        '_app_transport_created',
        '_extra',
        '_server_hostname',
        '_ssl_handshake_timeout',
        '_ssl_shutdown_timeout',
        '_sslcontext',
        '_waiter',
    )

    __init__ = _stock.rebound(sslproto.SSLProtocol.__init__, _NAMESPACE)
    _get_app_transport = _stock.rebound(sslproto.SSLProtocol._get_app_transport, _NAMESPACE)

    def connection_made(self, transport):
        if self._server_side and self._app_state is sslproto.AppProtocolState.STATE_CON_MADE:
            self._take_from_reader(getattr(self._app_protocol, '_stream_reader', None))
        super().connection_made(transport)

    def _take_from_reader(self, reader):
        """What a stream had read before start_tls() was sent to TLS, as asyncio knows from 3.14 on
        (gh-142352): in the application's hands it would pass for decrypted."""
        if isinstance(reader, asyncio.StreamReader) and reader._buffer:
            self._incoming.write(reader._buffer)
            reader._buffer.clear()

    def connection_lost(self, exc):
        self._drop_held()
        super().connection_lost(exc)


for _class in (_SSLProtocolTransport, SSLProtocol):
    _class.__module__ = sslproto.__name__  # as asyncio's debug log names them
for _name in ('connection_made', 'connection_lost'):
    getattr(SSLProtocol, _name).__doc__ = getattr(sslproto.SSLProtocol, _name).__doc__
del _class, _name

_STOCK_PROTOCOL = sslproto.SSLProtocol

OURS = {  # asyncio's: ours
    sslproto.SSLProtocol: SSLProtocol,
    sslproto._SSLProtocolTransport: _SSLProtocolTransport,
}


def _protocol_class():
    """Ours, unless somebody has put another one in the place of asyncio's."""
    found = sslproto.SSLProtocol
    return SSLProtocol if found is _STOCK_PROTOCOL else found


def make_server_protocol(
    loop, protocol, sslcontext, waiter, ssl_handshake_timeout, ssl_shutdown_timeout
):
    """The TLS protocol of an accepted connection, as asyncio's _make_ssl_transport() makes it."""
    return _protocol_class()(
        loop,
        protocol,
        sslcontext,
        waiter,
        True,
        None,
        ssl_handshake_timeout=ssl_handshake_timeout,
        ssl_shutdown_timeout=ssl_shutdown_timeout,
    )


class _Sslproto:
    """What the methods below find as ``sslproto``."""

    @property
    def SSLProtocol(self):
        return _protocol_class()


# asyncio's methods, which make a TLS protocol and the transport under it.
make_transport = _stock.rebound(
    BaseSelectorEventLoop._make_ssl_transport,
    {
        **vars(asyncio.selector_events),
        '_SelectorSocketTransport': _core._SelectorSocketTransport,
        'sslproto': _Sslproto(),
    },
)
start_tls = _stock.rebound(
    asyncio.BaseEventLoop.start_tls,
    {**vars(asyncio.base_events), 'sslproto': _Sslproto()},
)
