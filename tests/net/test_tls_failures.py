"""TLS connections that come to nothing: garbage, timeouts, peers that vanish in every state."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest
from net.support import LIMIT, Recorder, iterations, receive_all, reset, stream_pair
from net.tls_support import (
    alone,
    both_sides,
    both_versions,
    contexts,
    failure,
    opened,
    opening,
    peer_of,
    secured,
    server_context,
)

GARBAGE = [
    b'\0' * 100,
    b'\xff' * 100,
    b'220 mail.example ESMTP\r\n' * 4,
    b'\x16\x03\x01' + b'\xff' * 100,
    b'\x80\x2e\x01\x00\x02' + b'\0' * 100,
]
# As different OpenSSL name it.
WRONG_RECORD = ('WRONG_VERSION_NUMBER', 'PACKET_LENGTH_TOO_LONG', 'RECORD_LAYER_FAILURE')
WRONG_CONTENT = ('DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'RECORD_LAYER_FAILURE')


def reason_of(error):
    """Its reason: an OpenSSL that is newer than the interpreter tells it in words only."""
    words = str(error).partition('] ')[2].partition(' (')[0]
    return error.reason or words.replace(' ', '_').upper()


garbage = pytest.mark.parametrize('data', GARBAGE, ids=lambda data: data[:5].hex())


class TestGarbage:
    @garbage
    @both_sides
    async def test_instead_of_a_handshake(self, loop, data, side):
        protocol = Recorder()
        async with opened(protocol, side) as (task, sock):
            await loop.sock_sendall(sock, data)
            sock.shutdown(socket.SHUT_WR)
            error = await failure(task)
            assert isinstance(error, OSError)
            await receive_all(sock)
        assert protocol.calls == []
        assert loop.reports == []

    async def test_plain_http(self, loop):
        async with opened(Recorder(), 'server') as (task, sock):
            await loop.sock_sendall(sock, b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
            error = await failure(task)
            assert type(error) is ssl.SSLError
            assert error.reason == 'HTTP_REQUEST'
            # No alert: the end alone.
            assert await receive_all(sock) == b''

    async def test_a_server_that_does_not_speak_tls(self, loop):
        async with opened(Recorder()) as (task, sock):
            await loop.sock_sendall(sock, b'HTTP/1.1 400 Bad Request\r\n\r\n')
            error = await failure(task)
            assert type(error) is ssl.SSLError
            assert error.reason == 'WRONG_VERSION_NUMBER'

    @both_sides
    @both_versions
    async def test_after_the_handshake(self, loop, side, version):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = Recorder()
        async with secured(protocol, side, context=ours, theirs=theirs) as (_, peer):
            await loop.sock_sendall(peer.sock, b'garbage' * 10)
            error = await protocol.lost()
            assert type(error) is ssl.SSLError
            assert reason_of(error) in WRONG_RECORD
            assert protocol.calls == ['made', 'lost']
            error.__traceback__ = None
        assert loop.reports == []

    @both_sides
    @both_versions
    async def test_a_record_that_was_changed(self, loop, side, version):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = Recorder()
        async with secured(protocol, side, context=ours, theirs=theirs) as (_, peer):
            record = bytearray(peer.record(b'something'))
            record[-1] ^= 1
            await loop.sock_sendall(peer.sock, record)
            error = await protocol.lost()
            assert reason_of(error) in WRONG_CONTENT
            assert protocol.calls == ['made', 'lost']
            error.__traceback__ = None

    async def test_records_before_a_wrong_one_are_lost(self, loop):
        """All that has come is decrypted before the protocol is told of any."""
        protocol = Recorder()
        async with secured(protocol, 'server') as (_, peer):
            await loop.sock_sendall(peer.sock, peer.record(b'good') + b'garbage' * 10)
            error = await protocol.lost()
            assert protocol.calls == ['made', 'lost']
            error.__traceback__ = None


class TestVanishing:
    """Before, in and after the handshake; by FIN and by RST."""

    @both_sides
    async def test_at_once_by_its_end(self, loop, side):
        protocol = Recorder()
        async with opened(protocol, side) as (task, sock):
            sock.close()
            error = await failure(task)
            assert type(error) is ConnectionResetError
            assert error.args in ((), (104, 'Connection reset by peer'))
        assert protocol.calls == []
        assert loop.reports == []

    @both_sides
    async def test_at_once_by_half(self, loop, side):
        async with opened(Recorder(), side) as (task, sock):
            sock.shutdown(socket.SHUT_WR)
            error = await failure(task)
            assert type(error) is ConnectionResetError
            assert error.args == ()

    @both_sides
    async def test_at_once_by_reset(self, loop, side):
        protocol = Recorder()
        async with opened(protocol, side) as (task, sock):
            await iterations()
            reset(sock)
            error = await failure(task)
            assert type(error) is ConnectionResetError
            assert error.args == (104, 'Connection reset by peer')
        assert protocol.calls == []

    @both_sides
    @both_versions
    @pytest.mark.parametrize('by_reset', [False, True], ids=['end', 'reset'])
    @pytest.mark.parametrize('size', [1, 5, 6, 50, 100])
    async def test_in_its_first_flight(self, loop, side, version, size, by_reset):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = Recorder()
        async with opened(protocol, side, context=ours) as (task, sock):
            peer = peer_of(side, sock, theirs)
            flight = await first_flight(peer)
            await loop.sock_sendall(sock, flight[:size])
            await iterations()
            if by_reset:
                reset(sock)
            else:
                sock.shutdown(socket.SHUT_WR)
            error = await failure(task)
            assert type(error) is ConnectionResetError
            assert error.args == ((104, 'Connection reset by peer') if by_reset else ())
        assert protocol.calls == []

    @both_versions
    async def test_between_flights(self, loop, version):
        """The client has the server's answer, and goes without its own."""
        server, client = contexts(version)
        protocol = Recorder()
        async with opened(protocol, 'server', context=server) as (task, sock):
            peer = peer_of('server', sock, client)
            await loop.sock_sendall(sock, await first_flight(peer))
            await peer.feed()
            sock.shutdown(socket.SHUT_WR)
            error = await failure(task)
            assert type(error) is ConnectionResetError
        assert protocol.calls == []

    @both_sides
    async def test_after_the_handshake_by_its_end(self, loop, side):
        """Without a close_notify: told as the end."""
        protocol = Recorder()
        async with secured(protocol, side) as (_, peer):
            peer.vanish()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @both_sides
    async def test_after_the_handshake_by_reset(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (_, peer):
            reset(peer.sock)
            error = await protocol.lost()
            assert type(error) is ConnectionResetError
            assert error.args == (104, 'Connection reset by peer')
            assert protocol.calls == ['made', 'lost']

    @both_sides
    @pytest.mark.parametrize('size', [1, 4, 5, 6, 20, -1])
    async def test_in_a_record_by_its_end(self, loop, side, size):
        """What is not whole is not told."""
        protocol = Recorder()
        async with secured(protocol, side) as (_, peer):
            await loop.sock_sendall(peer.sock, peer.record(b'0123456789')[:size])
            peer.vanish()
            error = await protocol.lost()
            assert error is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @both_sides
    async def test_in_a_record_by_reset(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (_, peer):
            await loop.sock_sendall(peer.sock, peer.record(b'0123456789')[:9])
            await iterations()
            reset(peer.sock)
            assert type(await protocol.lost()) is ConnectionResetError
            assert protocol.calls == ['made', 'lost']

    @both_sides
    async def test_with_its_last_record(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (_, peer):
            await peer.write(b'last')
            peer.vanish()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'eof', 'lost']
            assert protocol.data == b'last'

    @both_sides
    async def test_while_we_write(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side, small=True) as (transport, peer):
            # The first is the connection's own, the second waits for it.
            transport.write(bytes(1_000_000))
            transport.write(bytes(1_000_000))
            reset(peer.sock)
            assert type(await protocol.lost()) is ConnectionResetError
            assert transport.get_write_buffer_size() == 0
            assert protocol.calls == ['made', 'pause', 'lost']

    @both_sides
    async def test_while_we_read_no_more(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.pause_reading()
            await peer.write(b'unread')
            peer.vanish()
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            await protocol.lost()
            assert protocol.calls[:2] == ['made', 'data']
            assert protocol.data == b'unread'

    @both_sides
    async def test_after_we_have_closed(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            await peer.feed()
            peer.vanish()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @both_sides
    async def test_by_reset_after_we_have_closed(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            await peer.feed()
            reset(peer.sock)
            assert type(await protocol.lost()) is ConnectionResetError
            assert protocol.calls == ['made', 'lost']


async def first_flight(peer):
    """The bytes of the peer's first flight, which a server has after the client's."""
    while not peer.outgoing.pending:
        try:
            peer.object.do_handshake()
        except ssl.SSLWantReadError:
            if not peer.outgoing.pending:
                await peer.feed()
    return peer.outgoing.read()


class TestTimeout:
    @both_sides
    @pytest.mark.parametrize('seconds', [0.01, 0.0125])
    async def test_a_silent_peer(self, loop, side, seconds):
        protocol = Recorder()
        async with opened(protocol, side, ssl_handshake_timeout=seconds) as (task, sock):
            error = await failure(task)
            assert type(error) is ConnectionAbortedError
            assert str(error) == (
                f'SSL handshake is taking longer than {seconds} seconds: aborting the connection'
            )
            await receive_all(sock)
        assert protocol.calls == []
        assert loop.reports == []

    async def test_a_slow_peer(self, loop):
        """It counts from the start, whatever has come."""
        protocol = Recorder()
        async with opened(protocol, 'server', ssl_handshake_timeout=0.02) as (task, sock):
            flight = await first_flight(peer_of('server', sock))
            with contextlib.suppress(ConnectionError):  # it may end before all is sent
                for position in range(10):
                    await loop.sock_sendall(sock, flight[position : position + 1])
                    await iterations()
            assert type(await failure(task)) is ConnectionAbortedError

    @both_sides
    async def test_in_time(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side, ssl_handshake_timeout=LIMIT) as (_, peer):
            await peer.write(b'x')
            await protocol.received(1)
        assert protocol.calls == ['made', 'data', 'lost']

    async def test_no_timer_is_left(self, loop):
        before = pending_timers(loop)
        async with secured(Recorder(), 'server'):
            assert pending_timers(loop) == before

    @both_sides
    @pytest.mark.parametrize('seconds', [0, -1, -0.5])
    @pytest.mark.parametrize('kind', ['handshake', 'shutdown'])
    async def test_must_be_positive(self, loop, side, kind, seconds):
        left, right = stream_pair()
        with left, right:
            options = {f'ssl_{kind}_timeout': seconds}
            error = await failure(opening(Recorder(), side, left, **options))
            assert type(error) is ValueError
            text = f'ssl_{kind}_timeout should be a positive number, got {seconds}'
            assert str(error) == text

    @pytest.mark.parametrize('kind', ['handshake', 'shutdown'])
    async def test_only_with_ssl(self, loop, kind, tmp_path):
        left, right = stream_pair()
        options = {f'ssl_{kind}_timeout': 1.0}
        path = str(tmp_path / 'socket')
        with left, right:
            for making in (
                loop.create_connection(Recorder, sock=left, **options),
                loop.connect_accepted_socket(Recorder, left, **options),
                loop.create_server(Recorder, '127.0.0.1', 0, **options),
                loop.create_unix_connection(Recorder, path, **options),
                loop.create_unix_server(Recorder, path, **options),
            ):
                error = await failure(making)
                assert type(error) is ValueError
                assert str(error) == f'ssl_{kind}_timeout is only meaningful with ssl'


def pending_timers(loop):
    return sum(not handle.cancelled() for handle in loop._scheduled)


class TestCancelling:
    @both_sides
    async def test_in_the_handshake(self, loop, side):
        protocol = Recorder()
        async with opened(protocol, side) as (task, sock):
            await iterations()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await receive_all(sock)
        assert protocol.calls == []

    @both_sides
    async def test_before_it_has_begun(self, loop, side):
        protocol = Recorder()
        async with opened(protocol, side) as (task, sock):
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await receive_all(sock)
        assert protocol.calls == []


class TestArguments:
    async def test_server_hostname_needs_ssl(self, loop):
        error = await failure(loop.create_connection(Recorder, 'x', 1, server_hostname='x'))
        assert type(error) is ValueError
        assert str(error) == 'server_hostname is only meaningful with ssl'

    async def test_a_socket_needs_a_name(self, loop):
        left, right = stream_pair()
        with left, right:
            error = await failure(loop.create_connection(Recorder, sock=left, ssl=True))
            assert type(error) is ValueError
            text = 'You must set server_hostname when using ssl without a host'
            assert str(error) == text

    async def test_a_unix_connection_needs_a_name(self, loop):
        error = await failure(loop.create_unix_connection(Recorder, '/x', ssl=True))
        assert type(error) is ValueError
        assert str(error) == 'you have to pass server_hostname when using ssl'

    async def test_a_unix_name_needs_ssl(self, loop):
        making = loop.create_unix_connection(Recorder, '/x', server_hostname='x')
        error = await failure(making)
        assert type(error) is ValueError
        assert str(error) == 'server_hostname is only meaningful with ssl'

    @pytest.mark.parametrize('kind', ['tcp', 'unix'])
    async def test_a_server_needs_a_context(self, loop, kind, tmp_path):
        if kind == 'tcp':
            making = loop.create_server(Recorder, '127.0.0.1', 0, ssl=True)
        else:
            making = loop.create_unix_server(Recorder, str(tmp_path / 'socket'), ssl=True)
        error = await failure(making)
        assert type(error) is TypeError
        assert str(error) == 'ssl argument must be an SSLContext or None'

    async def test_an_accepted_socket_needs_a_context(self, loop):
        left, right = stream_pair()
        with left, right:
            error = await failure(loop.connect_accepted_socket(Recorder, left, ssl=True))
            assert type(error) is ValueError
            assert str(error) == 'Server side SSL needs a valid SSLContext'

    @both_sides
    async def test_a_context_of_the_other_side(self, loop, side):
        server, client = contexts()
        client.check_hostname = False
        left, right = stream_pair()
        with left, right:
            context = client if side == 'server' else server
            error = await failure(opening(Recorder(), side, left, context))
            assert type(error) is ssl.SSLError
            wanted = {
                'server': 'Cannot create a server socket with a PROTOCOL_TLS_CLIENT context',
                'client': 'Cannot create a client socket with a PROTOCOL_TLS_SERVER context',
            }
            assert wanted[side] in str(error)

    async def test_something_else_than_a_context(self, loop):
        left, right = stream_pair()
        with left, right:
            error = await failure(opening(Recorder(), 'client', left, 'context'))
            assert type(error) is AttributeError
            assert str(error) == "'str' object has no attribute 'wrap_bio'"

    @pytest.mark.parametrize(
        ('name', 'kind'),
        [('.example', ValueError), ('a\0b', TypeError), ('x' * 300, UnicodeError)],
    )
    async def test_names_that_cannot_be(self, loop, name, kind):
        left, right = stream_pair()
        with left, right:
            error = await failure(opening(Recorder(), 'client', left, server_hostname=name))
            assert isinstance(error, kind)


class TestServer:
    """What a server does about connections that fail before they are any."""

    @pytest.mark.parametrize('debug', [False, True])
    async def test_garbage(self, loop, debug):
        loop.set_debug(debug)
        made = []
        server = await loop.create_server(
            lambda: made.append(Recorder()) or made[-1], '127.0.0.1', 0, ssl=server_context()
        )
        async with server:
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, server.sockets[0].getsockname())
                await loop.sock_sendall(sock, b'\0' * 100)
                assert await receive_all(sock) == b''
        await alone()
        assert made[0].calls == []
        if debug:
            (report,) = loop.reports
            loop.reports.clear()
            text = 'Error on transport creation for incoming connection'
            assert report['message'] == text
            assert type(report['exception']) is ssl.SSLError
            assert report['protocol'] is made[0]
            assert set(report) == {'message', 'exception', 'protocol', 'transport'}
            report['exception'].__traceback__ = None
        assert loop.reports == []

    async def test_others_are_served_meanwhile(self, loop):
        made = []
        server = await loop.create_server(
            lambda: made.append(Recorder()) or made[-1], '127.0.0.1', 0, ssl=server_context()
        )
        async with server:
            address = server.sockets[0].getsockname()
            with socket.socket() as silent, socket.socket() as sock:
                for one in (silent, sock):
                    one.setblocking(False)
                    await loop.sock_connect(one, address)
                peer = peer_of('server', sock)
                await peer.handshake()
                await peer.write(b'x')
                await made[1].received(1)
                assert [protocol.calls for protocol in made] == [[], ['made', 'data']]
                transport = made[1].transport
                transport.abort()
                await made[1].lost()
            await alone()

    async def test_timeout(self, loop):
        server = await loop.create_server(
            Recorder, '127.0.0.1', 0, ssl=server_context(), ssl_handshake_timeout=0.01
        )
        async with server:
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, server.sockets[0].getsockname())
                assert await receive_all(sock) == b''
