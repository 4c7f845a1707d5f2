"""The end of a stream: end of file both ways, close with flush, abort, writes too late."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import warnings
from asyncio import constants

import pytest
from net.support import (
    FLUSH_LOSES_TWICE,
    Recorder,
    both_kinds,
    both_protocols,
    closed,
    connected,
    fill,
    iterations,
    receive,
    receive_all,
    require_own_transport,
    stream_pair,
)

pytestmark = pytest.mark.pollers


class TestEndOfFile:
    @both_kinds
    @both_protocols
    async def test_false_closes(self, loop, kind, protocol_type):
        protocol = protocol_type()
        async with connected(protocol, kind) as (transport, peer):
            peer.send(b'last words')
            peer.shutdown(socket.SHUT_WR)
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'eof', 'lost']
            assert protocol.data == b'last words'
            assert transport.is_closing()
            assert await receive_all(peer) == b''

    @both_kinds
    @both_protocols
    async def test_true_keeps_our_half_open(self, loop, kind, protocol_type):
        protocol = protocol_type(keep_open=True)
        async with connected(protocol, kind) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            await iterations()
            assert not transport.is_closing()
            transport.write(b'still here')
            assert await receive(peer, 10) == b'still here'
            transport.close()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'eof', 'lost']

    @pytest.mark.parametrize('answer', [None, 0, '', [], 1, 'yes', [0]])
    async def test_any_truth_value(self, loop, answer):
        protocol = Recorder(keep_open=answer)
        async with connected(protocol) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            assert transport.is_closing() is not bool(answer)

    async def test_comes_once_though_read_again(self, loop):
        protocol = Recorder(keep_open=True)
        async with connected(protocol) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            await iterations(10)
            assert protocol.calls == ['made', 'eof']
            transport.write(b'x')
            await iterations(3)
            assert protocol.calls == ['made', 'eof']

    async def test_closed_by_eof_received(self, loop):
        class Closing(Recorder):
            def eof_received(self):
                self.transport.write(b'bye')
                self.transport.close()
                return super().eof_received()

        protocol = Closing(keep_open=True)
        async with connected(protocol) as (_, peer):
            peer.shutdown(socket.SHUT_WR)
            assert await protocol.lost() is None
            assert await receive_all(peer) == b'bye'

    async def test_what_is_queued_is_flushed_first(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            assert transport.is_closing()
            assert len(await receive_all(peer)) == 8_000_000
            assert await protocol.lost() is None


class TestWriteEof:
    @both_kinds
    async def test_half_close(self, loop, kind):
        protocol = Recorder()
        async with connected(protocol, kind) as (transport, peer):
            assert transport.can_write_eof() is True
            transport.write(b'question')
            assert transport.write_eof() is None
            assert await receive_all(peer) == b'question'
            assert not transport.is_closing()
            peer.send(b'answer')
            assert await protocol.received(6) == b'answer'

    async def test_after_what_is_queued(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            transport.write_eof()
            assert len(await receive_all(peer)) == 8_000_000
            assert not transport.is_closing()
            peer.close()
            assert await protocol.lost() is None

    async def test_idempotent(self, loop):
        async with connected(Recorder()) as (transport, peer):
            for _ in range(3):
                transport.write_eof()
            assert await receive_all(peer) == b''

    async def test_no_write_afterwards(self, loop):
        async with connected(Recorder()) as (transport, _):
            transport.write_eof()
            with pytest.raises(RuntimeError, match=r'^Cannot call write\(\) after write_eof\(\)$'):
                transport.write(b'x')
            with pytest.raises(RuntimeError, match=r'^Cannot call write\(\) after write_eof\(\)$'):
                transport.write(b'')
            name = 'writelines' if sys.version_info >= (3, 12) else 'write'
            with pytest.raises(RuntimeError) as caught:
                transport.writelines([b'x'])
            assert str(caught.value) == f'Cannot call {name}() after write_eof()'

    async def test_after_close_it_does_nothing(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.close()
            transport.write_eof()
            await protocol.lost()
            transport.write_eof()

    async def test_both_ways(self, loop):
        protocol = Recorder(keep_open=True)
        async with connected(protocol) as (transport, peer):
            transport.write_eof()
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            await iterations()
            assert protocol.calls == ['made', 'eof']
            transport.close()
            assert await protocol.lost() is None


class TestClose:
    @both_kinds
    async def test_flushes_megabytes(self, loop, kind):
        payload = os.urandom(1 << 16) * 200
        protocol = Recorder()
        async with connected(protocol, kind) as (transport, peer):
            transport.write(payload)
            assert transport.close() is None
            assert transport.is_closing() is True
            await iterations()
            assert 'lost' not in protocol.calls
            assert await receive_all(peer) == payload
            assert await protocol.lost() is None

    async def test_reads_nothing_more(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            peer.send(b'too late')
            transport.close()
            await protocol.lost()
            assert protocol.calls == ['made', 'lost']

    async def test_flush_with_a_peer_that_talks(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            transport.close()
            peer.send(b'unread')
            # What stays unread on our side may reset the connection at last.
            with contextlib.suppress(ConnectionResetError):
                await receive(peer, 8_000_000)
            await protocol.lost()
            assert 'data' not in protocol.calls

    @both_kinds
    async def test_the_peer_sees_the_end(self, loop, kind):
        async with connected(Recorder(), kind) as (transport, peer):
            transport.close()
            assert await receive_all(peer) == b''

    async def test_abort_drops_what_is_queued(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 20_000_000)
            assert transport.get_write_buffer_size()
            assert transport.abort() is None
            assert transport.is_closing() is True
            assert transport.get_write_buffer_size() == 0
            assert await protocol.lost() is None
            assert len(await receive_all(peer)) < 20_000_000

    async def test_abort_after_close(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.write(b'q' * 20_000_000)
            transport.close()
            await iterations()
            assert 'lost' not in protocol.calls
            transport.abort()
            assert await protocol.lost() is None
            assert protocol.count('lost') == 1

    async def test_calls_after_a_flushed_close(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            if FLUSH_LOSES_TWICE:
                require_own_transport(transport, 'gh-156512, AttributeError')
            transport.write(b'q' * 8_000_000)
            transport.close()
            await receive_all(peer)
            await protocol.lost()
            transport.abort()
            transport.close()
            transport.write(b'x')
            await iterations()
            assert protocol.count('lost') == 1


class TestTooLate:
    async def test_writes_after_close_are_dropped_and_logged_from_the_fifth(self, loop, caplog):
        caplog.set_level(logging.WARNING, 'asyncio')
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.close()
            for _ in range(10):
                transport.write(b'dropped')
            expected = 11 - constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
            assert [record.message for record in caplog.records] == (
                ['socket.send() raised exception.'] * expected
            )
            assert {(record.name, record.levelname) for record in caplog.records} == {
                ('asyncio', 'WARNING')
            }
            await protocol.lost()
            transport.write(b'dropped')
            assert len(caplog.records) == expected + 1
            assert await receive_all(peer) == b''

    async def test_nothing_to_write_is_not_counted(self, loop, caplog):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.close()
            for _ in range(10):
                transport.write(b'')
            assert not caplog.records

    async def test_wrong_types_are_refused_still(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.close()
            await protocol.lost()
            with pytest.raises(TypeError):
                transport.write('str')

    async def test_writelines(self, loop, caplog):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            if (3, 12) <= sys.version_info < (3, 14):
                require_own_transport(transport, 'writelines() sends on a closed transport')
            transport.close()
            for _ in range(10):
                transport.writelines([b'a', b'b'])
            assert len(caplog.records) == 6
            await protocol.lost()

    async def test_write_while_queued_and_closing(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            transport.close()
            transport.write(b'and this')
            data = await receive_all(peer)
            assert data == b'q' * 8_000_000 + b'and this'
            await protocol.lost()


async def open_one(loop, accepted):
    """A transport that nobody but its loop refers to, and a blocking socket at its other end."""
    if not accepted:
        left, right = stream_pair()
        right.setblocking(True)
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
        return transport, right
    made = loop.create_future()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    server = await loop.create_server(Protocol, '127.0.0.1', 0)
    peer = socket.create_connection(server.sockets[0].getsockname())
    transport = await made
    server.close()
    return transport, peer


class TestUnclosed:
    # The tests keep the socket: else it may die first, and warn on its own.

    def test_nobody_refers_to_it(self, loop):
        left, right = stream_pair()
        transport, _ = loop.run_until_complete(
            loop.create_connection(asyncio.Protocol, sock=left),
        )
        transport.pause_reading()
        with pytest.warns(ResourceWarning, match=r'^unclosed transport <.*>$'):
            del transport
            gc.collect()
        assert left.fileno() == -1
        right.setblocking(True)
        assert right.recv(1) == b''
        right.close()

    @pytest.mark.parametrize('accepted', [False, True])
    def test_warning_is_of_a_line_of_asyncios(self, loop, accepted):
        """As filters of warnings by module expect it."""
        transport, peer = loop.run_until_complete(open_one(loop, accepted))
        transport.pause_reading()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            del transport
            gc.collect()
        told = {str(item.message).split()[1]: item for item in caught}
        assert told['transport'].filename == asyncio.selector_events.__file__
        assert told['transport'].source is not None
        assert peer.recv(1) == b''
        peer.close()

    @pytest.mark.parametrize('accepted', [False, True])
    def test_warning_is_an_error(self, loop, accepted, monkeypatch):
        transport, peer = loop.run_until_complete(open_one(loop, accepted))
        transport.pause_reading()
        told = []
        monkeypatch.setattr(sys, 'unraisablehook', lambda info: told.append(str(info.exc_value)))
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            del transport
            gc.collect()
        assert any(text.startswith('unclosed transport') for text in told)
        assert any(text.startswith('unclosed <socket') for text in told)
        assert peer.recv(1) == b''
        peer.close()

    @pytest.mark.parametrize('accepted', [False, True])
    def test_protocol_that_is_none(self, loop, accepted):
        """The transport is not to be had, but has taken the socket."""
        left, right = stream_pair()
        if accepted:
            making = loop.connect_accepted_socket(object, left)
        else:
            making = loop.create_connection(object, sock=left)
        with pytest.warns(ResourceWarning, match=r'^unclosed transport <_Selector.* fd=\d+ '):
            with pytest.raises(AttributeError, match='connection_made'):
                loop.run_until_complete(making)
            gc.collect()
        assert left.fileno() == -1
        assert right.recv(1) == b''
        right.close()

    def test_protocol_that_is_none_of_a_server(self, loop):
        told = []

        def report(loop, context):
            told.append((context['message'], type(context['exception'])))
            loop.stop()

        loop.set_exception_handler(report)
        loop.set_debug(True)  # else it is not reported
        server = loop.run_until_complete(loop.create_server(object, '127.0.0.1', 0))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            peer = socket.create_connection(server.sockets[0].getsockname())
            loop.run_forever()
            gc.collect()
        assert told == [('Error on transport creation for incoming connection', AttributeError)]
        assert any('unclosed transport <_Selector' in str(item.message) for item in caught)
        assert peer.recv(1) == b''
        peer.close()
        server.close()  # wait_closed() would wait for that connection

    @pytest.mark.parametrize('state', ['idle', 'paused', 'writing', 'closing'])
    def test_loop_closed_with_transports_open(self, loop, state):
        left, right = stream_pair()
        transport, _ = loop.run_until_complete(
            loop.create_connection(asyncio.Protocol, sock=left),
        )
        if state == 'paused':
            transport.pause_reading()
        elif state == 'writing':
            transport.write(b'x' * 20_000_000)
        elif state == 'closing':
            transport.close()
        loop.close()
        assert transport.is_closing() is (state == 'closing')
        assert transport.is_reading() is (state in ('idle', 'writing'))
        assert repr(transport)
        with pytest.warns(ResourceWarning, match='unclosed transport'):
            del transport
            gc.collect()
        assert left.fileno() == -1
        right.close()

    async def test_none_when_closed(self, loop):
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            protocol = Recorder()
            async with connected(protocol) as (transport, _):
                transport.close()
                await protocol.lost()
            protocol.transport = None
            del transport
            gc.collect()

    async def test_the_fd_is_free_for_others(self, loop):
        """A new transport on the same fd has nothing of the old one."""
        for _ in range(3):
            protocol = Recorder()
            async with connected(protocol) as (transport, peer):
                fill(peer)
                await protocol.has('data')
                transport.write(b'x')
                transport.abort()
                await closed(transport)
