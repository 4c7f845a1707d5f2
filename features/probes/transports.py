"""Transports of stream sockets, and the protocols that they call."""

import asyncio
import contextlib
import socket
import tempfile

from harness.ends import Recorder, tcp_pair
from harness.probe import Group

from .connections import Client, echo_server

tcp = Group('Stream transports and protocols', 'tests/net/test_stream_transport.py')
WRITE = 'tests/net/test_stream_write.py'
CLOSE = 'tests/net/test_stream_close.py'
TYPE = 'tests/net/test_transport_type.py'


async def connected(t, unix=False, protocol=Recorder, **kwargs):
    """(transport, protocol, the blocking socket at the other end)."""
    one, two = socket.socketpair() if unix else tcp_pair()
    two.settimeout(5)
    transport, made = await t.loop.create_connection(lambda: protocol(t, **kwargs), sock=one)
    return transport, made, two


@contextlib.asynccontextmanager
async def connection(t, **kwargs):
    """The same, for a block that leaves it open: then all of it is closed."""
    transport, protocol, two = await connected(t, **kwargs)
    with two:
        yield transport, protocol, two
        transport.close()
        await protocol.lost


async def drain(t, two, count):
    """Read so many bytes at the other end, while the loop runs."""

    def read():
        got = 0
        while got < count:
            got += len(two.recv(min(65536, count - got)))
        return got

    return await asyncio.to_thread(read)


@tcp('Transport.write()', test=WRITE)
async def write(t):
    async with connection(t) as (transport, _, two):
        t.tell(transport.write(b'1'), transport.write(b''))
        transport.write(bytearray(b'2'))
        transport.write(memoryview(b'3'))
        t.tell(await drain(t, two, 3))
        for bad in ('text', 5, None):
            with t.raised():
                transport.write(bad)


@tcp('Transport.writelines()', test=WRITE)
async def writelines(t):
    async with connection(t) as (transport, _, two):
        t.tell(transport.writelines([b'1', bytearray(b'2'), memoryview(b'3')]))
        transport.writelines(iter([b'4', b'5']))
        t.tell(await drain(t, two, 5))
        with t.raised():
            transport.writelines(['text'])
        with t.raised():
            transport.writelines(5)


@tcp('Transport.write_eof()', covers=('Transport.can_write_eof()',), test=CLOSE)
async def write_eof(t):
    async with connection(t) as (transport, protocol, two):
        t.tell(transport.can_write_eof())
        transport.write(b'last')
        t.tell(transport.write_eof(), transport.write_eof())
        t.tell(await drain(t, two, 4), await asyncio.to_thread(two.recv, 10))
        with t.raised():
            transport.write(b'more')
        two.sendall(b'answer')
        await protocol.enough
        t.tell(protocol.data)


@tcp('Transport.close()', covers=('Transport.is_closing()',), test=CLOSE)
async def close(t):
    transport, protocol, two = await connected(t)
    with two:
        transport.write(bytes(3_000_000))
        t.tell(transport.is_closing(), transport.close(), transport.is_closing())
        transport.close()
        got = await drain(t, two, 3_000_000)
        await protocol.lost
        t.tell('all is sent', got)
        transport.close()


@tcp('Transport.abort()', test=CLOSE)
async def abort(t):
    transport, protocol, two = await connected(t)
    with two:
        transport.write(bytes(30_000_000))
        t.tell(transport.abort(), transport.is_closing(), transport.get_write_buffer_size())
        await protocol.lost
        transport.abort()


@tcp('Transport.pause_reading()', covers=('Transport.resume_reading()', 'Transport.is_reading()'))
async def pause_reading(t):
    transport, protocol, two = await connected(t)
    with two:
        t.tell(transport.is_reading(), transport.pause_reading(), transport.is_reading())
        transport.pause_reading()
        two.sendall(b'data')
        await asyncio.sleep(0.002)
        t.tell(protocol.data)
        t.tell(transport.resume_reading(), transport.is_reading())
        transport.resume_reading()
        await protocol.enough
        t.tell(protocol.data)
        transport.close()
        t.tell(transport.is_reading(), transport.pause_reading(), transport.resume_reading())
        await protocol.lost


@tcp(
    'Transport.set_write_buffer_limits()',
    test=WRITE,
    covers=(
        'Transport.set_write_buffer_limits(high=)',
        'Transport.set_write_buffer_limits(low=)',
        'Transport.get_write_buffer_limits()',
        'Transport.get_write_buffer_size()',
        'Protocol.pause_writing()',
        'Protocol.resume_writing()',
    ),
)
async def limits(t):
    async with connection(t) as (transport, _, two):
        t.tell(transport.get_write_buffer_limits(), transport.get_write_buffer_size())
        for arguments in ({'high': 1000}, {'low': 500}, {'high': 0}, {'high': 3, 'low': 2}, {}):
            transport.set_write_buffer_limits(**arguments)
            t.tell(arguments, transport.get_write_buffer_limits())
        for arguments in ({'high': 1, 'low': 2}, {'low': -1}):
            with t.raised():
                transport.set_write_buffer_limits(**arguments)
        transport.set_write_buffer_limits(high=100)
        transport.write(bytes(10_000_000))
        t.tell('written', transport.get_write_buffer_size() > 100)
        await drain(t, two, 10_000_000)
        t.tell(transport.get_write_buffer_size())


@tcp('writelines() pauses the protocol', since=(3, 14), test=WRITE)
async def writelines_pauses(t):
    async with connection(t) as (transport, _, two):
        transport.set_write_buffer_limits(high=100)
        transport.writelines([bytes(5_000_000)] * 2)
        t.tell('written')
        await drain(t, two, 10_000_000)


@tcp('Transport.set_protocol()', covers=('Transport.get_protocol()',))
async def set_protocol(t):
    transport, protocol, two = await connected(t)
    with two:
        t.tell(transport.get_protocol() is protocol)
        other = Recorder(t)
        t.tell(transport.set_protocol(other), transport.get_protocol() is other)
        two.sendall(b'data')
        await other.enough
        t.tell(protocol.data, other.data)
        transport.close()
        await other.lost


@tcp('Transport.get_extra_info()', test=TYPE)
async def get_extra_info(t):
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    t.tell(transport.get_extra_info('peername') == ('127.0.0.1', port))
    t.tell(transport.get_extra_info('sockname')[0], transport.get_extra_info('sslcontext'))
    t.tell(transport.get_extra_info('x'), transport.get_extra_info('x', 5))
    transport.close()
    await client.lost
    t.tell(transport.get_extra_info('peername') == ('127.0.0.1', port))
    server.close()


@tcp('Transport.get_extra_info(default=)', test=TYPE)
async def get_extra_info_default(t):
    async with connection(t, unix=True) as (transport, _, _):
        t.tell(transport.get_extra_info('x', default=5))
        t.tell(transport.get_extra_info('peername'), transport.get_extra_info('sockname'))


@tcp("get_extra_info('socket')", test=TYPE)
async def extra_socket(t):
    transport, protocol, two = await connected(t)
    with two:
        sock = transport.get_extra_info('socket')
        t.tell(type(sock).__name__, sock.family, sock.type, sock.proto, sock.fileno() > 0)
        t.tell(sock.getsockname()[0], sock.getpeername() == two.getsockname(), sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        t.tell(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), sock.gettimeout())
        t.tell(hasattr(sock, 'send'), hasattr(sock, 'dup'), hasattr(sock, 'shutdown'))
        transport.close()
        await protocol.lost
        t.tell(sock.fileno())


@tcp(
    'Protocol.connection_made()',
    covers=('Protocol.connection_lost()', 'Protocol.data_received()', 'asyncio.Protocol'),
)
async def protocol_order(t):
    transport, protocol, two = await connected(t)
    t.tell('connected')
    two.sendall(b'data')
    two.close()
    await protocol.lost
    t.tell(transport.is_closing())


@tcp('Protocol.eof_received()', test=CLOSE)
async def eof_received(t):
    for keep_open in (None, False, True):
        transport, protocol, two = await connected(t, keep_open=keep_open)
        with two:
            two.sendall(b'data')
            two.shutdown(socket.SHUT_WR)
            await protocol.enough
            await asyncio.sleep(0.002)
            t.tell(transport.is_closing())
            if keep_open:
                transport.write(b'answer')
                t.tell(await drain(t, two, 6))
                transport.close()
            await protocol.lost


@tcp('the other side resets the connection', test='tests/net/test_stream_reset.py')
async def reset(t):
    import struct

    transport, protocol, two = await connected(t)
    two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    two.close()
    await protocol.lost
    for _ in range(6):
        transport.write(b'data')


@tcp('writing to a connection whose other side is gone', test='tests/net/test_stream_reset.py')
async def broken_pipe(t):
    transport, protocol, two = await connected(t, unix=True)
    two.close()
    transport.write(b'data')
    transport.write(b'data')
    await protocol.lost


@tcp('a protocol method that raises', test='tests/net/test_protocol_errors.py')
async def protocol_errors(t):
    class Bad(Recorder):
        def data_received(self, data):
            raise KeyError('data')

    t.loop.set_exception_handler(
        lambda loop, context: t.tell(
            context['message'], repr(context['exception']), sorted(context)
        )
    )
    _, protocol, two = await connected(t, protocol=Bad)
    with two:
        two.sendall(b'data')
        await protocol.lost


class Buffered(asyncio.BufferedProtocol):
    """Gives a small buffer of its own."""

    def __init__(self, t, size=3):
        self.t = t
        self.buffer = bytearray(size)
        self.data = b''
        self.lost = t.loop.create_future()

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        self.t.tell('get_buffer', sizehint)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.t.tell('buffer_updated', nbytes)
        self.data += self.buffer[:nbytes]

    def eof_received(self):
        self.t.tell('eof', self.data)

    def connection_lost(self, exc):
        self.lost.set_result(exc)
        self.t.tell('lost', repr(exc))


@tcp(
    'BufferedProtocol.get_buffer()',
    covers=('BufferedProtocol.buffer_updated()', 'BufferedProtocol.eof_received()'),
)
async def buffered(t):
    one, two = socket.socketpair()
    two.sendall(b'0123456789')
    two.close()
    _, protocol = await t.loop.create_connection(lambda: Buffered(t), sock=one)
    await protocol.lost


@tcp('get_buffer() gives no buffer, or raises', test='tests/net/test_protocol_errors.py')
async def buffered_errors(t):
    for bad in (b'readonly', bytearray(), None, KeyError('buffer')):

        class Bad(Buffered):
            def get_buffer(self, sizehint, bad=bad):
                if isinstance(bad, Exception):
                    raise bad
                return bad

        one, two = socket.socketpair()
        with two:
            two.sendall(b'data')
            _, protocol = await t.loop.create_connection(lambda bad=Bad: bad(t), sock=one)
            await protocol.lost


@tcp('set_protocol() from a Protocol to a BufferedProtocol')
async def change_kind(t):
    transport, protocol, two = await connected(t)
    two.sendall(b'data')
    await protocol.enough
    buffered = Buffered(t, 100)
    transport.set_protocol(buffered)
    two.sendall(b'more')
    two.close()
    await buffered.lost


@tcp('Unix sockets: peername, write, half-close')
async def unix(t):
    transport, protocol, two = await connected(t, unix=True)
    with two:
        transport.write(b'data')
        transport.write_eof()
        t.tell(await drain(t, two, 4), await asyncio.to_thread(two.recv, 5))
        two.sendall(b'answer')
        two.shutdown(socket.SHUT_WR)
        await protocol.lost


@tcp(
    'loop.sendfile()',
    test='tests/net/test_sendfile.py',
    covers=('loop.sendfile(offset=)', 'loop.sendfile(count=)'),
)
async def sendfile(t):
    transport, protocol, two = await connected(t)
    with two, tempfile.TemporaryFile() as file:
        file.write(b'0123456789' * 1000)
        file.flush()
        t.tell(await t.loop.sendfile(transport, file), file.tell())
        t.tell(await drain(t, two, 10_000))
        t.tell(await t.loop.sendfile(transport, file, offset=5, count=3), two.recv(10))
        transport.close()
        with t.raised():
            await t.loop.sendfile(transport, file)
        await protocol.lost


@tcp('loop.sendfile(fallback=)', test='tests/net/test_sendfile.py')
async def sendfile_fallback(t):
    import io

    async with connection(t) as (transport, _, two):
        t.tell(await t.loop.sendfile(transport, io.BytesIO(b'data')), two.recv(10))
        with t.raised():
            await t.loop.sendfile(transport, io.BytesIO(b'data'), fallback=False)


@tcp('the class of a transport', test=TYPE, named='`type(transport).__module__`')
async def transport_class(t):
    async with connection(t) as (transport, _, _):
        t.tell(type(transport).__name__, type(transport).__module__.split('.'))


@tcp(
    'isinstance of transports',
    test=TYPE,
    covers=('asyncio.Transport', 'asyncio.ReadTransport', 'asyncio.WriteTransport'),
)
async def transport_types(t):
    async with connection(t) as (transport, _, _):
        for name in ('BaseTransport', 'ReadTransport', 'WriteTransport', 'Transport'):
            t.tell(name, isinstance(transport, getattr(t.aio, name)))


@tcp('repr of a transport', test=TYPE)
async def transport_repr(t):
    transport, protocol, two = await connected(t)
    with two:
        t.tell(transport)
        transport.pause_reading()
        t.tell(transport)
        transport.resume_reading()
        transport.close()
        t.tell(transport)
        await protocol.lost
        t.tell(transport)


@tcp('attributes of a program on a transport', test=TYPE)
async def transport_attributes(t):
    async with connection(t) as (transport, _, _):
        with t.raised():
            transport.mine = 5
            t.tell(transport.mine)


@tcp('a transport that is dropped without close()', test=CLOSE)
async def unclosed(t):
    import gc

    one, two = socket.socketpair()
    with two:
        transport, protocol = await t.loop.create_connection(asyncio.Protocol, sock=one)
        transport.pause_reading()
        del transport, protocol
        await asyncio.sleep(0)
        gc.collect()


@tcp(
    'the base classes of asyncio.transports and asyncio.protocols',
    test='tests/test_namespace.py',
    covers=(
        'asyncio.BaseTransport',
        'asyncio.BaseProtocol',
        'asyncio.DatagramTransport',
        'asyncio.SubprocessTransport',
        'asyncio.DatagramProtocol',
        'asyncio.SubprocessProtocol',
        'asyncio.BufferedProtocol',
        'asyncio.AbstractServer',
        'asyncio.Server',
        'Transport(extra=)',
        'DatagramTransport(extra=)',
        'SubprocessTransport(extra=)',
    ),
)
async def bases(t):
    for name in (
        'BaseTransport',
        'ReadTransport',
        'WriteTransport',
        'Transport',
        'DatagramTransport',
        'SubprocessTransport',
        'BaseProtocol',
        'Protocol',
        'BufferedProtocol',
        'DatagramProtocol',
        'SubprocessProtocol',
        'AbstractServer',
    ):
        cls = getattr(t.aio, name)
        t.tell(name, [base.__name__ for base in cls.__mro__], cls is getattr(asyncio, name))
    t.tell(t.aio.Transport(extra={'key': 1}).get_extra_info('key'))
    with t.raised():
        t.aio.Transport().write(b'')
    t.tell(
        isinstance(
            await t.loop.create_server(asyncio.Protocol, '127.0.0.1', 0), t.aio.AbstractServer
        )
    )
