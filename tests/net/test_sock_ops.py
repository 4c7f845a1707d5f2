"""loop.sock_*: at once and after waiting, their arguments, their errors, and their use of fds."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading

import pytest
import support
from net.support import (
    LIMIT,
    Recorder,
    connected,
    fill,
    iterations,
    reset,
    stream_pair,
)

pytestmark = pytest.mark.pollers


@pytest.fixture
def udp():
    socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
    for sock in socks:
        sock.setblocking(False)
        sock.bind(('127.0.0.1', 0))
    yield socks
    for sock in socks:
        sock.close()


def bound():
    """A listening TCP socket, not blocking."""
    listener = socket.create_server(('127.0.0.1', 0))
    listener.setblocking(False)
    return listener


class TestRecv:
    @pytest.mark.parametrize('waiting', [False, True])
    async def test_recv(self, loop, pair, waiting):
        left, right = pair
        if not waiting:
            right.send(b'data')
        task = loop.create_task(loop.sock_recv(left, 100))
        await iterations()
        assert task.done() is not waiting
        if waiting:
            right.send(b'data')
        assert await task == b'data'
        assert not loop.remove_reader(left)

    @pytest.mark.parametrize('waiting', [False, True])
    async def test_recv_into(self, loop, pair, waiting):
        left, right = pair
        buffer = bytearray(10)
        if not waiting:
            right.send(b'data')
        task = loop.create_task(loop.sock_recv_into(left, buffer))
        await iterations()
        if waiting:
            right.send(b'data')
        assert await task == 4
        assert buffer == b'data' + bytes(6)
        assert not loop.remove_reader(left)

    @pytest.mark.parametrize('waiting', [False, True])
    async def test_recvfrom(self, loop, udp, waiting):
        left, right = udp
        if not waiting:
            right.sendto(b'data', left.getsockname())
        task = loop.create_task(loop.sock_recvfrom(left, 100))
        await iterations()
        if waiting:
            right.sendto(b'data', left.getsockname())
        assert await task == (b'data', right.getsockname())

    @pytest.mark.parametrize('nbytes', [0, 2, 10])
    @pytest.mark.parametrize('waiting', [False, True])
    async def test_recvfrom_into(self, loop, udp, waiting, nbytes):
        left, right = udp
        buffer = bytearray(10)
        if not waiting:
            right.sendto(b'data', left.getsockname())
        task = loop.create_task(loop.sock_recvfrom_into(left, buffer, nbytes))
        await iterations()
        if waiting:
            right.sendto(b'data', left.getsockname())
        size = min(4, nbytes or 10)
        assert await task == (size, right.getsockname())
        assert buffer == b'data'[:size] + bytes(10 - size)

    @pytest.mark.parametrize('nbytes', [11, 1 << 20, sys.maxsize])
    async def test_more_bytes_than_the_buffer_has(self, loop, udp, nbytes):
        left, right = udp
        right.sendto(b'data' * 100, left.getsockname())
        with pytest.raises(ValueError):
            await loop.sock_recvfrom_into(left, bytearray(10), nbytes)

    async def test_at_most_so_many(self, loop, pair):
        left, right = pair
        right.send(b'data')
        assert await loop.sock_recv(left, 3) == b'dat'
        assert await loop.sock_recv(left, 3) == b'a'
        assert await loop.sock_recv(left, 0) == b''

    async def test_end_of_file(self, loop, pair):
        left, right = pair
        task = loop.create_task(loop.sock_recv(left, 100))
        await iterations()
        right.close()
        assert await task == b''
        assert await loop.sock_recv(left, 100) == b''
        assert await loop.sock_recv_into(left, bytearray(10)) == 0

    async def test_reset(self, loop):
        left, right = stream_pair()
        with left:
            task = loop.create_task(loop.sock_recv(left, 100))
            await iterations()
            reset(right)
            with pytest.raises(ConnectionResetError):
                await task
            assert not loop.remove_reader(left)

    @pytest.mark.parametrize('nbytes', [-1, -(1 << 40)])
    async def test_negative(self, loop, pair, nbytes):
        left, right = pair
        right.send(b'x')
        with pytest.raises(ValueError):
            await loop.sock_recv(left, nbytes)

    @pytest.mark.parametrize('kind', [bytearray, lambda n: memoryview(bytearray(n))[1:]])
    async def test_buffers(self, loop, pair, kind):
        left, right = pair
        right.send(b'data')
        assert await loop.sock_recv_into(left, kind(3)) in (2, 3)

    @pytest.mark.parametrize('buffer', [b'read only', 'str', None, 5])
    async def test_wrong_buffers(self, loop, pair, buffer):
        left, right = pair
        right.send(b'data')
        with pytest.raises(TypeError):
            await loop.sock_recv_into(left, buffer)
        assert not loop.remove_reader(left)


class TestSend:
    @pytest.mark.parametrize('data', [b'data', bytearray(b'data'), memoryview(b'data'), b''])
    async def test_sendall(self, loop, pair, data):
        left, right = pair
        assert await loop.sock_sendall(left, data) is None
        if data:
            assert right.recv(100) == b'data'
        assert not loop.remove_writer(left)

    async def test_fifty_megabytes_to_a_slow_reader(self, loop, pair):
        left, right = pair
        payload = os.urandom(1 << 20) * 50
        received = bytearray()

        def read():
            right.settimeout(LIMIT)
            while len(received) < len(payload):
                received.extend(right.recv(65536))

        thread = threading.Thread(target=read)
        thread.start()
        await loop.sock_sendall(left, payload)
        await loop.run_in_executor(None, thread.join)
        assert received == payload
        assert not loop.remove_writer(left)

    async def test_sendto(self, loop, udp):
        left, right = udp
        assert await loop.sock_sendto(left, b'data', right.getsockname()) == 4
        assert await loop.sock_recvfrom(right, 10) == (b'data', left.getsockname())
        assert await loop.sock_sendto(left, b'', right.getsockname()) == 0
        assert await loop.sock_recvfrom(right, 10) == (b'', left.getsockname())

    async def test_sendto_waits(self, loop, tmp_path):
        path = str(tmp_path / 'socket')
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as right,
        ):
            left.setblocking(False)
            right.setblocking(False)
            right.bind(path)
            left.connect(path)
            fill(left, b'x' * 1000)
            task = loop.create_task(loop.sock_sendto(left, b'last', path))
            await iterations()
            assert not task.done()
            while not task.done():
                right.recv(1000)
                await asyncio.sleep(0)
            assert await task == 4
            assert not loop.remove_writer(left)

    @pytest.mark.parametrize('data', ['str', None, 5, [1]])
    async def test_wrong_types(self, loop, pair, udp, data):
        left, _ = pair
        with pytest.raises(TypeError):
            await loop.sock_sendall(left, data)
        with pytest.raises(TypeError):
            await loop.sock_sendto(udp[0], data, udp[1].getsockname())

    async def test_broken_pipe(self, loop, pair):
        left, right = pair
        right.close()
        with pytest.raises(BrokenPipeError):
            await loop.sock_sendall(left, b'x')

    async def test_broken_while_waiting(self, loop, pair):
        left, right = pair
        task = loop.create_task(loop.sock_sendall(left, b'x' * 10_000_000))
        await iterations()
        right.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await task
        assert not loop.remove_writer(left)


class TestConnect:
    async def test_connect_and_accept(self, loop):
        with bound() as listener:
            accepting = loop.create_task(loop.sock_accept(listener))
            await iterations()
            with socket.socket() as client:
                client.setblocking(False)
                assert await loop.sock_connect(client, listener.getsockname()) is None
                conn, address = await accepting
                with conn:
                    assert address == client.getsockname()
                    assert conn.gettimeout() == 0
                    assert type(conn) is socket.socket
                assert not loop.remove_writer(client)
            assert not loop.remove_reader(listener)

    async def test_accept_at_once(self, loop):
        with bound() as listener, socket.create_connection(listener.getsockname()) as client:
            conn, address = await loop.sock_accept(listener)
            conn.close()
            assert address == client.getsockname()

    async def test_refused(self, loop):
        with bound() as listener:
            address = listener.getsockname()
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError) as caught:
                await loop.sock_connect(client, address)
            assert f'Connect call failed {address}' in str(caught.value)
            assert not loop.remove_writer(client)

    async def test_hostname(self, loop):
        with bound() as listener, socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ('localhost', listener.getsockname()[1]))
            assert client.getpeername() == listener.getsockname()

    @pytest.mark.parametrize('kind', [str, os.fsencode])
    async def test_unix(self, loop, tmp_path, kind):
        path = str(tmp_path / 'socket')
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(path)
            listener.listen()
            client.setblocking(False)
            await loop.sock_connect(client, kind(path))
            assert client.getpeername() == path

    async def test_unix_missing(self, loop, tmp_path):
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            with pytest.raises(FileNotFoundError):
                await loop.sock_connect(client, str(tmp_path / 'socket'))

    async def test_datagram(self, loop, udp):
        left, right = udp
        await loop.sock_connect(left, right.getsockname())
        assert left.getpeername() == right.getsockname()

    @pytest.mark.parametrize('address', [('127.0.0.1', 'port?'), ('127.0.0.1',), 5, None])
    async def test_wrong_addresses(self, loop, address):
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises((TypeError, ValueError, OSError)):
                await loop.sock_connect(client, address)


CALLS = {
    'sock_recv': lambda loop, sock: loop.sock_recv(sock, 10),
    'sock_recv_into': lambda loop, sock: loop.sock_recv_into(sock, bytearray(10)),
    'sock_recvfrom': lambda loop, sock: loop.sock_recvfrom(sock, 10),
    'sock_recvfrom_into': lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(10)),
    'sock_sendall': lambda loop, sock: loop.sock_sendall(sock, b'x' * 10_000_000),
    'sock_sendto': lambda loop, sock: loop.sock_sendto(sock, b'x', ('127.0.0.1', 9)),
    'sock_connect': lambda loop, sock: loop.sock_connect(sock, ('127.0.0.1', 9)),
    'sock_accept': lambda loop, sock: loop.sock_accept(sock),
}
READING = [name for name in CALLS if 'recv' in name]

every_call = pytest.mark.parametrize('call', CALLS.values(), ids=CALLS)


class TestEvery:
    @every_call
    async def test_is_a_coroutine_method(self, loop, call, pair):
        coroutine = call(loop, pair[0])
        assert asyncio.iscoroutine(coroutine) or asyncio.isfuture(coroutine)
        if asyncio.iscoroutine(coroutine):
            coroutine.close()
        else:
            coroutine.cancel()

    @every_call
    async def test_blocking_sockets_in_debug_mode(self, loop, call, pair):
        left, _ = pair
        left.setblocking(True)
        loop.set_debug(True)
        with pytest.raises(ValueError) as caught:
            await call(loop, left)
        loop.set_debug(False)
        assert str(caught.value) == 'the socket must be non-blocking'

    @every_call
    async def test_closed_sockets(self, loop, call):
        sock = socket.socket()
        sock.setblocking(False)
        sock.close()
        with pytest.raises((OSError, ValueError)):
            await call(loop, sock)

    @pytest.mark.parametrize('name', [*READING, 'sock_sendall'])
    async def test_wait_on_a_transport(self, loop, name):
        async with connected(Recorder()) as (transport, _):
            sock = transport._sock
            with pytest.raises(RuntimeError) as caught:
                await CALLS[name](loop, sock)
            text = f'File descriptor {sock.fileno()} is used by transport {transport!r}'
            assert str(caught.value) == text

    @pytest.mark.parametrize('name', ['add_reader', 'add_writer', 'remove_reader', 'remove_writer'])
    async def test_watch_a_transport(self, loop, name):
        async with connected(Recorder()) as (transport, _):
            arguments = (print,) if 'add' in name else ()
            for fd in (transport._sock, transport._sock_fd):
                with pytest.raises(RuntimeError) as caught:
                    getattr(loop, name)(fd, *arguments)
                text = f'File descriptor {fd!r} is used by transport {transport!r}'
                assert str(caught.value) == text

    @pytest.mark.parametrize('name', READING)
    async def test_cancelled_while_waiting(self, loop, pair, name):
        left, right = pair
        task = loop.create_task(CALLS[name](loop, left))
        await iterations()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not loop.remove_reader(left)
        # Another one gets what comes.
        task = loop.create_task(loop.sock_recv(left, 10))
        await iterations()
        right.send(b'x')
        assert await task == b'x'

    async def test_sendall_cancelled(self, loop, pair):
        left, right = pair
        task = loop.create_task(CALLS['sock_sendall'](loop, left))
        await iterations()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not loop.remove_writer(left)
        while True:
            try:
                right.recv(1 << 20)
            except BlockingIOError:
                break
        await loop.sock_sendall(left, b'y')
        assert right.recv(10) == b'y'

    async def test_accept_cancelled(self, loop):
        with bound() as listener:
            task = loop.create_task(loop.sock_accept(listener))
            await iterations()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not loop.remove_reader(listener)
            with socket.create_connection(listener.getsockname()):
                conn, _ = await loop.sock_accept(listener)
                conn.close()

    async def test_connect_cancelled(self, loop):
        """A listener whose backlog is full leaves a connect waiting."""
        with socket.create_server(('127.0.0.1', 0), backlog=0) as full, socket.socket() as client:
            fillers = []
            for _ in range(4):
                fillers.append(socket.socket())
                fillers[-1].setblocking(False)
                fillers[-1].connect_ex(full.getsockname())
            client.setblocking(False)
            task = loop.create_task(loop.sock_connect(client, full.getsockname()))
            await iterations()
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not loop.remove_writer(client)
            for filler in fillers:
                filler.close()

    async def test_timeout(self, loop, pair):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.sock_recv(pair[0], 10), 0.001)
        assert not loop.remove_reader(pair[0])

    async def test_reading_and_writing_at_once(self, loop, pair):
        left, right = pair
        reading = loop.create_task(loop.sock_recv(left, 10))
        writing = loop.create_task(loop.sock_sendall(left, b'x' * 1_000_000))
        await iterations()
        right.send(b'y')
        assert await reading == b'y'
        received = 0
        while received < 1_000_000:
            received += len(await loop.sock_recv(right, 1 << 20))
        await writing

    async def test_the_last_of_two_readers_waits(self, loop, pair):
        """One reader an fd: the second takes the place of the first."""
        left, right = pair
        first = loop.create_task(loop.sock_recv(left, 10))
        second = loop.create_task(loop.sock_recv(left, 10))
        await iterations()
        right.send(b'x')
        assert await second == b'x'
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])

    def test_the_loop_closed_meanwhile(self, loop, pair):
        left, _ = pair
        task = loop.create_task(loop.sock_recv(left, 10))
        support.run_once(loop)
        support.run_once(loop)
        task.cancel()
        support.run_until(loop, task.done)
        assert task.cancelled()

    async def test_many_at_once(self, loop):
        pairs = [stream_pair('unix') for _ in range(50)]
        tasks = [loop.create_task(loop.sock_recv(left, 10)) for left, _ in pairs]
        await iterations()
        for number, (_, right) in enumerate(pairs):
            right.send(b'%d' % number)
        assert await asyncio.gather(*tasks) == [b'%d' % number for number in range(50)]
        for one in pairs:
            for sock in one:
                sock.close()
