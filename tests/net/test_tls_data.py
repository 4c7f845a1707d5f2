"""TLS transports: data in both directions, protocols of both kinds, records cut anywhere."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl

import pytest
from net.support import (
    BufferedRecorder,
    GrowingRecorder,
    Recorder,
    both_kinds,
    both_protocols,
    iterations,
    stream_pair,
)
from net.tls_support import (
    SIDES,
    both_sides,
    both_versions,
    client_context,
    contexts,
    ended,
    opened,
    opening,
    peer_of,
    secured,
)

RECORD = 16384


def contexts_of(side, version=None):
    """Ours and theirs."""
    server, client = contexts(version)
    return (server, client) if side == 'server' else (client, server)


class TestReading:
    @both_kinds
    @both_sides
    @both_protocols
    async def test_data_comes(self, loop, kind, side, protocol_type):
        protocol = protocol_type()
        async with secured(protocol, side, kind) as (_, peer):
            await peer.write(b'hello')
            assert await protocol.received(5) == b'hello'
            await peer.write(b' world')
            assert await protocol.received(11) == b'hello world'
        assert protocol.calls == ['made', 'data', 'data', 'lost']
        assert protocol.error is None

    @both_versions
    @both_sides
    @both_protocols
    async def test_megabytes_come_whole(self, loop, version, side, protocol_type):
        protocol = protocol_type()
        payload = bytes(range(256)) * 8192
        ours, theirs = contexts_of(side, version)
        async with secured(protocol, side, context=ours, theirs=theirs) as (_, peer):
            await peer.write(payload)
            assert await protocol.received(len(payload)) == payload

    async def test_records_that_come_together_are_one_call(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (_, peer):
            data = b''.join(peer.record(bytes([number]) * 10) for number in range(10))
            await loop.sock_sendall(peer.sock, data)
            assert len(await protocol.received(100)) == 100
            assert protocol.count('data') == 1

    async def test_data_that_comes_with_the_handshake(self, loop):
        protocol = Recorder()
        async with opened(protocol, 'server') as (task, sock):
            peer = peer_of('server', sock)
            while True:
                try:
                    peer.object.do_handshake()
                except ssl.SSLWantReadError:
                    await peer.flush()
                    await peer.feed()
                else:
                    break
            # The client's last flight and its first data are one packet.
            peer.object.write(b'early')
            await peer.flush()
            await task
            assert await protocol.received(5) == b'early'
            assert protocol.calls == ['made', 'data']

    async def test_data_received_is_looked_up_each_time(self, loop):
        seen = []
        protocol = Recorder()
        async with secured(protocol) as (_, peer):
            await peer.write(b'1')
            await protocol.received(1)
            arrived = loop.create_future()
            protocol.data_received = lambda data: (seen.append(data), arrived.set_result(None))
            await peer.write(b'2')
            await arrived
            assert seen == [b'2']


class TestCut:
    """What comes in pieces, cut anywhere, is as what comes whole."""

    @both_sides
    @both_versions
    async def test_a_handshake_byte_by_byte(self, loop, version, side):
        ours, theirs = contexts_of(side, version)
        protocol = Recorder()
        async with opened(protocol, side, 'unix', ours) as (task, sock):
            peer = peer_of(side, sock, theirs)
            peer.flush = lambda: in_pieces(peer, 1)
            await peer.handshake()
            await task
            await peer.write(b'done')
            assert await protocol.received(4) == b'done'
            assert protocol.calls == ['made', 'data']

    @both_sides
    @both_versions
    @pytest.mark.parametrize('size', [2, 3, 5, 7, 64, 255, 256, 1000])
    async def test_a_handshake_in_pieces(self, loop, version, side, size):
        ours, theirs = contexts_of(side, version)
        protocol = Recorder()
        async with opened(protocol, side, 'unix', ours) as (task, sock):
            peer = peer_of(side, sock, theirs)
            peer.flush = lambda: in_pieces(peer, size)
            await peer.handshake()
            await task
            assert protocol.calls == ['made']

    @both_versions
    @both_protocols
    async def test_a_record_at_every_offset(self, loop, version, protocol_type):
        ours, theirs = contexts_of('server', version)
        protocol = protocol_type()
        async with secured(protocol, 'server', 'unix', context=ours, theirs=theirs) as (_, peer):
            cut, whole = 1, 2
            while cut < whole:
                record = peer.record(b'0123456789')
                whole = len(record)
                await loop.sock_sendall(peer.sock, record[:cut])
                await iterations()
                assert len(protocol.data) == 10 * (cut - 1)
                await loop.sock_sendall(peer.sock, record[cut:])
                await protocol.received(10 * cut)
                cut += 1
            assert protocol.data == b'0123456789' * (whole - 1)
            assert protocol.count('data') == whole - 1

    async def test_two_records_at_every_offset(self, loop):
        """The first is told once it is whole, wherever the second is cut."""
        protocol = Recorder()
        async with secured(protocol, 'server', 'unix') as (_, peer):
            cut, whole = 1, 2
            while cut < whole:
                first = peer.record(b'0123456789')
                records = first + peer.record(b'abcde')
                whole = len(records)
                del protocol.data[:]
                await loop.sock_sendall(peer.sock, records[:cut])
                if cut < len(first):
                    await iterations()
                    assert not protocol.data
                else:
                    assert await protocol.received(10) == b'0123456789'
                await loop.sock_sendall(peer.sock, records[cut:])
                assert await protocol.received(15) == b'0123456789abcde'
                cut += 1

    @both_sides
    async def test_records_byte_by_byte(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side, 'unix') as (_, peer):
            data = b''.join(peer.record(bytes([number])) for number in range(40))
            for position in range(len(data)):
                await loop.sock_sendall(peer.sock, data[position : position + 1])
                await iterations(1)
            assert await protocol.received(40) == bytes(range(40))
            assert protocol.count('data') == 40

    async def test_the_end_at_every_offset(self, loop):
        whole = 2
        cut = 1
        while cut < whole:
            protocol = Recorder()
            async with secured(protocol, kind='unix') as (_, peer):
                end = peer.say_end()
                whole = len(end)
                await loop.sock_sendall(peer.sock, end[:cut])
                await iterations()
                assert protocol.calls == ['made']
                await loop.sock_sendall(peer.sock, end[cut:])
                assert await protocol.lost() is None
                assert protocol.calls == ['made', 'eof', 'lost']
            cut += 1

    @both_sides
    async def test_what_we_send_is_read_byte_by_byte(self, loop, side):
        async with secured(Recorder(), side, 'unix') as (transport, peer):
            peer.feed = functools.partial(peer.feed, 1)
            transport.write(b'hello')
            assert await peer.receive(5) == b'hello'


async def in_pieces(peer, size):
    """Send what the peer has to say so that each piece is read alone."""
    data = peer.outgoing.read()
    loop = asyncio.get_running_loop()
    for start in range(0, len(data), size):
        await loop.sock_sendall(peer.sock, data[start : start + size])
        await iterations(1)


class TestBufferedProtocol:
    """get_buffer() is asked whenever there may be something to read."""

    @staticmethod
    def noting(buffer):
        class Noting(BufferedRecorder):
            def get_buffer(self, sizehint):
                self.note('get', sizehint)
                return self.buffer

            def buffer_updated(self, nbytes):
                super().buffer_updated(nbytes)
                self.note('updated', nbytes)

        protocol = Noting()
        protocol.buffer = buffer
        return protocol

    @pytest.mark.parametrize('make', [bytearray, lambda n: memoryview(bytearray(n))])
    async def test_calls(self, loop, make):
        """sizehint is what has come of the connection's bytes and is not yet decrypted."""
        version = ssl.TLSVersion.TLSv1_3
        ours, theirs = contexts_of('server', version)
        protocol = self.noting(make(100))
        async with secured(protocol, 'server', context=ours, theirs=theirs) as (_, peer):
            await peer.write(b'hello')
            await protocol.received(5)
            assert protocol.calls == ['made', ('get', 0), ('get', 27), 'data', ('updated', 5)]

    async def test_records_that_come_together_fill_a_buffer(self, loop):
        protocol = self.noting(bytearray(100))
        async with secured(protocol, 'server') as (_, peer):
            data = b''.join(peer.record(bytes(10)) for _ in range(5))
            await loop.sock_sendall(peer.sock, data)
            await protocol.received(50)
            assert protocol.calls == ['made', ('get', 0), ('get', 160), 'data', ('updated', 50)]

    @pytest.mark.parametrize('size', [1, 3, 9])
    async def test_a_small_buffer(self, loop, size):
        """Filled, it is asked for again in another iteration of the loop, without a new hint."""
        protocol = self.noting(bytearray(size))
        async with secured(protocol, 'server') as (_, peer):
            await peer.write(b'0123456789')
            assert await protocol.received(10) == b'0123456789'
            await iterations()
            expected = ['made', ('get', 0), ('get', 32)]
            for start in range(0, 10, size):
                count = min(size, 10 - start)
                expected += ['data', ('updated', count)]
                if count == size:
                    expected.append(('get', 0))
            assert protocol.calls == expected

    async def test_a_buffer_of_the_size_of_the_data(self, loop):
        protocol = self.noting(bytearray(10))
        async with secured(protocol, 'server') as (_, peer):
            await peer.write(b'0123456789')
            await protocol.received(10)
            await iterations()
            wanted = ['made', ('get', 0), ('get', 32), 'data', ('updated', 10), ('get', 0)]
            assert protocol.calls == wanted

    async def test_an_empty_buffer_is_taken_for_the_end(self, loop):
        protocol = self.noting(bytearray(10))
        async with secured(protocol, 'server') as (_, peer):
            protocol.buffer = bytearray()
            await peer.write(b'x')
            error = await protocol.lost()
            assert type(error) is ssl.SSLError
            assert error.reason == 'APPLICATION_DATA_AFTER_CLOSE_NOTIFY'
            wanted = ['made', ('get', 0), ('get', 23), 'eof', ('get', 23), 'lost']
            assert protocol.calls == wanted
            protocol.error = error.__traceback__ = None

    async def test_a_buffer_is_free_after_the_call(self, loop):
        protocol = GrowingRecorder(size=10)
        async with secured(protocol) as (_, peer):
            for count in range(1, 5):
                await peer.write(b'ab')
                await protocol.received(2 * count)
            assert protocol.data == b'ab' * 4
            protocol.buffer.clear()

    async def test_paused_in_buffer_updated(self, loop):
        class Paused(BufferedRecorder):
            def buffer_updated(self, nbytes):
                self.transport.pause_reading()
                super().buffer_updated(nbytes)

        protocol = Paused(size=3)
        async with secured(protocol) as (transport, peer):
            await peer.write(b'abcdef')
            await protocol.received(3)
            await iterations(5)
            assert protocol.data == b'abc'
            transport.resume_reading()
            assert await protocol.received(6) == b'abcdef'

    async def test_methods_are_looked_up_when_the_protocol_is_set(self, loop):
        protocol = self.noting(bytearray(10))
        async with secured(protocol) as (transport, peer):
            protocol.buffer_updated = lambda nbytes: protocol.note('patched', nbytes)
            await peer.write(b'x')
            await protocol.received(1)
            assert ('patched', 1) not in protocol.calls
            transport.set_protocol(protocol)
            await peer.write(b'x')
            await protocol.has('patched', 1)
            del protocol.buffer_updated


class TestBothWays:
    @pytest.mark.parametrize('side', SIDES)
    async def test_megabytes_both_ways_at_once(self, loop, side):
        payload = bytes(range(251)) * 8192
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.write(payload)
            sending = asyncio.ensure_future(both_ways(peer, payload))
            assert await protocol.received(len(payload)) == payload
            assert await sending == payload

    async def test_two_transports(self, loop):
        """Each answers what comes until it has sent its share: a window of it is under way."""
        share, window = 4_000_000, 100_000

        class Player(Recorder):
            unsent = share

            def send(self, size):
                size = min(size, self.unsent)
                self.unsent -= size
                self.transport.write(bytes(size))

            def data_received(self, data):
                super().data_received(data)
                self.send(len(data))

        left, right = stream_pair()
        server, client = contexts()
        protocols = Player(), Player()
        await asyncio.gather(
            opening(protocols[0], 'server', left, server),
            opening(protocols[1], 'client', right, client),
        )
        for protocol in protocols:
            protocol.send(window)
        for protocol in protocols:
            assert await protocol.received(share) == bytes(share)
        for protocol in protocols:
            await ended(protocol.transport, protocol)


async def both_ways(peer, payload):
    """Write and read at once, in turn as it goes; answers what came."""
    loop = asyncio.get_running_loop()
    received = bytearray()

    async def send():
        for start in range(0, len(payload), RECORD):
            await loop.sock_sendall(peer.sock, peer.record(payload[start : start + RECORD]))

    async def receive():
        while len(received) < len(payload):
            try:
                received.extend(peer.object.read(RECORD))
            except ssl.SSLWantReadError:
                await peer.feed()

    await asyncio.gather(send(), receive())
    return received


async def test_a_read_in_the_middle_of_decrypting(loop):
    """What ssl calls may read from elsewhere: that must not get among what is being decrypted."""
    ours, theirs = socket.socketpair()
    is_armed = False

    def read_elsewhere(*_):
        if is_armed:
            theirs.send(b'?' * 100_000)
            with pytest.raises(StopIteration):
                loop.sock_recv(ours, 1_000_000 // 4).send(None)

    with ours, theirs:
        ours.setblocking(False)
        context = client_context()
        context._msg_callback = read_elsewhere
        protocol = Recorder()
        async with secured(protocol, kind='unix', context=context) as (_, peer):
            data = bytes(range(256)) * 640
            is_armed = True
            records = [peer.record(data[i : i + 16_384]) for i in range(0, len(data), 16_384)]
            await loop.sock_sendall(peer.sock, b''.join(records))
            assert await protocol.received(len(data)) == data
            is_armed = False
