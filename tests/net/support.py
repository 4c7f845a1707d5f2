"""What the tests of transports share: connected sockets, and protocols that tell what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from asyncio import selector_events

import pytest

# Before gh-156512 stock's flush at the end left the transport as if it still were open.
FLUSH_LOSES_TWICE = sys.version_info < (3, 14)

LIMIT = 60  # Seconds: what takes longer hangs.

LOST = 'lost'


class Watched:
    """Keeps what happens in self.calls, and lets a test wait for a condition on it."""

    def __init__(self):
        self.calls = []
        self.transport = None
        self.error = None
        self._waiting = []

    def note(self, *call):
        """Keep one call, its name first, and wake who waits for what it made true."""
        self.calls.append(call[0] if len(call) == 1 else call)
        for item in self._waiting[:]:
            condition, waiter = item
            if not waiter.done() and condition():
                waiter.set_result(None)
                self._waiting.remove(item)

    async def until(self, condition):
        """Wait until condition() holds; it is asked again after each call."""
        if not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append((condition, waiter))
            await waiter

    async def has(self, *call):
        """Wait until that call has come."""
        wanted = call[0] if len(call) == 1 else call
        await self.until(lambda: wanted in self.calls)

    def count(self, call):
        return self.calls.count(call)

    async def lost(self):
        """Wait for connection_lost(), answer its exception."""
        await self.has(LOST)
        return self.error

    def connection_made(self, transport):
        self.transport = transport
        self.note('made')

    def connection_lost(self, exc):
        self.error = exc
        self.note(LOST)

    def pause_writing(self):
        self.note('pause')

    def resume_writing(self):
        self.note('resume')


class Recorder(Watched, asyncio.Protocol):
    """A Protocol that keeps its data; `keep_open` is what eof_received() answers."""

    def __init__(self, keep_open=False):
        super().__init__()
        self.keep_open = keep_open
        self.data = bytearray()

    def data_received(self, data):
        assert type(data) is bytes
        self.data += data
        self.note('data')

    def eof_received(self):
        self.note('eof')
        return self.keep_open

    async def received(self, size):
        await self.until(lambda: len(self.data) >= size)
        return bytes(self.data)


class PausedRecorder(Recorder):
    """One that pauses reading in connection_made()."""

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.pause_reading()


class BufferedRecorder(Watched, asyncio.BufferedProtocol):
    """The same as a BufferedProtocol, with a buffer of that size."""

    def __init__(self, size=1024, keep_open=False):
        super().__init__()
        self.keep_open = keep_open
        self.data = bytearray()
        self.buffer = bytearray(size)
        self.hints = []

    def get_buffer(self, sizehint):
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]
        self.note('data')

    eof_received = Recorder.eof_received
    received = Recorder.received


class GrowingRecorder(BufferedRecorder):
    """Its buffer grows each time, which raises BufferError where somebody still exports it."""

    def get_buffer(self, sizehint):
        self.buffer.append(0)
        return self.buffer


class DatagramRecorder(Watched, asyncio.DatagramProtocol):
    """A DatagramProtocol that keeps datagrams, their addresses and errors."""

    def __init__(self):
        super().__init__()
        self.datagrams = []
        self.addresses = []
        self.errors = []

    def datagram_received(self, data, addr):
        self.datagrams.append(data)
        self.addresses.append(addr)
        self.note('datagram')

    def error_received(self, exc):
        self.errors.append(exc)
        self.note('error')

    async def received(self, count):
        await self.until(lambda: len(self.datagrams) >= count)
        return self.datagrams


def only_report(loop):
    """What the exception handler was told, once, since it was asked before."""
    (report,) = loop.reports
    loop.reports.clear()
    return report


def report_about(loop, message, transport, protocol):
    """The same, which is to be that message, of that transport and protocol."""
    report = only_report(loop)
    assert report['message'] == message
    assert report['transport'] is transport
    assert report['protocol'] is protocol
    return report


def unpatch(protocol):
    """Take methods back that a test has put into a protocol, and forget its exception."""
    protocol.error = None
    for name in [name for name, value in vars(protocol).items() if callable(value)]:
        delattr(protocol, name)


def forget(protocol, report):
    """Cut the cycles of an exception and what it saw."""
    report['exception'].__traceback__ = None
    report.clear()
    unpatch(protocol)


def require_own_transport(transport, reason):
    """Skip what stock's transport does not do, on whichever loop it runs."""
    if type(transport) is selector_events._SelectorSocketTransport:
        pytest.skip(f'stock: {reason}')


# ------------------------------------------------------------------ sockets

KINDS = ('tcp', 'unix')
both_kinds = pytest.mark.parametrize('kind', KINDS)
both_protocols = pytest.mark.parametrize('protocol_type', [Recorder, BufferedRecorder])


def tcp_pair():
    """Two connected TCP sockets."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    return left, right


def stream_pair(kind='tcp'):
    """Two connected stream sockets of that kind, not blocking."""
    pair = socket.socketpair() if kind == 'unix' else tcp_pair()
    for sock in pair:
        sock.setblocking(False)
    return pair


def reset(sock):
    """Close so that the peer gets an RST (a TCP socket)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    sock.close()


def small_buffers(*socks):
    """So that few bytes fill them."""
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def fill(sock, chunk=b'x' * 65536):
    """Send until the kernel takes no more; answers how much it took."""
    total = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            total += sock.send(chunk)
    return total


async def receive(sock, size):
    """So many bytes, or what there is until the end."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < size:
        data = await loop.sock_recv(sock, min(size - len(received), 1 << 20))
        if not data:
            break
        received += data
    return bytes(received)


async def receive_all(sock):
    """What comes until the peer has closed its half."""
    return await receive(sock, 1 << 40)


@contextlib.asynccontextmanager
async def connected(protocol, kind='tcp', small=False):
    """A transport with that protocol, and the socket at the other end; both are closed at last."""
    loop = asyncio.get_running_loop()
    left, right = stream_pair(kind)
    if small:
        small_buffers(left, right)
    with right:
        transport, _ = await loop.create_connection(lambda: protocol, sock=left)
        try:
            yield transport, right
        finally:
            # See FLUSH_LOSES_TWICE: no abort() afterwards.
            if transport.get_extra_info('socket').fileno() >= 0:
                transport.abort()
            await closed(transport)


async def closed(transport):
    """Wait until the transport has closed its socket."""
    for _ in range(1000):
        if transport.get_extra_info('socket').fileno() < 0:
            return
        await asyncio.sleep(0)
    raise AssertionError(f'not closed: {transport!r}')


async def iterations(count=3):
    """Let the loop run that often."""
    for _ in range(count):
        await asyncio.sleep(0)
