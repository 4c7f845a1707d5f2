"""How TLS connections end: close() and abort(), close_notify of either side, shutdown timeouts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys

import pytest
from net.support import LIMIT, BufferedRecorder, Recorder, fill, iterations, receive_all, reset
from net.tls_support import (
    both_sides,
    both_versions,
    contexts,
    failure,
    opened,
    peer_of,
    secured,
)

# From then on the timeout also holds for what the closed transport still has to send.
FLUSH_HAS_A_TIMEOUT = sys.version_info >= (3, 14)


class TestClose:
    @both_sides
    @both_versions
    async def test_says_the_end_and_waits_for_the_peers(self, loop, side, version):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = Recorder()
        async with secured(protocol, side, context=ours, theirs=theirs) as (transport, peer):
            assert transport.is_closing() is False
            assert transport.close() is None
            assert transport.is_closing() is True
            assert await peer.read() == b''
            await iterations(5)
            assert protocol.calls == ['made']
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @both_sides
    async def test_twice(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            transport.close()
            assert transport.is_closing() is True
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            transport.close()
            transport.abort()

    async def test_what_was_written_goes_first(self, loop):
        payload = bytes(range(256)) * 1000
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(payload)
            transport.write(payload)
            transport.close()
            assert await peer.receive(2 * len(payload)) == payload * 2
            await peer.unwrap()
            assert await protocol.lost() is None

    async def test_what_comes_meanwhile_is_lost(self, loop):
        """What has come before close() is told, what comes after is an error."""
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            await peer.write(b'before')
            await protocol.received(6)
            transport.close()
            await peer.feed()
            await peer.write(b'after')
            error = await protocol.lost()
            assert type(error) is ssl.SSLError
            assert error.reason == 'APPLICATION_DATA_AFTER_CLOSE_NOTIFY'
            assert protocol.calls == ['made', 'data', 'lost']
            error.__traceback__ = None
        assert loop.reports == []

    async def test_while_reading_is_paused(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            transport.pause_reading()
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @pytest.mark.parametrize('kind', [Recorder, BufferedRecorder])
    async def test_in_connection_made(self, loop, kind):
        class Closed(kind):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.close()

        protocol = Closed()
        async with secured(protocol) as (transport, peer):
            assert transport.is_closing() is True
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @pytest.mark.parametrize('kind', [Recorder, BufferedRecorder])
    async def test_while_data_is_told(self, loop, kind):
        name = 'data_received' if kind is Recorder else 'buffer_updated'

        def closing(self, data):
            getattr(kind, name)(self, data)
            self.transport.close()

        protocol = type('Closing', (kind,), {name: closing})()
        async with secured(protocol) as (_, peer):
            await peer.write(b'x')
            await protocol.received(1)
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'eof', 'lost']

    async def test_in_eof_received(self, loop):
        class Closing(Recorder):
            def eof_received(self):
                super().eof_received()
                self.transport.close()

        protocol = Closing()
        async with secured(protocol) as (_, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    async def test_in_connection_lost(self, loop):
        class Closing(Recorder):
            def connection_lost(self, exc):
                self.transport.close()
                self.transport.abort()
                super().connection_lost(exc)

        protocol = Closing()
        async with secured(protocol) as (_, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    async def test_the_socket_is_closed_when_the_protocol_is_told(self, loop):
        class Looking(Recorder):
            def connection_lost(self, exc):
                self.closed = sock.fileno() < 0
                super().connection_lost(exc)

        protocol = Looking()
        async with secured(protocol) as (transport, peer):
            sock = transport.get_extra_info('socket')
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
            await protocol.lost()
            assert protocol.closed


class TestPeersEnd:
    @both_sides
    @both_versions
    @pytest.mark.parametrize('kind', [Recorder, BufferedRecorder])
    async def test_is_answered(self, loop, side, version, kind):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        protocol = kind()
        async with secured(protocol, side, context=ours, theirs=theirs) as (transport, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
            assert transport.is_closing() is True
            assert protocol.calls == ['made', 'eof', 'lost']

    async def test_data_before_it_is_told(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (_, peer):
            await loop.sock_sendall(peer.sock, peer.record(b'last') + peer.say_end())
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'eof', 'lost']
            assert protocol.data == b'last'

    @pytest.mark.parametrize('answer', [True, 1, 'yes'])
    async def test_a_protocol_cannot_keep_it_open(self, loop, caplog, answer):
        protocol = Recorder(keep_open=answer)
        async with secured(protocol) as (_, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']
        text = 'returning true from eof_received() has no effect when using ssl'
        assert caplog.record_tuples == [('asyncio', 30, text)]

    @pytest.mark.parametrize('answer', [None, False, 0, ''])
    async def test_nothing_is_logged_else(self, loop, caplog, answer):
        protocol = Recorder(keep_open=answer)
        async with secured(protocol) as (_, peer):
            await peer.unwrap()
            assert await protocol.lost() is None
        assert caplog.record_tuples == []

    async def test_keep_open_of_a_plain_end(self, loop, caplog):
        """A peer that shuts its half down without a close_notify: the same."""
        protocol = Recorder(keep_open=True)
        async with secured(protocol) as (_, peer):
            peer.sock.shutdown(socket.SHUT_WR)
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']
        text = 'returning true from eof_received() has no effect when using ssl'
        assert [record.getMessage() for record in caplog.records] == [text]

    async def test_what_is_queued_still_goes(self, loop):
        """eof_received() may write: it is too late for that, but not for what waits."""
        payload = bytes(300_000)

        class Late(Recorder):
            def eof_received(self):
                super().eof_received()
                self.transport.write(b'late')

        protocol = Late()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(payload)
            await loop.sock_sendall(peer.sock, peer.say_end())
            received = 0
            await protocol.has('eof')
            while data := await loop.sock_recv(peer.sock, 65536):
                received += len(data)
            assert received > len(payload)
            assert await protocol.lost() is None

    async def test_waits_while_reading_is_paused(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            transport.pause_reading()
            await loop.sock_sendall(peer.sock, peer.say_end())
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    async def test_data_after_it(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (_, peer):
            await loop.sock_sendall(peer.sock, peer.say_end() + b'garbage' * 10)
            await protocol.lost()
            assert protocol.calls == ['made', 'eof', 'lost']
            protocol.error = None


class TestAbort:
    @both_sides
    async def test_without_a_word(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            sock = transport.get_extra_info('socket')
            assert transport.abort() is None
            assert transport.is_closing() is True
            assert protocol.calls == ['made']
            assert await protocol.lost() is None
            assert sock.fileno() < 0
            assert protocol.calls == ['made', 'lost']
            # That end was not said.
            assert type(await failure(peer.unwrap())) in (ssl.SSLEOFError, ConnectionResetError)

    async def test_what_is_queued_is_lost(self, loop):
        protocol = Recorder()
        async with secured(protocol, small=True) as (transport, peer):
            transport.write(bytes(1_000_000))
            transport.write(bytes(1_000_000))
            assert protocol.calls == ['made', 'pause']
            transport.abort()
            assert await protocol.lost() is None
            with contextlib.suppress(ConnectionResetError):
                assert len(await receive_all(peer.sock)) < 1_000_000
            assert protocol.calls == ['made', 'pause', 'lost']

    async def test_twice(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, _):
            transport.abort()
            transport.abort()
            assert await protocol.lost() is None
            transport.abort()
            await iterations()
            assert protocol.count('lost') == 1

    async def test_after_close(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, _):
            transport.close()
            transport.abort()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'lost']

    async def test_in_connection_made(self, loop):
        """A client's last flight is not sent then."""

        class Aborted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.abort()

        protocol = Aborted()
        async with opened(protocol) as (task, sock):
            assert type(await failure(peer_of('client', sock).handshake())) is ssl.SSLEOFError
            transport, _ = await task
            assert transport.is_closing() is True
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'lost']

    @pytest.mark.parametrize('kind', [Recorder, BufferedRecorder])
    async def test_while_data_is_told(self, loop, kind):
        name = 'data_received' if kind is Recorder else 'buffer_updated'

        def aborting(self, data):
            getattr(kind, name)(self, data)
            self.transport.abort()

        protocol = type('Aborting', (kind,), {name: aborting})()
        async with secured(protocol) as (_, peer):
            await loop.sock_sendall(peer.sock, peer.record(b'x') + peer.record(b'y'))
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'lost']


class TestShutdownTimeout:
    @both_sides
    async def test_a_silent_peer(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side, ssl_shutdown_timeout=0.01) as (transport, _):
            transport.close()
            error = await protocol.lost()
            assert type(error) is TimeoutError
            assert str(error) == 'SSL shutdown timed out'
            assert protocol.calls == ['made', 'lost']
        assert loop.reports == []

    async def test_a_peer_that_reads_nothing(self, loop):
        protocol = Recorder()
        async with secured(protocol, small=True, ssl_shutdown_timeout=0.01) as (transport, _):
            transport.write(bytes(1_000_000))
            transport.close()
            error = await protocol.lost()
            assert type(error) is TimeoutError
            assert str(error) == 'SSL shutdown timed out'
        assert loop.reports == []

    async def test_in_time(self, loop):
        protocol = Recorder()
        async with secured(protocol, ssl_shutdown_timeout=LIMIT) as (transport, peer):
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
            assert await protocol.lost() is None
            assert not [handle for handle in loop._scheduled if has_to_do_with_ssl(handle)]

    @pytest.mark.skipif(not FLUSH_HAS_A_TIMEOUT, reason='stock: waits for ever')
    async def test_a_peer_that_has_ended_and_reads_nothing(self, loop):
        protocol = Recorder()
        async with secured(protocol, small=True, ssl_shutdown_timeout=0.01) as (transport, peer):
            transport.write(bytes(1_000_000))
            await loop.sock_sendall(peer.sock, peer.say_end())
            error = await protocol.lost()
            assert type(error) is TimeoutError
            assert str(error) == 'SSL shutdown timed out'
            assert protocol.calls == ['made', 'eof', 'lost']


def has_to_do_with_ssl(handle):
    return not handle.cancelled() and 'shutdown' in repr(handle)


class TestVanishing:
    """The peer goes without a close_notify while we are closing."""

    @both_sides
    async def test_by_its_end(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            await iterations()
            peer.vanish()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @both_sides
    async def test_by_reset(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            await iterations()
            reset(peer.sock)
            assert type(await protocol.lost()) is ConnectionResetError
            assert protocol.calls == ['made', 'lost']

    async def test_by_half_while_we_flush(self, loop):
        payload = bytes(300_000)
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(payload)
            transport.close()
            peer.sock.shutdown(socket.SHUT_WR)
            await iterations(5)
            received = await peer.receive(len(payload))
            assert received == payload
            assert await protocol.lost() is None


class TestWriters:
    async def test_wait_closed(self, loop):
        server, client = contexts()
        ended = loop.create_future()

        async def serve(reader, writer):
            assert await reader.read() == b''
            writer.close()
            await writer.wait_closed()
            ended.set_result(None)

        listening = await asyncio.start_server(serve, '127.0.0.1', 0, ssl=server)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection('localhost', port, ssl=client)
            writer.close()
            await writer.wait_closed()
            await ended

    async def test_a_peer_that_resets(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            fill(peer.sock)
            transport.pause_reading()
            reset(peer.sock)
            transport.resume_reading()
            await protocol.lost()
            protocol.error = None
