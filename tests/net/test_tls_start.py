"""loop.start_tls(): from both sides, on every transport, over TLS; what had come before it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
import sys

import pytest
from net.support import (
    BufferedRecorder,
    Recorder,
    both_kinds,
    connected,
    iterations,
    receive_all,
    stream_pair,
)
from net.tls_support import (
    Peer,
    both_sides,
    both_versions,
    client_context,
    contexts,
    ended,
    failure,
    peer_of,
    secured,
    server_context,
)

# Since gh-142352 what a StreamReader holds goes to TLS too.
READERS_BUFFER_MOVES = sys.version_info >= (3, 14)


def require_moving_buffer(loop):
    if not READERS_BUFFER_MOVES and type(loop).__module__.startswith('asyncio.'):
        pytest.skip('stock: kept by the reader')


def start(loop, transport, protocol, side, context=None, **options):
    if side == 'server':
        options['server_side'] = True
        context = context or server_context()
    else:
        options.setdefault('server_hostname', 'localhost')
        context = context or client_context()
    return asyncio.ensure_future(loop.start_tls(transport, protocol, context, **options))


@contextlib.asynccontextmanager
async def started(protocol, side='client', kind='tcp', before=None, **options):
    """A transport that was plain and is TLS, and its peer."""
    loop = asyncio.get_running_loop()
    async with connected(before or Recorder(), kind) as (plain, sock):
        task = start(loop, plain, protocol, side, **options)
        peer = peer_of(side, sock)
        await peer.handshake()
        transport = await task
        yield transport, peer
        await ended(transport, protocol)


class TestUpgrade:
    @both_kinds
    @both_sides
    @pytest.mark.parametrize('kind_of_protocol', [Recorder, BufferedRecorder])
    async def test_both_ways(self, loop, kind, side, kind_of_protocol):
        protocol = kind_of_protocol()
        async with started(protocol, side, kind) as (transport, peer):
            assert transport.get_protocol() is protocol
            transport.write(b'from us')
            assert await peer.receive(7) == b'from us'
            await peer.write(b'from them')
            assert await protocol.received(9) == b'from them'
            # connection_made() is not called: the protocol has had its own.
            assert protocol.calls == ['data']

    @both_sides
    async def test_the_plain_protocol_is_left_alone(self, loop, side):
        before, protocol = Recorder(), Recorder()
        async with started(protocol, side, before=before) as (_, peer):
            await peer.write(b'x')
            await protocol.received(1)
            assert before.calls == ['made']
        assert before.calls == ['made']
        assert protocol.calls == ['data', 'lost']
        before.note('lost')

    async def test_the_same_protocol(self, loop):
        protocol = Recorder()
        async with started(protocol, before=protocol) as (transport, peer):
            await peer.write(b'x')
            await protocol.received(1)
            assert transport.get_extra_info('ssl_object')
        assert protocol.calls == ['made', 'data', 'lost']

    @both_sides
    async def test_closing(self, loop, side):
        protocol = Recorder()
        async with started(protocol, side) as (transport, peer):
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['eof', 'lost']

    async def test_the_peer_ends_it(self, loop):
        protocol = Recorder()
        async with started(protocol) as (_, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['eof', 'lost']

    async def test_reading_was_paused(self, loop):
        """Reading goes on: start_tls() needs it."""
        async with connected(Recorder()) as (plain, sock):
            plain.pause_reading()
            protocol = Recorder()
            task = start(loop, plain, protocol, 'client')
            peer = peer_of('client', sock)
            await peer.handshake()
            transport = await task
            await peer.write(b'x')
            assert await protocol.received(1) == b'x'
            await ended(transport, protocol)

    async def test_what_was_queued_goes_first(self, loop):
        async with connected(Recorder(), 'unix', small=True) as (plain, sock):
            plain.write(bytes(30_000))
            protocol = Recorder()
            task = start(loop, plain, protocol, 'client')
            left = 30_000
            while left:
                left -= len(await loop.sock_recv(sock, left))
            await peer_of('client', sock).handshake()
            transport = await task
            await ended(transport, protocol)

    async def test_extra_info(self, loop):
        async with started(Recorder(), kind='tcp') as (transport, _):
            below = transport._ssl_protocol._transport
            for name in ('socket', 'peername', 'sockname'):
                found = transport.get_extra_info(name)
                assert found
                assert found == below.get_extra_info(name)
            assert transport.get_extra_info('cipher')


class TestFailures:
    @both_sides
    async def test_garbage(self, loop, side):
        protocol = Recorder()
        async with connected(Recorder()) as (plain, sock):
            task = start(loop, plain, protocol, side)
            await loop.sock_sendall(sock, b'\0' * 100)
            error = await failure(task)
            assert type(error) is ssl.SSLError
            await receive_all(sock)
            # Who was connected before is told.
            assert await protocol.lost() is error
            protocol.error = None

    async def test_wrong_certificate(self, loop):
        protocol = Recorder()
        async with connected(Recorder()) as (plain, sock):
            task = start(loop, plain, protocol, 'client')
            peer = peer_of('client', sock, server_context('elsewhere'))
            await failure(peer.handshake())
            error = await failure(task)
            assert type(error) is ssl.SSLCertVerificationError
            assert await protocol.lost() is error
            protocol.error = None

    @both_sides
    async def test_timeout(self, loop, side):
        """The protocol is not told then."""
        protocol = Recorder()
        async with connected(Recorder()) as (plain, sock):
            error = await failure(start(loop, plain, protocol, side, ssl_handshake_timeout=0.01))
            assert type(error) is ConnectionAbortedError
            assert str(error) == (
                'SSL handshake is taking longer than 0.01 seconds: aborting the connection'
            )
            await receive_all(sock)
            await iterations()
            assert protocol.calls == []

    @both_sides
    async def test_cancelled(self, loop, side):
        protocol = Recorder()
        async with connected(Recorder()) as (plain, sock):
            task = start(loop, plain, protocol, side)
            await iterations()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await receive_all(sock)

    async def test_cancelled_at_once(self, loop):
        protocol = Recorder()
        async with connected(Recorder()) as (plain, sock):
            task = start(loop, plain, protocol, 'client')
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await receive_all(sock)
            assert protocol.calls == []

    @pytest.mark.parametrize('context', [None, True, 'context', 5])
    async def test_no_context(self, loop, context):
        async with connected(Recorder()) as (plain, _):
            error = await failure(loop.start_tls(plain, Recorder(), context))
            assert type(error) is TypeError
            text = f'sslcontext is expected to be an instance of ssl.SSLContext, got {context!r}'
            assert str(error) == text
            assert not plain.is_closing()

    @pytest.mark.parametrize('transport', [None, 5, 'transport'])
    async def test_no_transport(self, loop, transport):
        error = await failure(loop.start_tls(transport, Recorder(), client_context()))
        assert type(error) is TypeError
        assert str(error) == f'transport {transport!r} is not supported by start_tls()'

    async def test_another_transport(self, loop):
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=('127.0.0.1', 0)
        )
        error = await failure(loop.start_tls(transport, Recorder(), client_context()))
        assert str(error) == f'transport {transport!r} is not supported by start_tls()'
        transport.close()
        await iterations()

    @pytest.mark.parametrize('kind', ['handshake', 'shutdown'])
    async def test_timeouts_are_positive(self, loop, kind):
        async with connected(Recorder()) as (plain, _):
            options = {f'ssl_{kind}_timeout': 0}
            making = loop.start_tls(
                plain, Recorder(), client_context(), server_hostname='localhost', **options
            )
            error = await failure(making)
            assert type(error) is ValueError
            assert str(error) == f'ssl_{kind}_timeout should be a positive number, got 0'
            assert not plain.is_closing()

    async def test_a_server_in_vain(self, loop):
        async with connected(Recorder()) as (plain, _):
            making = loop.start_tls(plain, Recorder(), client_context(), server_side=True)
            error = await failure(making)
            assert isinstance(error, (ssl.SSLError, ValueError))
            assert not plain.is_closing()


class TestInjection:
    """Bytes that came before start_tls() are TLS's, or lost: never the application's."""

    async def test_bytes_not_yet_read(self, loop):
        """The peer's flight is in the socket when start_tls() is called."""
        async with connected(Recorder()) as (plain, sock):
            plain.pause_reading()
            peer = peer_of('server', sock)
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.object.do_handshake()
            await peer.flush()
            await iterations()
            protocol = Recorder()
            task = start(loop, plain, protocol, 'server')
            await peer.handshake()
            transport = await task
            assert protocol.calls == []
            await ended(transport, protocol)

    @both_sides
    async def test_plain_text_in_the_socket(self, loop, side):
        """It reaches TLS, which refuses it."""
        before, protocol = Recorder(), Recorder()
        async with connected(before) as (plain, sock):
            plain.pause_reading()
            await loop.sock_sendall(sock, b'injected command\r\n' * 10)
            await iterations()
            task = start(loop, plain, protocol, side)
            error = await failure(task)
            assert type(error) is ssl.SSLError
            await iterations(5)
            assert before.data == b''
            assert protocol.data == b''
            protocol.error = None

    async def test_plain_text_after_the_command(self, loop):
        """What came with the command is the old protocol's, and only its."""
        before, protocol = Recorder(), Recorder()
        async with connected(before) as (plain, sock):
            await loop.sock_sendall(sock, b'STARTTLS\r\ninjected\r\n')
            await before.received(20)
            task = start(loop, plain, protocol, 'server')
            peer = peer_of('server', sock)
            await peer.handshake()
            transport = await task
            await peer.write(b'clean')
            assert await protocol.received(5) == b'clean'
            assert before.data == b'STARTTLS\r\ninjected\r\n'
            await ended(transport, protocol)

    async def test_a_readers_buffer_is_refused(self, loop):
        require_moving_buffer(loop)
        async with served(loop) as (reader, writer, sock):
            await loop.sock_sendall(sock, b'STARTTLS\r\ninjected\r\n' * 5)
            assert await reader.readline() == b'STARTTLS\r\n'
            error = await failure(writer.start_tls(server_context()))
            assert type(error) is ssl.SSLError
            assert bytes(reader._buffer) == b''
            await receive_all(sock)

    async def test_a_readers_buffer_is_the_handshake(self, loop):
        require_moving_buffer(loop)
        async with served(loop) as (reader, writer, sock):
            peer = peer_of('server', sock)
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.object.do_handshake()
            hello = peer.outgoing.read()
            await loop.sock_sendall(sock, b'STARTTLS\r\n' + hello)
            assert await reader.readline() == b'STARTTLS\r\n'
            assert bytes(reader._buffer) == hello
            starting = asyncio.ensure_future(writer.start_tls(server_context()))
            await peer.handshake()
            await starting
            await peer.write(b'secret\n')
            assert await reader.readline() == b'secret\n'
            writer.transport.abort()


@contextlib.asynccontextmanager
async def served(loop):
    """A server's reader and writer, and the client's socket."""
    left, right = stream_pair()
    pairs = loop.create_future()
    reader = asyncio.StreamReader(loop=loop)

    async def keep(reader, writer):
        pairs.set_result(writer)

    protocol = asyncio.StreamReaderProtocol(reader, keep, loop=loop)
    with right:
        await loop.connect_accepted_socket(lambda: protocol, left)
        writer = await pairs
        yield reader, writer, right
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await iterations()


class TestStreams:
    @both_sides
    @both_versions
    async def test_writers(self, loop, side, version):
        server, client = contexts(version)
        done = loop.create_future()

        async def serve(reader, writer):
            assert await reader.readline() == b'STARTTLS\n'
            writer.write(b'go\n')
            assert await writer.start_tls(server) is None
            assert writer.get_extra_info('ssl_object')
            assert writer.transport is writer._transport
            line = await reader.readline()
            writer.write(line.upper())
            await writer.drain()
            assert await reader.read() == b''
            writer.close()
            await writer.wait_closed()
            done.set_result(None)

        listening = await asyncio.start_server(serve, '127.0.0.1', 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            plain = writer.transport
            writer.write(b'STARTTLS\n')
            assert await reader.readline() == b'go\n'
            await writer.start_tls(client, server_hostname='localhost')
            assert writer.transport is not plain
            assert writer.can_write_eof() is False
            writer.write(b'secret\n')
            assert await reader.readline() == b'SECRET\n'
            writer.close()
            await writer.wait_closed()
            await done

    async def test_a_failed_one(self, loop):
        async with served(loop) as (_, writer, sock):
            starting = asyncio.ensure_future(writer.start_tls(server_context()))
            await loop.sock_sendall(sock, b'\0' * 100)
            assert type(await failure(starting)) is ssl.SSLError
            await receive_all(sock)


@contextlib.asynccontextmanager
async def nested(protocol, side='client', version=None):
    """A TLS connection in another's: its transport and peer, and those of the outer one."""
    loop = asyncio.get_running_loop()
    server, client = contexts(version)
    ours, theirs = (server, client) if side == 'server' else (client, server)
    outside = Recorder()
    async with secured(outside, side) as (outer, peer):
        task = start(loop, outer, protocol, side, ours)
        inner = Inner(peer, theirs, side)
        await inner.handshake()
        yield await task, inner, outer, peer
        assert outside.calls == ['made']
        outside.note('lost')


class TestOverTLS:
    """start_tls() on a TLS transport: one connection's records in another's."""

    @both_sides
    @both_versions
    async def test_both_ways(self, loop, side, version):
        protocol = Recorder()
        async with nested(protocol, side, version) as (transport, inner, outer, _):
            assert transport is not outer
            transport.write(b'from us' * 10_000)
            assert await inner.receive(70_000) == b'from us' * 10_000
            await inner.write(b'from them' * 10_000)
            assert await protocol.received(90_000) == b'from them' * 10_000
            assert transport.get_extra_info('ssl_object') is not (
                outer.get_extra_info('ssl_object')
            )
            assert transport.get_extra_info('socket') is outer.get_extra_info('socket')
            below = transport._ssl_protocol._transport
            assert below is outer
            transport.abort()
            assert await protocol.lost() is None
            # After its end it has none.
            assert outer.get_protocol() is None

    async def test_closing(self, loop):
        protocol = Recorder()
        async with nested(protocol) as (transport, inner, _, peer):
            transport.close()
            assert await inner.read() == b''
            await inner.call(inner.object.unwrap)
            # The inner is through: the outer says its own end.
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['eof', 'lost']

    async def test_the_outer_ends(self, loop):
        protocol = Recorder()
        async with nested(protocol) as (_, _, _, peer):
            await peer.unwrap()
            await protocol.lost()
            assert protocol.calls == ['eof', 'lost']
            protocol.error = None


class Inner(Peer):
    """A peer whose connection is another peer's."""

    def __init__(self, outer, context, side):
        super().__init__(
            outer.sock, context, side == 'client', None if side == 'client' else 'localhost'
        )
        self.outer = outer

    async def flush(self):
        if data := self.outgoing.read():
            await self.outer.write(data)

    async def feed(self):
        data = await self.outer.read()
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()


class TestSendfile:
    """Over TLS the loop reads the file and writes what it has read."""

    DATA = bytes(range(256)) * 1500

    @pytest.fixture(params=['file', 'memory'])
    def source(self, request, tmp_path):
        path = tmp_path / 'file'
        path.write_bytes(self.DATA)
        with open(path, 'rb') if request.param == 'file' else io.BytesIO(self.DATA) as file:
            yield file

    @pytest.mark.parametrize(
        ('offset', 'count', 'start', 'end'),
        [(0, None, 0, 384_000), (1000, None, 1000, 384_000), (10, 300_000, 10, 300_010)],
    )
    @both_sides
    async def test_ranges(self, loop, source, side, offset, count, start, end):
        protocol = Recorder()
        async with secured(protocol, side, 'unix') as (transport, peer):
            sending = asyncio.ensure_future(loop.sendfile(transport, source, offset, count))
            assert await peer.receive(end - start) == self.DATA[start:end]
            assert await sending == end - start
            assert source.tell() == end
            assert transport.get_protocol() is protocol
            await peer.write(b'x')
            await protocol.received(1)

    async def test_no_fallback(self, loop, source):
        async with secured(Recorder()) as (transport, _):
            error = await failure(loop.sendfile(transport, source, fallback=False))
            assert type(error) is RuntimeError
            text = f'fallback is disabled and native sendfile is not supported for {transport!r}'
            assert str(error).startswith('fallback is disabled') or str(error) == text

    async def test_to_a_closed_one(self, loop, source):
        async with secured(Recorder()) as (transport, _):
            transport.abort()
            error = await failure(loop.sendfile(transport, source))
            assert type(error) is RuntimeError
            assert str(error) == 'Transport is closing'

    async def test_waits_for_a_slow_peer(self, loop, source):
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.set_write_buffer_limits(high=20_000)
            sending = asyncio.ensure_future(loop.sendfile(transport, source))
            await waiting_for_the_peer(transport)
            assert not sending.done()
            assert transport.get_write_buffer_size() < 500_000
            assert await peer.receive(len(self.DATA)) == self.DATA
            assert await sending == len(self.DATA)

    async def test_the_peer_vanishes(self, loop, source):
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.set_write_buffer_limits(high=20_000)
            sending = asyncio.ensure_future(loop.sendfile(transport, source))
            await waiting_for_the_peer(transport)
            peer.sock.close()
            error = await failure(sending)
            assert isinstance(error, ConnectionError)
            protocol.note('lost')


async def waiting_for_the_peer(transport):
    while transport.get_write_buffer_size() < 20_000:
        await asyncio.sleep(0)
    await iterations(5)
