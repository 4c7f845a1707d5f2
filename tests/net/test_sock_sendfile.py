"""What the kernel's sendfile meets on its way: changing files, errors, cancellation, a busy fd."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import socket
from unittest import mock

import pytest
from net.support import (
    Recorder,
    connected,
    fill,
    iterations,
    receive,
    reset,
    small_buffers,
    stream_pair,
)

pytestmark = pytest.mark.pollers

SIZE = 2_000_000
DATA = os.urandom(1000) * (SIZE // 1000)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(DATA)
    return path


@pytest.fixture
def file(path):
    with open(path, 'rb') as file:
        yield file


async def begun(loop, sock, file, *args):
    """A task that has sent something and waits for the rest."""
    task = loop.create_task(loop.sock_sendfile(sock, file, *args))
    await iterations(5)
    assert not task.done()
    return task


async def native(loop, *args):
    return await loop._sock_sendfile_native(*args)


async def drain_until(sock, condition):
    """Take what comes until the condition holds."""
    received = b''
    while not condition():
        with contextlib.suppress(BlockingIOError):
            received += sock.recv(SIZE)
        await asyncio.sleep(0)
    return received


def chain(error):
    """The types of an exception and of its contexts."""
    types = []
    while error is not None:
        types.append(type(error))
        error = error.__context__
    return types


class TestChangingFiles:
    async def test_grows_while_it_is_sent(self, loop, pair, path, file):
        task = await begun(loop, pair[0], file)
        with open(path, 'ab') as more:
            more.write(b'more')
        assert await receive(pair[1], SIZE + 4) == DATA + b'more'
        assert await task == file.tell() == SIZE + 4

    async def test_a_count_stops_there_all_the_same(self, loop, pair, path, file):
        task = await begun(loop, pair[0], file, 0, SIZE)
        with open(path, 'ab') as more:
            more.write(b'more')
        assert await receive(pair[1], SIZE) == DATA
        assert await task == file.tell() == SIZE

    @pytest.mark.parametrize('count', [None, SIZE])
    async def test_shrinks_while_it_is_sent(self, loop, pair, path, file, count):
        task = await begun(loop, pair[0], file, 0, count)
        os.truncate(path, 0)
        received = await drain_until(pair[1], task.done)
        assert DATA.startswith(received)
        assert await task == file.tell() >= len(received)

    async def test_the_position_at_the_beginning_does_not_matter(self, loop, pair, file):
        file.seek(17)
        assert await loop.sock_sendfile(pair[0], file, 5, 10) == 10
        assert pair[1].recv(100) == DATA[5:15]
        assert file.tell() == 15

    async def test_one_after_the_other(self, loop, pair, file):
        for start in range(0, 500, 100):
            assert await loop.sock_sendfile(pair[0], file, start, 100) == 100
        assert pair[1].recv(1000) == DATA[:500]


class TestErrors:
    async def test_peer_resets_in_the_middle(self, loop, file):
        left, right = stream_pair()
        small_buffers(left, right)
        with left:
            task = await begun(loop, left, file, 100)
            reset(right)
            with pytest.raises(ConnectionError) as caught:
                await task
            assert chain(caught.value) == [type(caught.value)]
            assert 100 < file.tell() < SIZE
            assert not loop.remove_writer(left)

    async def test_peer_closes_in_the_middle(self, loop, pair, file):
        task = await begun(loop, pair[0], file)
        pair[1].close()
        with pytest.raises(BrokenPipeError):
            await task
        assert 0 < file.tell() < SIZE

    @pytest.mark.parametrize('fallback', [False, True])
    async def test_not_connected(self, loop, file, fallback):
        with socket.socket() as sock:
            sock.setblocking(False)
            error = OSError if fallback else asyncio.SendfileNotAvailableError
            with pytest.raises(error) as caught:
                await loop.sock_sendfile(sock, file, fallback=fallback)
            if fallback:
                assert caught.value.errno in (errno.EPIPE, errno.ENOTCONN)
            else:
                assert str(caught.value) == 'os.sendfile call failed'
                assert chain(caught.value) == [asyncio.SendfileNotAvailableError]

    async def test_closed_socket(self, loop, pair, file):
        pair[0].close()
        with pytest.raises(asyncio.SendfileNotAvailableError, match='sendfile call failed'):
            await loop.sock_sendfile(pair[0], file, fallback=False)

    async def test_socket_closed_in_the_middle(self, loop, pair, file):
        task = await begun(loop, pair[0], file)
        loop.remove_writer(pair[0])
        pair[0].close()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_file_closed_in_the_middle(self, loop, pair, file):
        task = await begun(loop, pair[0], file)
        errors = []
        loop.set_exception_handler(lambda loop, context: errors.append(context['exception']))
        spare = os.dup(file.fileno())
        try:
            os.close(file.fileno())
            await drain_until(pair[1], lambda: errors or task.done())
        finally:
            os.dup2(spare, file.fileno())
            os.close(spare)
            loop.set_exception_handler(None)
        if task.done():
            errors.append(task.exception())
        else:  # asyncio: the position can't be set, and nobody tells the future
            task.cancel()
        assert [error.errno for error in errors] == [errno.EBADF]
        assert chain(errors[0]) == [OSError, OSError]

    async def test_closed_file(self, loop, pair, file):
        file.close()
        with pytest.raises(ValueError, match='closed file'):
            await loop.sock_sendfile(pair[0], file)

    @pytest.mark.parametrize(
        ('file', 'types'),
        [
            (object(), [AttributeError]),
            (io.BytesIO(), [io.UnsupportedOperation]),
            (mock.Mock(**{'fileno.return_value': -1}), [OSError]),
        ],
        ids=['no fileno', 'memory', 'no fd'],
    )
    async def test_not_a_regular_file(self, loop, pair, file, types):
        with pytest.raises(asyncio.SendfileNotAvailableError, match='not a regular file') as caught:
            await native(loop, pair[0], file, 0, None)
        assert chain(caught.value) == [asyncio.SendfileNotAvailableError, *types]

    @pytest.mark.parametrize('number', ['1', None, 1.5, 1 << 40, -(1 << 40)], ids=repr)
    async def test_a_wrong_fileno(self, loop, pair, number):
        file = mock.Mock(**{'fileno.return_value': number})
        error = OverflowError if type(number) is int else TypeError
        with pytest.raises(error):
            await native(loop, pair[0], file, 0, None)

    async def test_fileno_raises(self, loop, pair):
        with pytest.raises(ZeroDivisionError):
            await native(
                loop, pair[0], mock.Mock(**{'fileno.side_effect': ZeroDivisionError}), 0, None
            )

    async def test_a_pipe_is_no_file(self, loop, pair):
        read_fd, write_fd = os.pipe()
        os.write(write_fd, b'data')
        os.close(write_fd)
        with open(read_fd, 'rb') as file:
            assert await native(loop, pair[0], file, 0, None) == 0
            with pytest.raises((OSError, asyncio.SendfileNotAvailableError)) as caught:
                await loop.sock_sendfile(pair[0], file, 0, 4, fallback=False)
            assert chain(caught.value) in (
                [asyncio.SendfileNotAvailableError],
                [OSError, OSError],  # asyncio sets the position at any rate, from 3.14 on
            )

    @pytest.mark.parametrize('offset', [1 << 62, (1 << 63) - 1, 1 << 63, 1 << 80])
    async def test_far_offsets(self, loop, pair, file, offset):
        try:
            assert await loop.sock_sendfile(pair[0], file, offset, fallback=False) == 0
        except (OverflowError, OSError, asyncio.SendfileNotAvailableError) as error:
            assert offset > SIZE, error
        with pytest.raises(BlockingIOError):
            pair[1].recv(1)

    @pytest.mark.parametrize('count', [SIZE, 1 << 62, (1 << 63) - 1])
    async def test_large_counts(self, loop, pair, file, count):
        task = await begun(loop, pair[0], file, 1, count)
        assert await receive(pair[1], SIZE - 1) == DATA[1:]
        assert await task == SIZE - 1

    async def test_bools_are_numbers(self, loop, pair, file):
        assert await loop.sock_sendfile(pair[0], file, True, True) == 1
        assert pair[1].recv(10) == DATA[1:2]


class TestWaiting:
    async def test_full_from_the_beginning(self, loop, pair, file):
        filled = fill(pair[0])
        task = loop.create_task(loop.sock_sendfile(pair[0], file, 10, 1000))
        await iterations(5)
        assert not task.done()
        assert file.tell() == 0
        assert (await receive(pair[1], filled + 1000))[filled:] == DATA[10:1010]
        assert await task == 1000

    async def test_cancelled_in_the_middle(self, loop, pair, file):
        task = await begun(loop, pair[0], file)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert file.tell() == 0
        assert not loop.remove_writer(pair[0])
        received = pair[1].recv(SIZE)
        await iterations(5)
        with pytest.raises(BlockingIOError):
            while True:
                received += pair[1].recv(SIZE)
        assert DATA.startswith(received)

    async def test_cancelled_before_it_began(self, loop, pair, file):
        task = loop.create_task(loop.sock_sendfile(pair[0], file))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(BlockingIOError):
            pair[1].recv(1)

    async def test_not_awaited(self, loop, pair, file):
        with pytest.warns(RuntimeWarning, match="sock_sendfile_native' was never awaited"):
            loop._sock_sendfile_native(pair[0], file, 0, None)
        with pytest.raises(BlockingIOError):
            pair[1].recv(1)

    @pytest.mark.parametrize('count', [10, SIZE])
    async def test_fd_of_a_transport(self, loop, file, count):
        async with connected(Recorder(), 'unix') as (transport, _):
            with pytest.raises(RuntimeError, match='is used by transport'):
                await loop.sock_sendfile(transport._sock, file, 0, count)


class TestReplaced:
    async def test_os_sendfile(self, loop, pair, file):
        with mock.patch('os.sendfile', side_effect=[5, 3, 0]) as sendfile:
            assert await loop.sock_sendfile(pair[0], file) == 8
        assert [call.args[2] for call in sendfile.call_args_list] == [0, 5, 8]

    async def test_no_os_sendfile(self, loop, pair, file):
        with mock.patch('asyncio.unix_events.os', spec=[]):
            with pytest.raises(
                asyncio.SendfileNotAvailableError, match=r'os.sendfile\(\) is not available'
            ):
                await loop.sock_sendfile(pair[0], file, fallback=False)

    async def test_the_method_on_the_loop(self, loop, pair, file):
        async def refuse(*args):
            raise asyncio.SendfileNotAvailableError('refused')

        with mock.patch.object(loop, '_sock_sendfile_native', refuse):
            with pytest.raises(asyncio.SendfileNotAvailableError, match='refused'):
                await loop.sock_sendfile(pair[0], file, fallback=False)
            assert await loop.sock_sendfile(pair[0], file, 0, 10) == 10
        assert pair[1].recv(100) == DATA[:10]

    async def test_debug_mode(self, loop, pair, file):
        loop.set_debug(True)
        task = await begun(loop, pair[0], file)
        assert await receive(pair[1], SIZE) == DATA
        assert await task == file.tell() == SIZE
        loop.set_debug(False)
