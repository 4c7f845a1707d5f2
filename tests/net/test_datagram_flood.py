"""Datagram transports with many datagrams at once: several are read a wake, unsent ones queue."""

from __future__ import annotations

import asyncio
import collections
import itertools
import socket

import pytest
from net.support import DatagramRecorder, closed, iterations

pytestmark = pytest.mark.pollers

MOST_A_WAKE = 16  # DATAGRAMS_A_WAKE of csrc/net/datagram_transport.c; stock reads one.


class Server(DatagramRecorder):
    """Calls self.then(count) after each datagram."""

    then = staticmethod(lambda count: None)

    def datagram_received(self, data, addr):
        super().datagram_received(data, addr)
        self.then(len(self.datagrams))


@pytest.fixture
def flooded(loop):
    """(protocol, transport, flood): flood(n) has n datagrams wait in the receiving socket."""
    protocol = Server()
    transport, _ = loop.run_until_complete(
        loop.create_datagram_endpoint(lambda: protocol, local_addr=('127.0.0.1', 0))
    )
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(transport.get_extra_info('sockname'))
    sent = 0

    def flood(count):
        nonlocal sent
        for _ in range(count):
            sender.send(b'%d' % sent)
            sent += 1

    with sender:
        yield protocol, transport, flood
        transport.close()
        loop.run_until_complete(closed(transport))


def numbers(count, first=0):
    return [b'%d' % number for number in range(first, first + count)]


class TestReading:
    async def test_order_is_kept(self, loop, flooded):
        protocol, _, flood = flooded
        for _ in range(5):
            flood(40)
            await iterations(1)
        assert await protocol.received(200) == numbers(200)

    async def test_other_callbacks_get_their_turn(self, loop, flooded):
        protocol, _, flood = flooded
        flood(200)
        seen = [0]

        def look():
            seen.append(len(protocol.datagrams))
            if seen[-1] < 200:
                loop.call_soon(look)

        loop.call_soon(look)
        await protocol.received(200)
        await iterations()
        assert max(b - a for a, b in itertools.pairwise(seen)) <= MOST_A_WAKE

    @pytest.mark.parametrize('how', ['close', 'abort'])
    @pytest.mark.parametrize('at', [1, 17, 20])
    async def test_nothing_after_the_end(self, loop, flooded, how, at):
        protocol, transport, flood = flooded
        protocol.then = lambda count: getattr(transport, how)() if count == at else None
        flood(100)
        assert await protocol.lost() is None
        assert protocol.datagrams == numbers(at)

    @pytest.mark.parametrize('at', [1, 17, 20])
    async def test_nothing_while_paused(self, loop, flooded, at):
        protocol, transport, flood = flooded
        protocol.then = lambda count: transport.pause_reading() if count == at else None
        flood(100)
        await protocol.received(at)
        await iterations(10)
        assert protocol.datagrams == numbers(at)
        transport.resume_reading()
        assert await protocol.received(100) == numbers(100)

    @pytest.mark.parametrize('at', [1, 17, 20])
    async def test_the_next_goes_to_the_new_protocol(self, loop, flooded, at):
        protocol, transport, flood = flooded
        successor = Server()
        protocol.then = lambda count: transport.set_protocol(successor) if count == at else None
        flood(50)
        await successor.received(50 - at)
        assert protocol.datagrams == numbers(at)
        assert successor.datagrams == numbers(50 - at, first=at)
        transport.set_protocol(protocol)

    async def test_an_exception_ends_no_more_than_its_datagram(self, loop, flooded):
        protocol, _, flood = flooded

        def fails(count):
            if count % 2:
                raise ZeroDivisionError

        protocol.then = fails
        flood(60)
        assert await protocol.received(60) == numbers(60)
        await iterations()
        assert len(loop.reports) == 30
        assert {type(report['exception']) for report in loop.reports} == {ZeroDivisionError}
        assert all('_SelectorDatagramTransport._read_ready' in r['message'] for r in loop.reports)
        loop.reports.clear()

    def test_a_stopped_loop_reads_no_further(self, loop, flooded):
        protocol, _, flood = flooded
        protocol.then = lambda count: loop.stop()
        flood(40)
        for turn in range(1, 41):
            loop.run_forever()
            assert protocol.datagrams == numbers(turn)

    async def test_answers_from_within(self, loop, flooded):
        protocol, transport, _ = flooded
        mirror = Server()
        other, _ = await loop.create_datagram_endpoint(
            lambda: mirror, remote_addr=transport.get_extra_info('sockname')
        )
        protocol.then = lambda count: transport.sendto(
            *[
                protocol.datagrams[-1],
                protocol.addresses[-1],
            ]
        )
        for turn in range(60):
            other.sendto(b'%d' % turn)
        assert await mirror.received(60) == numbers(60)
        other.close()
        await closed(other)

    async def test_closed_behind(self, loop, flooded):
        protocol, transport, flood = flooded
        protocol.then = lambda count: transport._sock.close() if count == 20 else None
        flood(40)
        await protocol.received(20)
        await iterations(10)
        assert protocol.datagrams == numbers(20)


@pytest.fixture
def full(loop, tmp_path):
    """(protocol, transport, receiver, count): count datagrams are sent, one more waits."""
    path = str(tmp_path / 'receiver')
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.setblocking(False)
    protocol = DatagramRecorder()
    transport, _ = loop.run_until_complete(
        loop.create_datagram_endpoint(lambda: protocol, remote_addr=path, family=socket.AF_UNIX)
    )
    count = 0
    while True:
        transport.sendto(b'%d' % count)
        if transport.get_write_buffer_size():
            break
        count += 1
    with receiver:
        yield protocol, transport, receiver, count
        if transport.get_protocol() is not None and not transport.is_closing():
            transport.abort()
        loop.run_until_complete(closed(transport))


async def receive_datagrams(loop, sock, count):
    return [await loop.sock_recv(sock, 100) for _ in range(count)]


class TestQueue:
    async def test_unsent_datagrams_leave_in_order(self, loop, full):
        _, transport, receiver, count = full
        for number in range(count + 1, count + 100):
            transport.sendto(b'%d' % number)
        assert await receive_datagrams(loop, receiver, count + 100) == numbers(count + 100)
        assert not transport._buffer

    async def test_what_waits_is_immutable(self, loop, full):
        _, transport, receiver, count = full
        data = bytearray(b'before')
        transport.sendto(data)
        transport.sendto(memoryview(data)[:3])
        data[:] = b'after!'
        assert (await receive_datagrams(loop, receiver, count + 3))[-2:] == [b'before', b'bef']

    async def test_close_sends_them_first(self, loop, full):
        protocol, transport, receiver, count = full
        transport.sendto(b'last')
        transport.close()
        assert transport.is_closing()
        assert (await receive_datagrams(loop, receiver, count + 2))[-1] == b'last'
        assert await protocol.lost() is None

    async def test_abort_drops_them(self, loop, full):
        protocol, transport, receiver, count = full
        transport.abort()
        transport.sendto(b'too late')
        assert await protocol.lost() is None
        assert await receive_datagrams(loop, receiver, count) == numbers(count)
        with pytest.raises(BlockingIOError):
            receiver.recv(100)

    async def test_buffer_shows_pairs(self, loop, full):
        _, transport, _, count = full
        assert isinstance(transport._buffer, collections.deque)
        assert list(transport._buffer) == [(b'%d' % count, transport._address)]

    async def test_receiver_gone(self, loop, full):
        protocol, transport, receiver, _ = full
        transport.sendto(b'another')
        receiver.close()
        await protocol.until(lambda: len(protocol.errors) == 2)
        assert isinstance(protocol.errors[0], ConnectionRefusedError)
        assert isinstance(protocol.errors[1], OSError)
        assert not transport.is_closing()


@pytest.mark.ours
class TestOurs:
    """Where stock fails: it raises AttributeError after the end, calls connection_lost() twice
    where resume_writing() closes, and 3.13 never gives the size of sent headers back."""

    async def test_sendto_after_the_end_is_dropped(self, loop, caplog):
        transport, _ = await loop.create_datagram_endpoint(
            DatagramRecorder, local_addr=('127.0.0.1', 0)
        )
        transport.close()
        await closed(transport)
        await iterations()
        for _ in range(10):
            transport.sendto(b'x', ('127.0.0.1', 9))
        assert {record.getMessage() for record in caplog.records} == {
            'socket.send() raised exception.'
        }

    async def test_empty_queue_has_no_size(self, loop, full):
        _, transport, receiver, count = full
        await receive_datagrams(loop, receiver, count + 1)
        await iterations()
        assert transport.get_write_buffer_size() == 0

    @pytest.mark.parametrize('how', ['close', 'abort'])
    async def test_the_end_from_within_resume_writing(self, loop, full, how):
        protocol, transport, receiver, count = full
        protocol.resume_writing = getattr(transport, how)
        transport.set_write_buffer_limits(high=30, low=5)
        while 'pause' not in protocol.calls:
            transport.sendto(b'filling')
        await receive_datagrams(loop, receiver, count)
        assert await protocol.lost() is None
        assert protocol.count('lost') == 1

    async def test_socket_replaced(self, loop):
        class Spy:
            def __init__(self, sock):
                self.sock = sock
                self.calls = []

            def __getattr__(self, name):
                self.calls.append(name)
                return getattr(self.sock, name)

        protocol = DatagramRecorder()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: protocol, local_addr=('127.0.0.1', 0)
        )
        spy = transport._sock = Spy(transport._sock)
        transport.sendto(b'x', transport.get_extra_info('sockname'))
        await protocol.received(1)
        assert spy.calls[:2] == ['sendto', 'recvfrom']
        transport.close()
        await closed(transport)


async def test_types(loop):
    stock = asyncio.selector_events._SelectorDatagramTransport
    transport, _ = await loop.create_datagram_endpoint(
        DatagramRecorder, local_addr=('127.0.0.1', 0)
    )
    for base in asyncio.Transport, asyncio.DatagramTransport:
        assert isinstance(transport, base) == issubclass(stock, base)
    assert type(transport).__name__ == stock.__name__
    transport.close()
    await closed(transport)
