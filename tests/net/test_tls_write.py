"""Writing to TLS transports: what is taken, in which records it goes, flow control both ways."""

from __future__ import annotations

import array
import asyncio

import pytest
from net.support import BufferedRecorder, PausedRecorder, Recorder, iterations
from net.tls_support import both_sides, both_versions, contexts, opened, peer_of, secured

# Stock's: 512 KiB, and a quarter of it.
HIGH, LOW = 512 * 1024, 128 * 1024


class TestWrite:
    @both_sides
    @both_versions
    @pytest.mark.parametrize('size', [1, 16384, 16385, 300_000])
    async def test_sizes(self, loop, side, version, size):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        payload = (bytes(range(256)) * (size // 256 + 1))[:size]
        async with secured(Recorder(), side, 'unix', ours, theirs) as (transport, peer):
            assert transport.write(payload) is None
            assert await peer.receive(size) == payload
            assert transport.get_write_buffer_size() == 0

    @pytest.mark.parametrize('make', [bytes, bytearray, memoryview])
    async def test_kinds_of_data(self, loop, make):
        async with secured(Recorder()) as (transport, peer):
            transport.write(make(b'data'))
            assert await peer.receive(4) == b'data'

    async def test_a_slice_of_a_view(self, loop):
        async with secured(Recorder()) as (transport, peer):
            transport.write(memoryview(b'0123456789')[2:5])
            assert await peer.receive(3) == b'234'

    @pytest.mark.parametrize(
        ('data', 'name'),
        [('text', 'str'), (None, 'NoneType'), (1, 'int'), ([b'x'], 'list'), (object(), 'object')],
    )
    async def test_other_kinds(self, loop, data, name):
        async with secured(Recorder()) as (transport, _):
            with pytest.raises(TypeError) as caught:
                transport.write(data)
            assert str(caught.value) == f'data: expecting a bytes-like instance, got {name}'
            caught.value.__traceback__ = None

    async def test_an_array_is_no_data(self, loop):
        async with secured(Recorder()) as (transport, _):
            with pytest.raises(TypeError) as caught:
                transport.write(array.array('b', b'x'))
            assert str(caught.value) == 'data: expecting a bytes-like instance, got array'
            caught.value.__traceback__ = None

    @pytest.mark.parametrize('data', [b'', bytearray(), memoryview(b'')])
    async def test_nothing(self, loop, data):
        """No record at all."""
        async with secured(Recorder(), 'server') as (transport, peer):
            await peer.flush()
            transport.write(data)
            transport.write(b'x')
            assert await peer.read() == b'x'

    async def test_each_write_is_a_record(self, loop):
        async with secured(Recorder()) as (transport, peer):
            transport.write(b'a')
            transport.write(b'b')
            transport.writelines([b'c', b'd'])
            read = [await peer.read() for _ in range(4)]
            assert read == [b'a', b'b', b'c', b'd']

    async def test_changed_afterwards(self, loop):
        """What is written has been encrypted: the caller may change it."""
        data = bytearray(b'before')
        async with secured(Recorder()) as (transport, peer):
            transport.write(data)
            data[:] = b'after!'
            assert await peer.receive(6) == b'before'

    async def test_in_connection_made(self, loop):
        class Greeting(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.write(b'hello')

        async with secured(Greeting()) as (_, peer):
            assert await peer.receive(5) == b'hello'

    async def test_in_data_received(self, loop):
        class Echo(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.write(data)
                self.transport.write(data.upper())

        async with secured(Echo()) as (_, peer):
            await peer.write(b'hello')
            assert await peer.receive(10) == b'helloHELLO'


class TestWritelines:
    async def test_lists_and_iterables(self, loop):
        async with secured(Recorder()) as (transport, peer):
            assert transport.writelines([b'a', bytearray(b'b'), memoryview(b'c')]) is None
            transport.writelines(data for data in (b'd', b'e'))
            transport.writelines((b'f',))
            transport.writelines([])
            assert await peer.receive(6) == b'abcdef'

    async def test_empty_ones(self, loop):
        async with secured(Recorder()) as (transport, peer):
            transport.writelines([b'', b'x', b''])
            assert await peer.receive(1) == b'x'

    async def test_not_an_iterable(self, loop):
        async with secured(Recorder()) as (transport, _):
            with pytest.raises(TypeError) as caught:
                transport.writelines(1)
            assert str(caught.value) == "'int' object is not iterable"
            caught.value.__traceback__ = None

    async def test_many(self, loop):
        payload = [bytes([number % 256]) * 1000 for number in range(300)]
        async with secured(Recorder(), kind='unix') as (transport, peer):
            transport.writelines(payload)
            assert await peer.receive(300_000) == b''.join(payload)


class TestAfterTheEnd:
    async def test_after_close(self, loop, caplog):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            transport.close()
            for _ in range(8):
                transport.write(b'x')
            assert transport.get_write_buffer_size() == 0
            assert await peer.read() == b''
            text = 'SSL connection is closed'
            assert caplog.record_tuples == [('asyncio', 30, text)] * 3
            await peer.unwrap()
            await protocol.lost()

    async def test_types_are_still_checked(self, loop):
        async with secured(Recorder()) as (transport, _):
            transport.abort()
            with pytest.raises(TypeError) as caught:
                transport.write('x')
            caught.value.__traceback__ = None

    async def test_after_abort(self, loop, caplog):
        protocol = Recorder()
        async with secured(protocol) as (transport, _):
            transport.abort()
            for _ in range(4):
                transport.write(b'x')
            assert caplog.records == []
            await protocol.lost()
            # Told of one more.
            transport.write(b'x')
            text = 'SSL connection is closed'
            assert caplog.record_tuples == [('asyncio', 30, text)]

    async def test_after_it_was_lost(self, loop, caplog):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            await peer.unwrap()
            await protocol.lost()
            for _ in range(4):
                transport.write(b'x')
            assert caplog.records == []
            transport.writelines([b'x', b'y'])
            text = 'SSL connection is closed'
            assert caplog.record_tuples == [('asyncio', 30, text)]

    async def test_writelines_of_what_is_no_list(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, _):
            transport.abort()
            transport.writelines(1)


class TestWriteFlow:
    async def test_limits(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert transport.get_write_buffer_limits() == (LOW, HIGH)
            transport.set_write_buffer_limits(high=1000)
            assert transport.get_write_buffer_limits() == (250, 1000)
            transport.set_write_buffer_limits(low=1000)
            assert transport.get_write_buffer_limits() == (1000, 4000)
            transport.set_write_buffer_limits(2000, 7)
            assert transport.get_write_buffer_limits() == (7, 2000)
            transport.set_write_buffer_limits()
            assert transport.get_write_buffer_limits() == (LOW, HIGH)

    @pytest.mark.parametrize(('high', 'low'), [(1, 2), (-1, None), (5, -1), (None, -1)])
    async def test_wrong_limits(self, loop, high, low):
        async with secured(Recorder()) as (transport, _):
            with pytest.raises(ValueError, match=r'^high \(.*\) must be >= low') as caught:
                transport.set_write_buffer_limits(high, low)
            high, low = (low * 4 if high is None else high), (high // 4 if low is None else low)
            text = f'high ({high!r}) must be >= low ({low!r}) must be >= 0'
            assert str(caught.value) == text
            caught.value.__traceback__ = None
            assert transport.get_write_buffer_limits() == (LOW, HIGH)

    @both_sides
    async def test_paused_and_resumed(self, loop, side):
        """One write is the connection's to send, what comes then waits here."""
        protocol = Recorder()
        async with secured(protocol, side, 'unix', small=True) as (transport, peer):
            transport.write(bytes(200_000))
            assert transport.get_write_buffer_size() == 0
            transport.write(bytes(200_000))
            size = transport.get_write_buffer_size()
            assert 200_000 < size < 202_000
            assert protocol.calls == ['made']
            transport.write(bytes(400_000))
            assert protocol.calls == ['made', 'pause']
            transport.write(bytes(100_000))
            assert protocol.calls == ['made', 'pause']
            assert len(await peer.receive(900_000)) == 900_000
            await protocol.has('resume')
            assert protocol.calls == ['made', 'pause', 'resume']
            assert transport.get_write_buffer_size() == 0

    async def test_limit_of_nothing(self, loop):
        """A high-water mark of 0: writing is paused from the first look on."""
        protocol = Recorder()
        async with secured(protocol, kind='unix') as (transport, peer):
            transport.set_write_buffer_limits(0)
            assert protocol.calls == ['made', 'pause']
            transport.write(b'x')
            assert await peer.receive(1) == b'x'
            assert protocol.calls == ['made', 'pause', 'resume']
            transport.set_write_buffer_limits()

    async def test_limits_below_what_is_there(self, loop):
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(bytes(200_000))
            transport.write(bytes(100_000))
            assert protocol.calls == ['made']
            transport.set_write_buffer_limits(high=50_000)
            assert protocol.calls == ['made', 'pause']
            transport.set_write_buffer_limits(high=10_000_000)
            assert protocol.calls == ['made', 'pause', 'resume']
            assert len(await peer.receive(300_000)) == 300_000

    async def test_writing_in_resume_writing(self, loop):
        class More(Recorder):
            left = 3

            def resume_writing(self):
                super().resume_writing()
                if self.left:
                    self.left -= 1
                    self.transport.write(bytes(600_000))

        protocol = More()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(bytes(200_000))
            transport.write(bytes(600_000))
            assert len(await peer.receive(2_600_000)) == 2_600_000
            await protocol.until(lambda: protocol.left == 0)

    async def test_not_resumed_once_lost(self, loop):
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, _):
            transport.write(bytes(600_000))
            transport.write(bytes(600_000))
            transport.abort()
            assert await protocol.lost() is None
            await iterations()
            assert protocol.calls == ['made', 'pause', 'lost']


class TestReadFlow:
    @both_sides
    @pytest.mark.parametrize('kind', [Recorder, BufferedRecorder])
    async def test_nothing_comes_while_paused(self, loop, side, kind):
        protocol = kind()
        async with secured(protocol, side) as (transport, peer):
            assert transport.is_reading() is True
            assert transport.pause_reading() is None
            assert transport.is_reading() is False
            await peer.write(b'late')
            await iterations(5)
            assert protocol.calls == ['made']
            assert transport.resume_reading() is None
            assert transport.is_reading() is True
            assert protocol.calls == ['made']
            assert await protocol.received(4) == b'late'

    async def test_idempotent(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            for _ in range(3):
                transport.pause_reading()
            for _ in range(3):
                transport.resume_reading()
            await peer.write(b'x')
            assert await protocol.received(1) == b'x'

    async def test_the_connection_is_paused_once_enough_has_come(self, loop):
        """Else a fast peer would fill the memory of a slow protocol."""
        protocol = Recorder()
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            below = transport._ssl_protocol._transport
            transport.pause_reading()
            sent = 0
            record = peer.record(bytes(16000))
            while below.is_reading():
                await loop.sock_sendall(peer.sock, record)
                sent += 16000
                record = peer.record(bytes(16000))
                await iterations()
            assert 256 * 1024 <= sent < 600_000
            assert transport.get_read_buffer_size() >= 256 * 1024
            assert protocol.calls == ['made']
            transport.resume_reading()
            assert len(await protocol.received(sent)) == sent
            assert below.is_reading()
            assert transport.get_read_buffer_size() == 0

    async def test_read_limits(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)
            transport.set_read_buffer_limits(high=1000)
            assert transport.get_read_buffer_limits() == (250, 1000)
            transport.set_read_buffer_limits(low=1000)
            assert transport.get_read_buffer_limits() == (1000, 4000)
            with pytest.raises(ValueError, match='must be >= low') as caught:
                transport.set_read_buffer_limits(1, 2)
            assert str(caught.value) == 'high (1) must be >= low (2) must be >= 0'
            caught.value.__traceback__ = None
            transport.set_read_buffer_limits()
            assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)

    async def test_paused_in_data_received(self, loop):
        class Paused(Recorder):
            def data_received(self, data):
                self.transport.pause_reading()
                super().data_received(data)

        protocol = Paused()
        async with secured(protocol) as (transport, peer):
            await peer.write(b'1')
            await protocol.received(1)
            for number in (2, 3):
                await peer.write(b'x')
                await iterations(5)
                assert protocol.count('data') == number - 1
                transport.resume_reading()
                await protocol.received(number)

    async def test_paused_in_connection_made(self, loop):
        protocol = PausedRecorder()
        async with secured(protocol, 'server') as (transport, peer):
            await peer.write(b'x')
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            assert await protocol.received(1) == b'x'

    async def test_a_client_paused_in_connection_made(self, loop):
        """Its last flight goes with what it writes first, or once it reads."""
        for go_on in ('write', 'resume_reading'):
            protocol = PausedRecorder()
            async with opened(protocol) as (task, sock):
                peer = peer_of('client', sock)
                handshake = asyncio.ensure_future(peer.handshake())
                transport, _ = await task
                await iterations(5)
                assert not handshake.done()
                getattr(transport, go_on)(*[b'x'] * (go_on == 'write'))
                await handshake

    async def test_resumed_and_paused_again(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            transport.pause_reading()
            await peer.write(b'x')
            await iterations(5)
            transport.resume_reading()
            transport.pause_reading()
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            assert await protocol.received(1) == b'x'

    async def test_after_the_end(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            await peer.unwrap()
            await protocol.lost()
            transport.pause_reading()
            transport.resume_reading()
            await iterations()
            assert protocol.calls == ['made', 'eof', 'lost']
