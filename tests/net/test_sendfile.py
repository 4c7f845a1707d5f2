"""loop.sendfile() and loop.sock_sendfile(): native and fallback, offsets, counts, positions."""

from __future__ import annotations

import asyncio
import io
import os
import socket

import pytest
from net.support import Recorder, connected, iterations, receive, stream_pair

pytestmark = pytest.mark.pollers

SIZE = 300_000
DATA = bytes(range(256)) * (SIZE // 256 + 1)
DATA = DATA[:SIZE]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(DATA)
    with open(path, 'rb') as file:
        yield file


@pytest.fixture(params=['file', 'memory'])
def source(request, file):
    """A file that the kernel can send, and one that takes the fallback."""
    return file if request.param == 'file' else io.BytesIO(DATA)


async def gather(send, peer, size):
    """Send and receive at once; answers what sending answered, and what came."""
    sending = asyncio.ensure_future(send)
    received = await receive(peer, size)
    return await sending, received


RANGES = [
    (0, None, 0, SIZE),
    (1000, None, 1000, SIZE),
    (0, 10, 0, 10),
    (100_000, 150_000, 100_000, 250_000),
    (0, SIZE + 5, 0, SIZE),
    (SIZE - 1, None, SIZE - 1, SIZE),
]
ranges = pytest.mark.parametrize(('offset', 'count', 'start', 'end'), RANGES)


class TestSocket:
    @ranges
    async def test_ranges(self, loop, source, offset, count, start, end):
        left, right = stream_pair('unix')
        with left, right:
            send = loop.sock_sendfile(left, source, offset, count)
            assert await gather(send, right, end - start) == (end - start, DATA[start:end])
            assert source.tell() == end
            assert not loop.remove_writer(left)

    async def test_beyond_the_end(self, loop, source):
        left, right = stream_pair()
        with left, right:
            assert await loop.sock_sendfile(left, source, SIZE + 10) == 0
            with pytest.raises(BlockingIOError):
                right.recv(1)

    async def test_empty(self, loop, tmp_path):
        left, right = stream_pair()
        (tmp_path / 'empty').touch()
        with left, right, open(tmp_path / 'empty', 'rb') as file:
            assert await loop.sock_sendfile(left, file) == 0

    async def test_no_fallback(self, loop, file):
        left, right = stream_pair()
        with left, right:
            send = loop.sock_sendfile(left, file, fallback=False)
            assert await gather(send, right, SIZE) == (SIZE, DATA)
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await loop.sock_sendfile(left, io.BytesIO(DATA), fallback=False)

    async def test_cancelled(self, loop, file):
        left, right = stream_pair('unix')
        with left, right:
            task = loop.create_task(loop.sock_sendfile(left, file))
            await iterations(10)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not loop.remove_writer(left)
            left.close()
            sent = await receive(right, SIZE)
            assert sent and DATA.startswith(sent)

    async def test_peer_gone(self, loop, file):
        left, right = stream_pair('unix')
        with left:
            right.close()
            with pytest.raises(BrokenPipeError):
                await loop.sock_sendfile(left, file)

    @pytest.mark.parametrize(
        ('arguments', 'error'),
        [
            ({'offset': -1}, ValueError),
            ({'offset': '1'}, TypeError),
            ({'offset': 1.0}, TypeError),
            ({'count': 0}, ValueError),
            ({'count': -1}, ValueError),
            ({'count': '1'}, TypeError),
        ],
        ids=repr,
    )
    async def test_wrong_arguments(self, loop, file, arguments, error):
        left, right = stream_pair()
        with left, right, pytest.raises(error):
            await loop.sock_sendfile(left, file, **arguments)

    async def test_text_files(self, loop, tmp_path):
        (tmp_path / 'text').write_text('text')
        left, right = stream_pair()
        with left, right, open(tmp_path / 'text') as file:
            with pytest.raises(ValueError, match='file should be opened in binary mode'):
                await loop.sock_sendfile(left, file)

    async def test_datagram_sockets(self, loop, file):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            with pytest.raises(ValueError, match='only SOCK_STREAM type sockets are supported'):
                await loop.sock_sendfile(sock, file)

    async def test_blocking_sockets_in_debug_mode(self, loop, file):
        left, right = stream_pair()
        loop.set_debug(True)
        with left, right:
            left.setblocking(True)
            with pytest.raises(ValueError, match='the socket must be non-blocking'):
                await loop.sock_sendfile(left, file)
        loop.set_debug(False)

    async def test_transport_in_use(self, loop, file):
        async with connected(Recorder(), 'unix') as (transport, _):
            transport.write(b'x' * 20_000_000)
            with pytest.raises(RuntimeError, match='is used by transport'):
                await loop.sock_sendfile(transport._sock, file)


class TestTransport:
    @ranges
    async def test_ranges(self, loop, source, offset, count, start, end):
        async with connected(Recorder(), 'unix') as (transport, peer):
            send = loop.sendfile(transport, source, offset, count)
            assert await gather(send, peer, end - start) == (end - start, DATA[start:end])
            assert source.tell() == end
            assert transport.is_reading()

    async def test_between_writes(self, loop, source):
        async with connected(Recorder(), 'unix') as (transport, peer):
            transport.write(b'a' * 1_000_000)
            received = asyncio.ensure_future(receive(peer, 1_000_000 + SIZE + 5))
            assert await loop.sendfile(transport, source) == SIZE
            transport.write(b'after')
            assert await received == b'a' * 1_000_000 + DATA + b'after'

    async def test_reading_goes_on_afterwards(self, loop, source):
        protocol = Recorder()
        async with connected(protocol, 'unix') as (transport, peer):
            sending = asyncio.ensure_future(loop.sendfile(transport, source))
            peer.send(b'x')
            await receive(peer, SIZE)
            await sending
            assert await protocol.received(1) == b'x'
            assert transport.get_protocol() is protocol

    async def test_no_writing_meanwhile(self, loop, file):
        async with connected(Recorder(), 'unix') as (transport, peer):
            sending = asyncio.ensure_future(loop.sendfile(transport, file))
            await iterations()
            assert not sending.done()
            with pytest.raises(RuntimeError, match='unable to write; sendfile is in progress'):
                transport.write(b'x')
            await receive(peer, SIZE)
            await sending

    async def test_no_fallback(self, loop, file):
        async with connected(Recorder(), 'unix') as (transport, peer):
            send = loop.sendfile(transport, file, fallback=False)
            assert await gather(send, peer, SIZE) == (SIZE, DATA)
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await loop.sendfile(transport, io.BytesIO(DATA), fallback=False)

    async def test_closing(self, loop, file):
        async with connected(Recorder()) as (transport, _):
            transport.close()
            with pytest.raises(RuntimeError, match='Transport is closing'):
                await loop.sendfile(transport, file)

    async def test_peer_gone(self, loop, source):
        protocol = Recorder()
        async with connected(protocol, 'unix') as (transport, peer):
            sending = asyncio.ensure_future(loop.sendfile(transport, source))
            await iterations(2)
            peer.close()
            with pytest.raises(ConnectionError) as caught:
                await sending
            caught.value.__traceback__ = None
            transport.abort()
            await protocol.lost()
            protocol.error = None

    async def test_not_supported(self, loop, file):
        read_fd, write_fd = os.pipe()
        transport, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(write_fd, 'wb', 0)
        )
        with pytest.raises(RuntimeError, match='sendfile is not supported for transport'):
            await loop.sendfile(transport, file)
        transport.close()
        await iterations()
        os.close(read_fd)
