"""A stream transport as an object: its types, extra info, repr, attributes old and new."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import socket
import sys
import weakref
from asyncio import constants, transports, trsock

import pytest
from net.support import Recorder, both_kinds, connected, iterations, receive, reset, stream_pair

pytestmark = pytest.mark.pollers


class TestType:
    @pytest.mark.parametrize(
        'base',
        [
            asyncio.BaseTransport,
            asyncio.ReadTransport,
            asyncio.WriteTransport,
            asyncio.Transport,
            transports._FlowControlMixin,
        ],
    )
    async def test_isinstance(self, loop, base):
        async with connected(Recorder()) as (transport, _):
            assert isinstance(transport, base)

    @pytest.mark.parametrize('base', [asyncio.DatagramTransport, asyncio.SubprocessTransport])
    async def test_is_not(self, loop, base):
        async with connected(Recorder()) as (transport, _):
            assert not isinstance(transport, base)

    @pytest.mark.parametrize('name', [n for n in dir(asyncio.Transport) if n[0] != '_'])
    async def test_methods(self, loop, name):
        async with connected(Recorder()) as (transport, _):
            assert inspect.isroutine(getattr(transport, name))
            assert getattr(transport, name).__name__ == name

    async def test_no_arguments_too_many(self, loop):
        async with connected(Recorder()) as (transport, _):
            for name in ('close', 'abort', 'is_closing', 'pause_reading', 'write_eof'):
                with pytest.raises(TypeError):
                    getattr(transport, name)(1)
            assert not transport.is_closing()


class TestMaxSize:
    @pytest.mark.parametrize('size', [3, 1 << 20, 1 << 32, (1 << 32) + 1])
    async def test_reads_as_much_at_the_most(self, loop, size):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.max_size = size
            peer.send(b'hello')
            assert await protocol.received(5) == b'hello'
            assert protocol.count('data') == (2 if size == 3 else 1)
            assert not transport.is_closing()


class TestExtraInfo:
    @both_kinds
    async def test_socket(self, loop, kind):
        async with connected(Recorder(), kind) as (transport, peer):
            sock = transport.get_extra_info('socket')
            assert type(sock) is trsock.TransportSocket
            assert transport.get_extra_info('socket') is sock
            assert sock.fileno() == transport._sock_fd
            assert sock.getpeername() == peer.getsockname()
            assert sock.type == socket.SOCK_STREAM
            assert sock.gettimeout() == 0

    async def test_names(self, loop):
        async with connected(Recorder()) as (transport, peer):
            assert transport.get_extra_info('sockname') == peer.getpeername()
            assert transport.get_extra_info('peername') == peer.getsockname()

    async def test_names_of_unix_sockets(self, loop):
        async with connected(Recorder(), 'unix') as (transport, _):
            assert transport.get_extra_info('sockname') == ''
            assert transport.get_extra_info('peername') == ''

    async def test_peer_gone_before(self, loop):
        left, right = stream_pair()
        reset(right)
        protocol = Recorder()
        transport, _ = await loop.create_connection(lambda: protocol, sock=left)
        assert transport.get_extra_info('peername', 'default') is None
        await protocol.lost()
        protocol.error = None

    @pytest.mark.parametrize('name', ['nonsense', 'sslcontext', 'pipe', 'subprocess', '', None])
    async def test_default(self, loop, name):
        async with connected(Recorder()) as (transport, _):
            assert transport.get_extra_info(name) is None
            assert transport.get_extra_info(name, 5) == 5
            assert transport.get_extra_info(name, default=6) == 6

    async def test_after_close(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            names = ('sockname', 'peername', 'socket')
            before = [transport.get_extra_info(name) for name in names]
            transport.close()
            await protocol.lost()
            await iterations()
            assert [transport.get_extra_info(name) for name in names] == before
            assert transport.get_extra_info('socket').fileno() == -1

    async def test_in_callbacks(self, loop):
        class Asking(Recorder):
            def note(self, *call):
                super().note(*call)
                names.append(self.transport.get_extra_info('sockname'))

        names = []
        protocol = Asking()
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            await protocol.has('data')
            wanted = peer.getpeername()
            peer.close()
            await protocol.lost()
            assert names == [wanted] * 4

    async def test_dict(self, loop):
        async with connected(Recorder()) as (transport, _):
            assert set(transport._extra) == {'socket', 'sockname', 'peername'}
            transport._extra['mine'] = 1
            assert transport.get_extra_info('mine') == 1

    async def test_nagle_is_off(self, loop):
        async with connected(Recorder()) as (transport, _):
            sock = transport.get_extra_info('socket')
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class TestRepr:
    async def test_states(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            name = re.escape(type(transport).__name__)
            fd = transport._sock_fd

            def is_like(pattern):
                return re.fullmatch(f'<{name} {pattern}>', repr(transport))

            await iterations()
            assert is_like(f'fd={fd} read=polling write=<idle, bufsize=0>')
            transport.pause_reading()
            assert is_like(f'fd={fd} read=idle write=<idle, bufsize=0>')
            transport.write(b'x' * 20_000_000)
            size = transport.get_write_buffer_size()
            assert is_like(f'fd={fd} read=idle write=<polling, bufsize={size}>')
            transport.close()
            assert is_like(f'closing fd={fd} read=idle write=<polling, bufsize={size}>')
            transport.abort()
            assert is_like(f'closing fd={fd} read=idle write=<idle, bufsize=0>')
            await protocol.lost()
            await iterations()
            assert is_like(f'closed fd={fd}')
            peer.close()

    async def test_after_end_of_file(self, loop):
        protocol = Recorder(keep_open=True)
        async with connected(protocol) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            assert ' read=idle write=<idle, bufsize=0>>' in repr(transport)

    async def test_in_callbacks(self, loop):
        reprs = []

        class Showing(Recorder):
            def note(self, *call):
                super().note(*call)
                reprs.append(repr(self.transport))

        protocol = Showing()
        async with connected(protocol) as (transport, peer):
            peer.close()
            await protocol.lost()
            fd = transport._sock_fd
        assert [f'fd={fd}' in text for text in reprs] == [True] * 3
        # The reader is added after connection_made().
        assert 'read=idle' in reprs[0]
        assert 'closing' in reprs[2]


class TestAttributes:
    async def test_new_ones(self, loop):
        async with connected(Recorder()) as (transport, _):
            transport.foo = 1
            assert transport.foo == 1
            assert transport.__dict__['foo'] == 1
            del transport.foo
            with pytest.raises(AttributeError):
                _ = transport.foo

    async def test_spies(self, loop):
        async with connected(Recorder()) as (transport, peer):
            written = []
            write = transport.write
            transport.write = lambda data: (written.append(data), write(data))
            transport.write(b'x')
            assert await receive(peer, 1) == b'x'
            assert written == [b'x']
            del transport.write
            transport.write(b'y')
            assert await receive(peer, 1) == b'y'
            transport.get_extra_info = lambda name, default=None: 'patched'
            assert transport.get_extra_info('socket') == 'patched'
            del transport.get_extra_info

    async def test_a_spy_on_writes_of_streams(self, loop):
        left, right = stream_pair()
        _, writer = await asyncio.open_connection(sock=left)
        written = []
        writer.transport.write = written.append
        writer.write(b'x')
        assert written == [b'x']
        writer.transport.abort()
        del writer.transport.write
        await iterations()
        right.close()

    async def test_weak_reference(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            reference = weakref.ref(transport)
            assert reference() is transport
        await iterations()
        protocol.transport = None
        del transport
        gc.collect()
        assert reference() is None

    async def test_hash_and_equality(self, loop):
        async with connected(Recorder()) as (one, _), connected(Recorder()) as (two, _):
            assert one == one and one != two
            assert {one: 1, two: 2}[one] == 1

    async def test_held_by_its_loop(self, loop):
        """Nobody else keeps the transport and its protocol."""
        left, right = stream_pair()
        protocol = Recorder()
        await loop.create_connection(lambda: protocol, sock=left)
        left = None
        protocol.transport = None
        gc.collect()
        right.send(b'x')
        await protocol.received(1)
        right.close()
        await protocol.lost()


class TestPrivate:
    """What libraries read though it is private."""

    @pytest.mark.ours
    @pytest.mark.parametrize(
        'name', ['_buffer', '_closing', '_protocol', '_paused', '_extra', '_loop']
    )
    async def test_what_asyncio_keeps_for_itself_is_only_read(self, loop, name):
        async with connected(Recorder()) as (transport, _):
            value = getattr(transport, name)
            with pytest.raises(AttributeError, match='not writable'):
                setattr(transport, name, value)

    async def test_of_an_open_transport(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            assert transport._loop is loop
            assert transport._protocol is protocol
            assert isinstance(transport._sock, socket.socket)
            assert transport._sock.getpeername() == peer.getsockname()
            assert transport._sock_fd == transport._sock.fileno()
            assert transport._conn_lost == 0
            assert transport._closing is False
            assert transport._paused is False
            assert transport._eof is False
            assert len(transport._buffer) == 0
            assert not transport._buffer
            assert transport._server is None
            assert transport._protocol_paused is False
            assert (transport._low_water, transport._high_water) == (16 * 1024, 64 * 1024)
            assert transport._start_tls_compatible is True
            assert transport._sendfile_compatible is constants._SendfileMode.TRY_NATIVE
            assert loop._transports[transport._sock_fd] is transport

    async def test_as_things_happen(self, loop):
        first, second = Recorder(), Recorder()
        async with connected(first) as (transport, _):
            transport.set_protocol(second)
            assert transport._protocol is second
            transport.pause_reading()
            assert transport._paused is True
            transport.resume_reading()
            assert transport._paused is False
            transport.write(b'x' * 20_000_000)
            assert transport._buffer
            assert transport._protocol_paused is True
            transport.write_eof()
            assert transport._eof is True
            transport.close()
            assert transport._closing is True
            assert transport._conn_lost == 0
            transport.abort()
            assert transport._conn_lost == 1
            assert not transport._buffer

    async def test_of_a_closed_transport(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            fd = transport._sock_fd
            transport.close()
            assert transport._conn_lost == 1
            assert transport._sock is not None
            await protocol.lost()
            assert transport._sock is None
            assert transport._loop is None
            assert transport._protocol is None
            assert transport._sock_fd == fd
            assert transport._closing is True

    async def test_socket_outlives_connection_lost(self, loop):
        class Looking(Recorder):
            def connection_lost(self, exc):
                fds.append((self.transport._sock.fileno(), self.transport._sock_fd))
                super().connection_lost(exc)

        fds = []
        protocol = Looking()
        async with connected(protocol) as (transport, _):
            transport.close()
            await protocol.lost()
        assert fds[0][0] == fds[0][1] >= 0

    async def test_the_socket_given_is_the_socket_used(self, loop):
        left, right = stream_pair()
        protocol = Recorder()
        transport, _ = await loop.create_connection(lambda: protocol, sock=left)
        assert transport._sock is left
        transport.abort()
        await protocol.lost()
        assert left.fileno() == -1
        right.close()


class TestDirect:
    """The hook that libraries and inherited code call."""

    async def test_make_socket_transport(self, loop):
        left, right = stream_pair()
        protocol = Recorder()
        waiter = loop.create_future()
        transport = loop._make_socket_transport(left, protocol, waiter, extra={'mine': 1})
        assert protocol.calls == []
        await waiter
        assert protocol.calls == ['made']
        assert protocol.transport is transport
        assert transport.get_extra_info('mine') == 1
        assert transport.get_extra_info('peername') == right.getsockname()
        transport.abort()
        await protocol.lost()
        right.close()

    async def test_peername_given(self, loop):
        left, right = stream_pair()
        protocol = Recorder()
        transport = loop._make_socket_transport(left, protocol, extra={'peername': 'given'})
        assert transport.get_extra_info('peername') == 'given'
        await protocol.has('made')
        transport.abort()
        await protocol.lost()
        right.close()

    async def test_waiter_cancelled(self, loop):
        left, right = stream_pair()
        protocol = Recorder()
        waiter = loop.create_future()
        transport = loop._make_socket_transport(left, protocol, waiter)
        waiter.cancel()
        right.send(b'x')
        await protocol.received(1)
        transport.abort()
        await protocol.lost()
        right.close()

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='3.11 does not refuse')
    async def test_fd_in_use(self, loop):
        async with connected(Recorder()) as (transport, _):
            sock = transport._sock
            with pytest.raises(RuntimeError) as caught:
                loop._make_socket_transport(sock, Recorder())
            text = f'File descriptor {sock!r} is used by transport {transport!r}'
            assert str(caught.value) == text
            caught.value.__traceback__ = None


async def test_limits_are_whole_numbers(impl, loop):
    async with connected(Recorder()) as (transport, _):
        transport.set_write_buffer_limits(high=1.5)
        assert transport.get_write_buffer_limits() == ((0, 1) if impl.ours else (0.0, 1.5))
