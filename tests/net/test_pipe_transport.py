"""Pipe transports: what they accept, reading, writing, both ends going away."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pty
import re
import socket
import sys
import tty
import weakref

import pytest
import support
from net.support import Recorder, Watched, iterations

pytestmark = pytest.mark.pollers


class Writing(Watched, asyncio.BaseProtocol):
    """What a write pipe says: it has no data to receive."""


def pipe_ends(kind):
    """A reading and a writing file of that kind, neither buffered."""
    if kind == 'pipe':
        reader, writer = os.pipe()
    elif kind == 'pty':
        reader, writer = pty.openpty()
        tty.setraw(writer)
    else:
        reader, writer = socket.socketpair()
        if kind == 'socket':
            return reader, writer
        reader, writer = reader.detach(), writer.detach()
    return open(reader, 'rb', 0), open(writer, 'wb', 0)


KINDS = ['pipe', 'socket', 'socket fd', 'pty']
every_kind = pytest.mark.parametrize('kind', KINDS)


def is_gone(transport):
    """Has the transport closed its pipe?"""
    pipe = transport.get_extra_info('pipe')
    return pipe.fileno() < 0 if isinstance(pipe, socket.socket) else pipe.closed


async def gone(transport):
    """Wait until the transport has closed its pipe."""
    while not is_gone(transport):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def reading(kind='pipe', protocol=None):
    """A read transport and its protocol, and the file to write to."""
    loop = asyncio.get_running_loop()
    reader, writer = pipe_ends(kind)
    transport, protocol = await loop.connect_read_pipe(lambda: protocol or Recorder(), reader)
    with writer:
        try:
            yield transport, protocol, writer
        finally:
            transport.close()
            await gone(transport)


@contextlib.asynccontextmanager
async def writing(kind='pipe', protocol=None):
    """A write transport and its protocol, and the file to read from."""
    loop = asyncio.get_running_loop()
    reader, writer = pipe_ends(kind)
    transport, protocol = await loop.connect_write_pipe(lambda: protocol or Writing(), writer)
    with reader:
        try:
            yield transport, protocol, reader
        finally:
            # Stock's abort() fails on a closed pipe.
            if not is_gone(transport):
                transport.abort()
            await gone(transport)


def put(file, data):
    return file.send(data) if isinstance(file, socket.socket) else file.write(data)


def get(file, size):
    """Read so much from a file in blocking mode."""
    os.set_blocking(file.fileno(), True)
    data = b''
    while len(data) < size:
        more = os.read(file.fileno(), size - len(data))
        if not more:
            break
        data += more
    return data


class TestReading:
    @every_kind
    async def test_data(self, loop, kind):
        async with reading(kind) as (_, protocol, writer):
            put(writer, b'hello')
            assert await protocol.received(5) == b'hello'
            put(writer, b' world')
            assert await protocol.received(11) == b'hello world'

    @pytest.mark.parametrize('kind', ['pipe', 'socket'])
    async def test_end_of_file(self, loop, kind):
        async with reading(kind) as (transport, protocol, writer):
            put(writer, b'x')
            writer.close()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'eof', 'lost']
            assert transport.is_closing()

    async def test_hang_up_of_a_terminal(self, loop):
        async with reading('pty') as (_, protocol, writer):
            writer.close()
            error = await protocol.lost()
            # EIO is how Linux says it.
            assert isinstance(error, OSError)
            loop.reports.clear()
            error.__traceback__ = None
            protocol.error = None

    async def test_pause_and_resume(self, loop):
        async with reading() as (transport, protocol, writer):
            assert transport.is_reading() is True
            transport.pause_reading()
            transport.pause_reading()
            assert transport.is_reading() is False
            put(writer, b'x')
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            transport.resume_reading()
            assert await protocol.received(1) == b'x'
            transport.close()
            transport.pause_reading()
            transport.resume_reading()
            assert transport.is_reading() is False

    async def test_close_from_within_data_received(self, loop):
        class Closing(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.close()

        async with reading(protocol=Closing()) as (_, protocol, writer):
            put(writer, b'x')
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'lost']

    async def test_megabytes(self, loop):
        payload = os.urandom(1 << 16) * 32
        async with reading() as (_, protocol, writer):

            def write():
                view = memoryview(payload)
                while view:
                    view = view[writer.write(view) :]

            sending = loop.run_in_executor(None, write)
            assert await protocol.received(len(payload)) == payload
            await sending

    @pytest.mark.parametrize('size', [2, 1 << 32])
    async def test_max_size(self, loop, size):
        async with reading() as (transport, protocol, writer):
            transport.max_size = size
            put(writer, b'abc')
            assert await protocol.received(3) == b'abc'
            assert protocol.count('data') == (2 if size == 2 else 1)
            assert transport.max_size == size

    async def test_another_protocol(self, loop):
        async with reading() as (transport, first, writer):
            second = Recorder()
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            put(writer, b'x')
            await second.received(1)
            assert first.calls == ['made']


class TestWriting:
    @every_kind
    @pytest.mark.parametrize('data', [b'data', bytearray(b'data'), memoryview(b'data')])
    async def test_data(self, loop, kind, data):
        async with writing(kind) as (transport, _, reader):
            assert transport.write(data) is None
            assert get(reader, 4) == b'data'

    async def test_nothing(self, loop):
        async with writing() as (transport, _, reader):
            transport.write(b'')
            transport.write(b'x')
            assert get(reader, 1) == b'x'

    async def test_wrong_types(self, loop):
        async with writing() as (transport, _, _reader):
            with pytest.raises((TypeError, AssertionError)):
                transport.write('str')

    @pytest.mark.parametrize('how', ['close', 'write_eof'])
    async def test_megabytes_flushed(self, loop, how):
        payload = os.urandom(1 << 16) * 32
        async with writing() as (transport, protocol, reader):
            transport.write(payload[:1000])
            transport.write(payload[1000:])
            assert protocol.calls == ['made', 'pause']
            assert transport.get_write_buffer_size() > 64 * 1024
            getattr(transport, how)()
            assert transport.is_closing()
            received = await loop.run_in_executor(None, get, reader, len(payload) + 1)
            assert received == payload
            assert await protocol.lost() is None
            assert protocol.calls[-1] == 'lost'

    async def test_flow_control(self, loop):
        async with writing() as (transport, protocol, reader):
            transport.set_write_buffer_limits(high=1000)
            transport.write(b'x' * 500_000)
            assert protocol.calls == ['made', 'pause']
            reading = loop.run_in_executor(None, get, reader, 500_000)
            await protocol.has('resume')
            assert await reading == b'x' * 500_000

    async def test_abort(self, loop):
        async with writing() as (transport, protocol, reader):
            transport.write(b'x' * 500_000)
            transport.abort()
            assert await protocol.lost() is None
            assert len(get(reader, 500_000)) < 500_000

    async def test_can_write_eof(self, loop):
        async with writing() as (transport, protocol, reader):
            assert transport.can_write_eof() is True
            transport.write_eof()
            await protocol.lost()
            assert get(reader, 1) == b''

    @pytest.mark.parametrize('kind', ['pipe', 'socket'])
    async def test_reader_gone(self, loop, kind):
        """Noticed without a write."""
        async with writing(kind) as (transport, protocol, reader):
            reader.close()
            error = await protocol.lost()
            assert error is None or isinstance(error, BrokenPipeError)
            assert transport.is_closing()
            protocol.error = None

    async def test_reader_gone_while_writing(self, loop):
        async with writing() as (transport, protocol, reader):
            transport.write(b'x' * 500_000)
            reader.close()
            assert isinstance(await protocol.lost(), BrokenPipeError)
            protocol.error = None

    async def test_writes_too_late(self, loop, caplog):
        async with writing() as (transport, protocol, _):
            transport.close()
            for _ in range(10):
                transport.write(b'x')
            assert set(caplog.messages) == {
                'pipe closed by peer or os.write(pipe, data) raised exception.'
            }
            await protocol.lost()


class TestAccepted:
    async def test_regular_files(self, loop, tmp_path):
        for connect, name in (
            (loop.connect_read_pipe, 'Pipe transport is for pipes/sockets only.'),
            (
                loop.connect_write_pipe,
                'Pipe transport is only for pipes, sockets and character devices',
            ),
        ):
            with open(tmp_path / 'file', 'w+b', 0) as file:
                with pytest.raises(ValueError) as caught:
                    await connect(Recorder, file)
                assert str(caught.value) == name
                # The file stays the caller's.
                assert not file.closed
                assert file.write(b'x') == 1

    async def test_directories(self, loop, tmp_path):
        fd = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(ValueError):
            await loop.connect_read_pipe(Recorder, Directory(fd))
        os.close(fd)

    async def test_null_device(self, loop):
        with open('/dev/null', 'wb', 0) as file:
            with contextlib.suppress(PermissionError):
                # epoll refuses /dev/null; poll() does not.
                transport, _ = await loop.connect_write_pipe(Writing, file)
                transport.write(b'x')
                transport.close()
                await gone(transport)

    async def test_made_nonblocking(self, loop):
        async with reading() as (transport, _, _writer):
            fd = transport.get_extra_info('pipe').fileno()
            assert os.get_blocking(fd) is False

    async def test_unix_socket_file_objects(self, loop):
        left, right = socket.socketpair()
        with right:
            file = left.makefile('rb', 0)
            left.close()
            transport, protocol = await loop.connect_read_pipe(Recorder, file)
            right.send(b'x')
            await protocol.received(1)
            transport.close()
            await protocol.lost()


class Directory:
    """A file object that is not one."""

    def __init__(self, fd):
        self.fd = fd

    def fileno(self):
        return self.fd

    def close(self):
        pass


class TestType:
    async def test_isinstance(self, loop):
        async with reading() as (transport, _, _writer):
            assert isinstance(transport, asyncio.ReadTransport)
            assert not isinstance(transport, asyncio.WriteTransport)
        async with writing() as (transport, _, _reader):
            assert isinstance(transport, asyncio.WriteTransport)

    async def test_extra_info(self, loop):
        reader, writer = pipe_ends('pipe')
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        assert transport.get_extra_info('pipe') is reader
        assert transport.get_extra_info('socket', 'default') == 'default'
        transport.close()
        await protocol.lost()
        assert transport.get_extra_info('pipe') is reader
        assert reader.closed
        writer.close()

    async def test_repr(self, loop):
        async with reading() as (transport, protocol, _):
            name = re.escape(type(transport).__name__)
            fd = transport.get_extra_info('pipe').fileno()
            await iterations()
            assert re.fullmatch(f'<{name} fd={fd} polling>', repr(transport))
            transport.pause_reading()
            assert re.fullmatch(f'<{name} fd={fd} (idle|paused)>', repr(transport))
            transport.close()
            assert re.fullmatch(f'<{name} closing fd={fd} (idle|closed)>', repr(transport))
            await protocol.lost()
            await iterations()
            assert re.match(f'<{name} closed', repr(transport))
        async with writing() as (transport, _, _reader):
            name = re.escape(type(transport).__name__)
            fd = transport.get_extra_info('pipe').fileno()
            await iterations()
            assert re.fullmatch(f'<{name} fd={fd} idle bufsize=0>', repr(transport))
            transport.write(b'x' * 500_000)
            size = transport.get_write_buffer_size()
            assert re.fullmatch(f'<{name} fd={fd} polling bufsize={size}>', repr(transport))

    async def test_attributes(self, loop):
        async with reading() as (transport, protocol, _):
            assert transport._loop is loop
            assert transport._protocol is protocol
            assert transport._fileno == transport._pipe.fileno()
            transport.foo = 1
            assert transport.foo == 1

    @pytest.mark.parametrize('which', ['read', 'write'])
    def test_unclosed(self, loop, which):
        reader, writer = pipe_ends('pipe')
        if which == 'read':
            transport, _ = loop.run_until_complete(loop.connect_read_pipe(Recorder, reader))
        else:
            transport, _ = loop.run_until_complete(loop.connect_write_pipe(Writing, writer))
        support.run_once(loop)
        loop.close()
        with pytest.warns(ResourceWarning, match='unclosed transport'):
            transport = None
            _ = None
            gc.collect()
        assert (reader if which == 'read' else writer).closed
        reader.close()
        writer.close()
        assert transport is None


class Ending(Writing):
    """Writes more, or ends the transport, when it may write again."""

    def __init__(self, *steps):
        super().__init__()
        self.steps = steps

    def resume_writing(self):
        super().resume_writing()
        steps, self.steps = self.steps, ()
        for step in steps:
            step(self.transport)


class TestErrors:
    async def test_data_received_raises(self, loop):
        """The connection stays: the error goes to the exception handler."""

        class Failing(Recorder):
            def data_received(self, data):
                super().data_received(data)
                if len(self.data) == 1:
                    raise RuntimeError('failed')

        async with reading(protocol=Failing()) as (transport, protocol, writer):
            put(writer, b'x')
            await protocol.received(1)
            await iterations(2)
            (report,) = loop.reports
            assert str(report['exception']) == 'failed'
            loop.reports.clear()
            put(writer, b'y')
            assert await protocol.received(2) == b'xy'
            assert not transport.is_closing()

    async def test_connection_lost_raises(self, loop):
        class Failing(Writing):
            def connection_lost(self, exc):
                super().connection_lost(exc)
                raise RuntimeError('failed')

        reader, writer = pipe_ends('pipe')
        transport, protocol = await loop.connect_write_pipe(Failing, writer)
        transport.close()
        await protocol.lost()
        await gone(transport)
        reader.close()
        (report,) = loop.reports
        assert str(report['exception']) == 'failed'
        loop.reports.clear()

    async def test_a_strided_view(self, loop):
        async with writing() as (transport, protocol, _):
            transport.write(memoryview(b'abcdef')[::2])
            assert isinstance(await protocol.lost(), BufferError)
            (report,) = loop.reports
            assert report['message'] == 'Fatal write error on pipe transport'
            loop.reports.clear()
            protocol.error = None


def fill(transport):
    """Write until the kernel takes no more, and the protocol is paused."""
    transport.set_write_buffer_limits(high=0)
    transport.write(b'x' * 200_000)
    assert transport.get_write_buffer_size() > 0


class TestQueue:
    async def test_order(self, loop):
        """What is queued follows what was written, views that change afterwards too."""
        async with writing() as (transport, _, reader):
            fill(transport)
            changing = bytearray(b'abc')
            transport.write(changing)
            transport.write(memoryview(changing))
            transport.writelines([b'd', b'', b'ef'])
            changing[:] = b'zzz'
            transport.close()
            data = await loop.run_in_executor(None, get, reader, 1_000_000)
        assert data == b'x' * 200_000 + b'abcabcdef'

    async def test_buffer(self, loop):
        async with writing() as (transport, _, _):
            fill(transport)
            size = transport.get_write_buffer_size()
            transport.write(b'abc')
            assert type(transport._buffer) is bytearray
            assert transport._buffer == b'x' * size + b'abc'
            assert transport._protocol_paused
            assert f'polling bufsize={size + 3}>' in repr(transport)

    async def test_written_in_resume_writing(self, loop):
        protocol = Ending(lambda transport: transport.write(b'more'))
        async with writing(protocol=protocol) as (transport, _, reader):
            fill(transport)
            data = await loop.run_in_executor(None, get, reader, 200_004)
            assert data == b'x' * 200_000 + b'more'
            assert not transport.is_closing()


@pytest.mark.ours
class TestOurs:
    """Where stock fails: it calls connection_lost() twice, or of a transport that is gone, drops
    what resume_writing() writes before it closes, watches a pipe that is closed already, and has
    a __del__ that fails on a transport half made."""

    @pytest.mark.parametrize('second', ['close', 'abort', 'write_eof'])
    async def test_ended_twice(self, loop, second):
        async with writing() as (transport, protocol, _):
            transport.close()
            getattr(transport, second)()
            await protocol.lost()
            await gone(transport)
            transport.abort()
            await iterations(2)
            assert protocol.count('lost') == 1

    async def test_closed_in_resume_writing(self, loop):
        protocol = Ending(lambda transport: transport.close())
        async with writing(protocol=protocol) as (transport, _, reader):
            fill(transport)
            await loop.run_in_executor(None, get, reader, 200_000)
            await protocol.lost()
            await gone(transport)
            assert protocol.count('lost') == 1

    async def test_written_and_closed_in_resume_writing(self, loop):
        protocol = Ending(
            lambda transport: transport.write(b'y' * 200_000),
            lambda transport: transport.close(),
        )
        async with writing(protocol=protocol) as (transport, _, reader):
            fill(transport)
            data = await loop.run_in_executor(None, get, reader, 1_000_000)
            assert data == b'x' * 200_000 + b'y' * 200_000
            await protocol.lost()

    async def test_closed_in_connection_made(self, loop):
        class Closing(Writing):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.close()

        async with writing(protocol=Closing()) as (transport, protocol, _):
            await protocol.lost()
            await gone(transport)
            assert not loop._selector.get_map()

    async def test_inherited_slots(self, loop):
        """What somebody puts there is let go with the transport."""

        class Value:
            pass

        async with writing() as (transport, _, _):
            value = Value()
            for name in ('_high_water', '_low_water', '_protocol_paused'):
                getattr(asyncio.transports._FlowControlMixin, name).__set__(transport, value)
            assert gc.get_referents(transport).count(value) == 3
            seen = weakref.ref(value)
            del value
        loop.call_soon(lambda: None)
        del transport, _
        await iterations(2)
        gc.collect()
        assert seen() is None

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='__buffer__ is new in 3.12')
    async def test_ended_while_the_buffer_is_made(self, loop):
        class Data(bytes):
            def __buffer__(self, flags):
                transport.abort()
                transport._call_connection_lost(None)
                return super().__buffer__(flags)

        async with writing() as (transport, protocol, _):
            transport.write(Data(b'x'))
            assert protocol.count('lost') == 1

    @pytest.mark.parametrize('make', ['connect_read_pipe', 'connect_write_pipe'])
    async def test_ended_while_it_is_made(self, loop, make):
        """By a protocol that finds it, with the garbage collector's help."""

        class Ending(asyncio.Protocol):
            def __getattribute__(self, name):
                if name == 'connection_made':
                    for found in gc.get_objects():
                        if type(found).__name__.endswith('PipeTransport'):
                            found._call_connection_lost(None)
                return super().__getattribute__(name)

        reader, writer = pipe_ends('pipe')
        with reader, writer:
            file = reader if make == 'connect_read_pipe' else writer
            transport, _ = await getattr(loop, make)(Ending, file)
            assert file.closed
            assert transport.is_closing()
            assert not loop._selector.get_map()

    async def test_views_of_items(self, loop):
        async with writing() as (transport, _, reader):
            transport.write(memoryview(bytes(8)).cast('i'))
            assert get(reader, 8) == bytes(8)
            assert transport.get_write_buffer_size() == 0

    async def test_a_pipe_that_somebody_made_blocking(self, loop):
        """Another process that has it may: other threads go on, as the one that reads."""
        async with writing() as (transport, _, reader):
            os.set_blocking(transport.get_extra_info('pipe').fileno(), True)
            reading = loop.run_in_executor(None, get, reader, 500_000)
            transport.write(b'x' * 500_000)
            assert await reading == b'x' * 500_000

    @pytest.mark.parametrize('make', ['connect_read_pipe', 'connect_write_pipe'])
    async def test_file_objects_that_fail(self, loop, make):
        class Broken:
            def fileno(self):
                raise LookupError('no number')

        class Strange:
            def fileno(self):
                return 'three'

        with pytest.raises(LookupError, match='no number'):
            await getattr(loop, make)(Recorder, Broken())
        with pytest.raises(TypeError):
            await getattr(loop, make)(Recorder, Strange())
