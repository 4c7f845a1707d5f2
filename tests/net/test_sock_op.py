"""sock_recv() and its like as coroutines: who waits for the fd, and what ends that."""

from __future__ import annotations

import array
import asyncio
import gc
import socket
import types
import warnings

import pytest

pytestmark = pytest.mark.pollers


def watched(loop):
    return {fd: key.events for fd, key in loop._selector.get_map().items() if fd != wake_fd(loop)}


def wake_fd(loop):
    return loop._ssock.fileno() if loop._ssock is not None else -1


def begin(coroutine):
    """Step a coroutine by hand up to its first wait; the future that it waits for."""
    future = coroutine.send(None)
    assert isinstance(future, asyncio.Future)
    assert future._asyncio_future_blocking
    future._asyncio_future_blocking = False
    return future


async def started(loop, coroutine):
    task = loop.create_task(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


# ------------------------------------------------------------------ waiting and its end


async def test_what_is_ready_is_done_at_once(loop, pair):
    one, other = pair
    other.send(b'abc')
    receive = loop.sock_recv(one, 10)
    with pytest.raises(StopIteration) as done:
        receive.send(None)
    assert done.value.value == b'abc'
    send = loop.sock_sendall(one, b'de')
    with pytest.raises(StopIteration) as done:
        send.send(None)
    assert done.value.value is None
    assert other.recv(10) == b'de'
    assert watched(loop) == {}


async def test_a_result_ends_the_watching(loop, pair):
    one, other = pair
    task = await started(loop, loop.sock_recv(one, 10))
    assert list(watched(loop)) == [one.fileno()]
    other.send(b'x')
    assert await task == b'x'
    await asyncio.sleep(0)
    assert watched(loop) == {}


async def test_what_follows_on_the_same_fd(loop, pair):
    # epoll may know the fd still, asleep: whoever comes next must be told of it.
    one, other = pair

    async def receive():
        task = await started(loop, loop.sock_recv(one, 10))
        other.send(b'x')
        assert await task == b'x'

    for _ in range(3):
        await receive()
    called = loop.create_future()
    loop.add_reader(one, lambda: called.done() or called.set_result(one.recv(1)))
    other.send(b'y')
    assert await called == b'y'
    loop.remove_reader(one)
    await receive()
    send = await started(loop, loop.sock_sendall(one, bytes(1 << 21)))
    await receive()
    task = await started(loop, loop.sock_recv(one, 10))
    send.cancel()
    await asyncio.wait([send])
    loop.add_writer(one, print)
    other.send(b'z')
    assert await task == b'z'
    await receive()
    other.send(b'not asked for')
    await asyncio.sleep(0.001)
    assert await loop.sock_recv(one, 100) == b'not asked for'
    assert loop.remove_writer(one)
    assert watched(loop) == {}


async def test_a_number_used_again_after_a_wait(loop):
    seen = set()
    for _ in range(4):
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            seen.add(one.fileno())
            task = await started(loop, loop.sock_recv(one, 10))
            other.send(b'x')
            assert await task == b'x'
    assert len(seen) == 1


async def test_cancelling_ends_the_watching(loop, pair):
    one, other = pair
    task = await started(loop, loop.sock_recv(one, 10))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert watched(loop) == {}
    other.send(b'kept')
    assert await loop.sock_recv(one, 10) == b'kept'


async def test_a_timeout_loses_no_data(loop, pair):
    one, other = pair
    for _ in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.sock_recv(one, 10), 0.001)
    other.send(b'kept')
    assert await asyncio.wait_for(loop.sock_recv(one, 10), 10) == b'kept'


@pytest.mark.ours
async def test_close_and_throw_end_the_watching_at_once(loop, pair):
    one, other = pair
    receive = loop.sock_recv(one, 10)
    begin(receive)
    receive.close()
    assert watched(loop) == {}
    receive = loop.sock_recv(one, 10)
    begin(receive)
    with pytest.raises(ZeroDivisionError):
        receive.throw(ZeroDivisionError)
    assert watched(loop) == {}
    other.send(b'kept')
    assert one.recv(10) == b'kept'


async def test_ending_one_leaves_the_next_waiter_alone(loop, pair):
    one, other = pair
    first = await started(loop, loop.sock_recv(one, 10))
    second = await started(loop, loop.sock_recv(one, 10))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(0)
    other.send(b'x')
    assert await second == b'x'


async def test_a_reader_of_the_user_is_left_alone(loop, pair):
    one, other = pair
    task = await started(loop, loop.sock_recv(one, 10))
    called = loop.create_future()
    loop.add_reader(one, called.set_result, None)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    other.send(b'x')
    await called
    assert loop.remove_reader(one)


async def test_reading_and_writing_wait_side_by_side(loop, pair):
    one, other = pair
    data = bytes(1 << 21)
    receive = await started(loop, loop.sock_recv(one, 10))
    send = await started(loop, loop.sock_sendall(one, data))
    other.send(b'x')
    assert await receive == b'x'
    received = 0
    while received < len(data):
        received += len(await loop.sock_recv(other, 1 << 17))
    assert await send is None


async def test_a_future_of_another_make_is_told(loop, pair):
    one, other = pair
    loop.create_future = lambda: asyncio.Future(loop=loop)
    try:
        task = await started(loop, loop.sock_recv(one, 10))
        other.send(b'x')
        assert await task == b'x'
        task = await started(loop, loop.sock_recv(one, 10))
        other.close()
        assert await task == b''
    finally:
        del loop.create_future


@pytest.mark.ours
async def test_a_number_used_again_is_watched_anew(loop):
    # The kernel forgets a closed fd; another socket gets its number while the first one "waits".
    one, other = socket.socketpair()
    one.setblocking(False)
    stale = await started(loop, loop.sock_recv(one, 10))
    number = one.fileno()
    one.close()
    other.close()
    new, peer = socket.socketpair()
    if new.fileno() != number:
        new, peer = peer, new
    with new, peer:
        assert new.fileno() == number
        new.setblocking(False)
        task = await started(loop, loop.sock_recv(new, 10))
        peer.send(b'x')
        assert await task == b'x'
    stale.cancel()
    await asyncio.wait([stale])


async def test_a_detached_socket_is_not_read(loop, pair):
    one, other = pair
    task = await started(loop, loop.sock_recv(one, 10))
    with socket.socket(fileno=one.detach()) as owner:
        other.send(b'x')
        with pytest.raises(OSError, match='Bad file descriptor'):
            await task
        assert owner.recv(10) == b'x'


# ------------------------------------------------------------------ the coroutine itself


async def test_it_is_a_coroutine(loop, pair):
    one, other = pair
    other.send(b'abcd')
    receive = loop.sock_recv(one, 1)
    assert asyncio.iscoroutine(receive)
    assert await receive == b'a'
    with pytest.raises(RuntimeError, match='cannot reuse already awaited coroutine'):
        await receive
    assert await asyncio.shield(loop.sock_recv(one, 1)) == b'b'
    assert await asyncio.gather(loop.sock_recv(one, 1), loop.sock_recv(one, 1)) == [b'c', b'd']


async def test_it_is_awaited_once_at_a_time(loop, pair):
    one, other = pair
    receive = loop.sock_recv(one, 10)

    async def wait():
        return await receive

    task = await started(loop, wait())
    with pytest.raises(RuntimeError, match='coroutine is being awaited already'):
        await receive
    other.send(b'x')
    assert await task == b'x'


async def test_never_awaited(loop, pair):
    with pytest.warns(RuntimeWarning, match="'BaseSelectorEventLoop.sock_recv' was never awaited"):
        loop.sock_recv(pair[0], 10)
        gc.collect()
    task = loop.create_task(loop.sock_recv(pair[0], 10))
    task.cancel()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        await asyncio.wait([task])
    assert task.cancelled()
    assert watched(loop) == {}


def test_a_loop_closed_under_a_waiter(impl, pair):
    loop = impl.new_event_loop()
    receive = loop.sock_recv(pair[0], 10)
    begin(receive)
    loop.close()
    receive.close()
    receive = loop.sock_recv(pair[0], 10)
    with pytest.raises(RuntimeError, match='Event loop is closed'):
        receive.send(None)
    pair[1].send(b'x')
    with pytest.raises(StopIteration):
        loop.sock_recv(pair[0], 10).send(None)


# ------------------------------------------------------------------ other sockets, other methods


class CountingSocket(socket.socket):
    calls = 0

    def recv(self, *args):
        self.calls += 1
        return super().recv(*args)


async def test_a_subclass_of_socket_has_its_methods_called(loop, pair):
    one, other = pair
    with CountingSocket(fileno=one.detach()) as counting:
        counting.setblocking(False)
        task = await started(loop, loop.sock_recv(counting, 10))
        other.send(b'x')
        assert await task == b'x'
        assert counting.calls == 2


async def test_a_socket_like_object(loop):
    like = types.SimpleNamespace(recv=lambda size: b'x' * size, gettimeout=lambda: 0)
    assert await loop.sock_recv(like, 3) == b'xxx'


async def test_a_socket_with_a_timeout_keeps_it(loop, pair):
    pair[0].settimeout(0.001)
    with pytest.raises(TimeoutError):
        await loop.sock_recv(pair[0], 10)


async def test_debug_mode_refuses_a_blocking_socket(loop, pair):
    loop.set_debug(True)
    pair[0].setblocking(True)
    address = ('127.0.0.1', 1)
    for coroutine in (
        loop.sock_recv(pair[0], 1),
        loop.sock_recv_into(pair[0], bytearray(1)),
        loop.sock_recvfrom(pair[0], 1),
        loop.sock_recvfrom_into(pair[0], bytearray(1)),
        loop.sock_sendall(pair[0], b'x'),
        loop.sock_sendto(pair[0], b'x', address),
        loop.sock_connect(pair[0], address),
        loop.sock_accept(pair[0]),
    ):
        with pytest.raises(ValueError, match='the socket must be non-blocking'):
            await coroutine


def test_an_overriding_method_wins(impl, pair):
    class Loop(impl.EventLoop):
        async def sock_recv(self, sock, n):
            return b'mine ' + await super().sock_recv(sock, n)

    pair[1].send(b'x')
    loop = Loop()
    try:
        assert loop.run_until_complete(loop.sock_recv(pair[0], 1)) == b'mine x'
    finally:
        loop.close()


async def test_a_transport_owns_its_socket(loop, pair):
    one, _ = pair
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=one)
    with socket.socket(fileno=one.fileno()) as twin:
        twin.setblocking(False)
        with pytest.raises(RuntimeError, match='is used by transport'):
            await loop.sock_recv(twin, 1)
        twin.detach()
    transport.close()
    await asyncio.sleep(0)


# ------------------------------------------------------------------ buffers, sizes, addresses


async def test_a_buffer_being_sent_cannot_be_resized(loop, pair):
    data = bytearray(1 << 22)
    task = await started(loop, loop.sock_sendall(pair[0], data))
    with pytest.raises(BufferError):
        data.clear()
    task.cancel()
    await asyncio.wait([task])
    gc.collect()


@pytest.mark.ours
async def test_items_larger_than_bytes(loop, pair):
    items = array.array('I', range(4))
    await loop.sock_sendall(pair[0], items)
    assert pair[1].recv(100) == items.tobytes()


async def test_a_buffer_waiting_to_be_filled_can_be_resized(loop, pair):
    buffer = bytearray(2)
    task = await started(loop, loop.sock_recv_into(pair[0], buffer))
    buffer.extend(bytes(2))
    pair[1].send(b'abcdef')
    assert await task == 4
    assert buffer == b'abcd'


@pytest.mark.parametrize('size', [0, 1, 1000, 40_000, 65_536, 262_144, 262_145, 1 << 20])
async def test_sizes(loop, pair, size):
    one, other = pair
    data = bytes(range(256)) * (1 << 11)
    task = loop.create_task(loop.sock_sendall(other, data))
    received = [await loop.sock_recv(one, size) for _ in range(3)]
    while size and sum(map(len, received)) < len(data):
        received.append(await loop.sock_recv(one, 100_000))
    assert all(len(part) <= size for part in received[:3])
    if size:
        assert b''.join(received) == data
        await task
    else:
        task.cancel()
        await asyncio.wait([task])


def sender_of_stream(family):
    """The address that recvfrom() gives of a connection."""
    if family != socket.AF_UNIX:
        return None
    one, other = socket.socketpair()
    with one, other:
        other.send(b'x')
        return one.recvfrom(1)[1]


@pytest.mark.parametrize('family', [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@pytest.mark.parametrize('abstract', [False, True])
async def test_addresses(loop, family, abstract, tmp_path):
    hosts = {socket.AF_INET: ('127.0.0.1', 0), socket.AF_INET6: ('::1', 0)}
    path = '\0pyasync-test-' + tmp_path.name if abstract else str(tmp_path / 'ä')
    with socket.socket(family) as listener, socket.socket(family) as client:
        listener.bind(hosts.get(family, path))
        listener.listen()
        listener.setblocking(False)
        client.setblocking(False)
        accept = await started(loop, loop.sock_accept(listener))
        assert await loop.sock_connect(client, listener.getsockname()) is None
        conn, address = await accept
        with conn:
            assert type(conn) is socket.socket
            assert conn.gettimeout() == 0.0
            assert not conn.get_inheritable()
            assert (conn.family, conn.type, conn.proto) == (family, listener.type, listener.proto)
            assert address == client.getsockname()
            await loop.sock_sendall(client, b'x')
            assert await loop.sock_recvfrom(conn, 10) == (b'x', sender_of_stream(family))
    with (
        socket.socket(family, socket.SOCK_DGRAM) as one,
        socket.socket(family, socket.SOCK_DGRAM) as other,
    ):
        paths = [str(tmp_path / 'one'), str(tmp_path / 'other')]
        for sock, path in zip((one, other), paths, strict=True):
            sock.bind(hosts.get(family, path))
            sock.setblocking(False)
        buffer = bytearray(10)
        assert await loop.sock_sendto(one, b'abc', other.getsockname()) == 3
        assert await loop.sock_recvfrom(other, 10) == (b'abc', one.getsockname())
        task = await started(loop, loop.sock_recvfrom_into(one, buffer, 2))
        assert await loop.sock_sendto(other, b'def', one.getsockname()) == 3
        assert await task == (2, other.getsockname())
        assert buffer[:3] == b'de\0'


async def test_a_refused_connection_names_the_address(loop):
    for family, host, rest in ((socket.AF_INET, '127.0.0.1', ()), (socket.AF_INET6, '::1', (0, 0))):
        with socket.socket(family) as taken, socket.socket(family) as client:
            taken.bind((host, 0))
            port = taken.getsockname()[1]
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError) as error:
                await loop.sock_connect(client, (host, port))
            assert error.value.strerror == f'Connect call failed {(host, port, *rest)}'


async def test_a_path_that_is_not_there(loop, tmp_path):
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        with pytest.raises(FileNotFoundError):
            await loop.sock_connect(client, str(tmp_path / 'nobody'))
        with pytest.raises(OSError, match='AF_UNIX path too long'):
            await loop.sock_connect(client, 'x' * 200)


@pytest.mark.parametrize('closed_first', [False, True])
async def test_a_closed_socket(loop, closed_first):
    sock = socket.socket()
    sock.setblocking(False)
    calls = (
        lambda: loop.sock_recv(sock, 1),
        lambda: loop.sock_sendall(sock, b'x'),
        lambda: loop.sock_accept(sock),
        lambda: loop.sock_connect(sock, ('127.0.0.1', 1)),
        lambda: loop.sock_recvfrom(sock, 1),
        lambda: loop.sock_sendto(sock, b'x', ('127.0.0.1', 1)),
    )
    if closed_first:
        sock.close()
    coroutines = [call() for call in calls]
    sock.close()
    for coroutine in coroutines:
        with pytest.raises(OSError, match='Bad file descriptor'):
            await coroutine
