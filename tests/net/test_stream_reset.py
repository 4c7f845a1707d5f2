"""The peer resets a stream at each point of its life."""

from __future__ import annotations

import logging
import socket

import pytest
from net.support import Recorder, both_protocols, connected, iterations, reset, stream_pair

pytestmark = pytest.mark.pollers


RESET = (ConnectionResetError, BrokenPipeError)


class TestReset:
    """The peer resets the connection at each point of its life: connection_lost() comes, once."""

    async def test_before_the_transport_exists(self, loop):
        left, right = stream_pair()
        reset(right)
        protocol = Recorder()
        transport, _ = await loop.create_connection(lambda: protocol, sock=left)
        assert isinstance(await protocol.lost(), ConnectionResetError)
        assert protocol.calls == ['made', 'lost']
        assert transport.get_extra_info('peername') is None
        protocol.error = None

    @both_protocols
    async def test_while_reading(self, loop, protocol_type):
        protocol = protocol_type()
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            await protocol.received(1)
            reset(peer)
            assert isinstance(await protocol.lost(), ConnectionResetError)
            assert protocol.calls == ['made', 'data', 'lost']
            protocol.error = None

    async def test_while_writing(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            transport.write(b'q' * 8_000_000)
            reset(peer)
            assert isinstance(await protocol.lost(), RESET)
            assert protocol.calls == ['made', 'pause', 'lost']
            assert transport.get_write_buffer_size() == 0
            protocol.error = None

    async def test_before_a_write(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            reset(peer)
            transport.write(b'x')
            assert transport.is_closing()
            assert isinstance(await protocol.lost(), RESET)
            protocol.error = None

    async def test_while_flushing_after_close(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            transport.close()
            await iterations()
            reset(peer)
            assert isinstance(await protocol.lost(), RESET)
            assert protocol.count('lost') == 1
            protocol.error = None

    async def test_after_the_end_of_file(self, loop):
        protocol = Recorder(keep_open=True)
        async with connected(protocol) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.has('eof')
            reset(peer)
            # Nobody reads any more: a write finds out.
            for _ in range(2):
                transport.write(b'x')
            assert isinstance(await protocol.lost(), RESET)
            protocol.error = None

    async def test_while_paused(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            reset(peer)
            await iterations(5)
            transport.resume_reading()
            assert isinstance(await protocol.lost(), ConnectionResetError)
            protocol.error = None

    async def test_after_write_eof(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'q' * 8_000_000)
            transport.write_eof()
            reset(peer)
            assert isinstance(await protocol.lost(), RESET)
            protocol.error = None

    async def test_is_logged_in_debug_mode(self, loop, caplog):
        caplog.set_level(logging.DEBUG, 'asyncio')
        loop.set_debug(True)
        protocol = Recorder()
        async with connected(protocol) as (_, peer):
            reset(peer)
            await protocol.lost()
            messages = [r.message for r in caplog.records if 'Fatal read error' in r.message]
            assert len(messages) == 1
            assert messages[0].endswith(': Fatal read error on socket transport')
            caplog.clear()
            protocol.error = None
