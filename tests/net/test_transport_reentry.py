"""What a transport calls may change it at once: the protocol, the socket, the transport itself."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import weakref

import pytest
from net.support import DatagramRecorder, Recorder, connected, iterations, stream_pair

pytestmark = pytest.mark.pollers


class Eager:
    """Its comparison puts another protocol into the transport."""

    def __init__(self, transport):
        self.transport = transport

    def __eq__(self, other):
        self.transport.set_protocol(asyncio.Protocol())
        gc.collect()
        return False

    __hash__ = None


class ListProtocol(asyncio.Protocol, list):
    """Its data_received() is a method in C, which borrows the list that it works on."""

    data_received = list.remove

    def connection_made(self, transport):
        self.extend(Eager(transport) for _ in range(10))


async def test_protocol_replaced_within_its_method(loop):
    async with connected(ListProtocol()) as (transport, peer):
        peer.send(b'data')
        await iterations()
        while not loop.reports:
            await asyncio.sleep(0)
        [report] = loop.reports
        loop.reports.clear()
        assert type(report['exception']) is ValueError
        assert type(transport.get_protocol()) in (asyncio.Protocol, type(None))


@pytest.mark.skipif(sys.version_info < (3, 12), reason='__buffer__')
@pytest.mark.ours
@pytest.mark.parametrize('how', ['write', 'writelines'])
async def test_lost_within_the_export_of_a_buffer(loop, how):
    class Closing(bytearray):
        def __buffer__(self, flags):
            transport._call_connection_lost(None)
            return super().__buffer__(flags)

    protocol = Recorder()
    async with connected(protocol) as (transport, _):
        data = Closing(b'data')
        getattr(transport, how)(data if how == 'write' else [data])
        assert protocol.calls == ['made', 'lost']
        assert transport.get_write_buffer_size() == 0


class Odd:
    """Stands in for a socket; its methods answer strange numbers, or end the transport."""

    def __init__(self, transport, answer):
        self.transport = transport
        self.sock = transport._sock
        self.answer = answer

    def send(self, data):
        return self.answer(self.transport)

    sendmsg = send

    def __getattr__(self, name):
        return getattr(self.sock, name)


def lose(transport):
    transport._call_connection_lost(None)
    return 1


def abort(transport):
    transport.abort()
    return 1


@pytest.mark.ours
@pytest.mark.parametrize('how', ['write', 'writelines'])
@pytest.mark.parametrize('answer', [lambda t: -1, lambda t: 1000, lose, abort])
async def test_strange_sockets(loop, how, answer):
    protocol = Recorder()
    async with connected(protocol) as (transport, _):
        transport._sock = Odd(transport, answer)
        getattr(transport, how)(b'data' if how == 'write' else [b'da', b'ta'])
        assert transport.get_write_buffer_size() <= 4
        transport.abort()
        await protocol.lost()
    loop.reports.clear()


@pytest.mark.ours
@pytest.mark.parametrize('then', ['again', 'lost'])
async def test_socket_made_while_it_is_made(loop, then, monkeypatch):
    """An accepted connection gets its socket object when somebody asks; that is Python code."""

    def within(sock, *args, **kwargs):
        monkeypatch.undo()
        if then == 'again':
            inner.append(transport.get_extra_info('socket'))
        else:
            transport._call_connection_lost(None)
        sock.__init__(*args, **kwargs)

    inner = []
    protocol = Recorder()
    server = await loop.create_server(lambda: protocol, '127.0.0.1', 0)
    with socket.create_connection(server.sockets[0].getsockname()) as peer:
        await protocol.has('made')
        transport = protocol.transport
        monkeypatch.setattr(socket.socket, '__init__', within)
        sock = transport.get_extra_info('socket')
        assert socket.socket.__init__ is not within
        if then == 'again':
            assert inner[0]._sock is transport._sock
            assert sock.fileno() == transport._sock_fd
            transport.abort()
        else:
            assert sock.fileno() == -1
        await protocol.lost()
        assert peer.recv(1) == b''
    server.close()
    await server.wait_closed()
    protocol.transport = None


async def test_brought_back_by_its_warning(loop):
    sock, peer = stream_pair()
    transport, protocol = await loop.create_connection(Recorder, sock=sock)
    transport.pause_reading()
    fd = transport._sock_fd
    with pytest.warns(ResourceWarning) as warned:
        del transport, protocol
        gc.collect()
    [transport] = [w.source for w in warned if hasattr(w.source, 'write')]
    left, right = stream_pair('unix')
    with left, right, peer:
        taken = fd in (left.fileno(), right.fileno())
        if not taken:
            os.dup2(left.fileno(), fd)
        transport.write(b'to whom?')
        for sock in (left, right):
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        if not taken:
            os.close(fd)
    transport.abort()
    await iterations()
    del warned, transport


async def test_attributes_of_the_base_are_let_go(loop):
    class Held:
        pass

    async with connected(Recorder()) as (transport, _):
        held = Held()
        held.transport = transport
        base = asyncio.transports._FlowControlMixin
        base._high_water.__set__(transport, held)
        base._low_water.__set__(transport, held)
        left = weakref.ref(held)
    await iterations()
    del transport, held
    gc.collect()
    assert left() is None


@pytest.mark.ours
async def test_datagrams_found_half_made(loop):
    class Address(tuple):
        def __bool__(self):
            for found in gc.get_objects():
                if isinstance(found, asyncio.BaseTransport) and type(found) not in seen:
                    seen.append(type(found))
                    repr(found)
                    found.set_write_buffer_limits(found.get_write_buffer_size())
                    found.close()
            return True

    seen = []
    left, right = socket.socketpair(type=socket.SOCK_DGRAM)
    with right:
        left.setblocking(False)
        address = Address(('127.0.0.1', 1))
        transport = loop._make_datagram_transport(left, DatagramRecorder(), address)
        assert seen == [type(transport)]
        assert transport.is_closing()
        await iterations()


@pytest.mark.ours
async def test_thrown_into_while_it_begins_to_wait(loop, monkeypatch):
    class Throwing(asyncio.Future):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            with pytest.raises(ValueError, match='already executing'):
                coro.throw(LookupError)

    left, right = stream_pair()
    with left, right:
        monkeypatch.setattr(loop, 'create_future', lambda: Throwing(loop=loop), raising=False)
        coro = loop.sock_recv(left, 10)
        assert type(coro.send(None)) is Throwing
        with pytest.raises(LookupError):
            coro.throw(LookupError)
        monkeypatch.undo()


class TestTable:
    """loop._transports, which knows ours by the number of their fd."""

    async def test_another_fd(self, loop):
        async with connected(Recorder()) as (transport, _):
            loop._transports[999] = transport
            assert loop._transports.get(999) is transport
        await iterations()
        del transport
        gc.collect()
        assert loop._transports.get(999) is None

    @pytest.mark.ours
    async def test_only_who_leaves_it_enters(self, loop):
        async with connected(Recorder()) as (transport, _):
            with pytest.raises(ValueError, match='open transport'):
                loop._set_owner(999, transport)
        await iterations()
        with pytest.raises(ValueError, match='open transport'):
            loop._set_owner(transport._sock_fd, transport)

    @pytest.mark.ours
    async def test_a_closed_socket(self, loop):
        with socket.socket() as sock:
            sock.setblocking(False)
        with pytest.raises(OSError, match='descriptor'):
            loop._make_socket_transport(sock, Recorder())
        gc.collect()
