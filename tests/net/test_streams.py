"""Streams as programs use them: connections, servers, their handlers, and StreamReaderProtocol."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import socket
import sys
import weakref

import pytest
from net.stream_support import FakeTransport, both_kinds_of_streams, streams
from net.support import iterations, reset, stream_pair

__all__ = ['streams']  # a fixture

pytestmark = both_kinds_of_streams

HANDLER_FAILED = 'Unhandled exception in client_connected_cb'


@pytest.fixture(params=['tcp', 'unix'])
def serve(request, streams, tmp_path):
    """serve(handler): a server in a `with`, and connect(): an open connection to it."""

    @contextlib.asynccontextmanager
    async def serve(handler, **kwargs):
        if request.param == 'tcp':
            server = await streams.start_server(handler, '127.0.0.1', 0, **kwargs)
            address = server.sockets[0].getsockname()
            open_connection = streams.open_connection
        else:
            address = (str(tmp_path / 'socket'),)
            server = await streams.start_unix_server(handler, *address, **kwargs)
            open_connection = streams.open_unix_connection
        writers = []

        async def connect(**kwargs):
            reader, writer = await open_connection(*address, **kwargs)
            writers.append(writer)
            return reader, writer

        try:
            yield connect
        finally:
            for writer in writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            server.close()
            await iterations(10)

    return serve


class TestPrograms:
    async def test_echo(self, loop, streams, serve):
        async def handler(reader, writer):
            assert isinstance(reader, streams.StreamReader)
            assert isinstance(writer, streams.StreamWriter)
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with serve(handler) as connect:
            reader, writer = await connect()
            for size in (1, 1000, 100_000):
                writer.write(b'x' * size)
                await writer.drain()
                assert await reader.readexactly(size) == b'x' * size
            writer.write_eof()
            assert await reader.read() == b''
            assert reader.at_eof()

    async def test_the_handlers_task_tells_what_waits_for_it(self, loop, serve):
        async def handler(reader, writer):
            shown.set_result(repr(asyncio.current_task()))
            writer.close()

        shown = loop.create_future()
        async with serve(handler) as connect:
            await connect()
            callback = 'StreamReaderProtocol.connection_made.<locals>.callback()'
            assert re.search(rf'cb=\[{re.escape(callback)} at .*streams\.py:\d+\]', await shown)

    async def test_megabytes(self, loop, serve):
        payload = bytes(range(256)) * 8192

        async def handler(reader, writer):
            size = int(await reader.readline())
            writer.writelines([b'%d\n' % size, await reader.readexactly(size)])
            writer.close()

        async with serve(handler, limit=1000) as connect:
            reader, writer = await connect(limit=1000)
            writer.write(b'%d\n' % len(payload))
            writer.write(payload)
            await writer.drain()
            assert await reader.readline() == b'%d\n' % len(payload)
            assert await reader.read(-1) == payload

    async def test_lines(self, loop, serve):
        async def handler(reader, writer):
            async for line in reader:
                writer.write(line.upper())
            writer.close()

        async with serve(handler) as connect:
            reader, writer = await connect()
            writer.write(b'one\ntwo\nthr')
            await writer.drain()
            assert await reader.readline() == b'ONE\n'
            writer.write(b'ee\nend')
            writer.write_eof()
            assert [line async for line in reader] == [b'TWO\n', b'THREE\n', b'END']

    async def test_the_limit_is_passed_on(self, loop, serve):
        limits = []

        async def handler(reader, writer):
            limits.append(reader._limit)
            writer.close()

        async with serve(handler, limit=7) as connect:
            reader, _ = await connect(limit=9)
            assert await reader.read() == b''
            assert (limits, reader._limit) == ([7], 9)

    async def test_many_connections(self, loop, serve):
        async def handler(reader, writer):
            writer.write(await reader.readexactly(3))
            writer.close()

        async def visit(connect, number):
            reader, writer = await connect()
            writer.write(b'%03d' % number)
            return await reader.read()

        async with serve(handler) as connect:
            answers = await asyncio.gather(*[visit(connect, i) for i in range(50)])
        assert answers == [b'%03d' % i for i in range(50)]


class TestHandlers:
    async def test_no_coroutine(self, loop, serve):
        def handler(reader, writer):
            writer.write(b'hello')
            writer.close()

        async with serve(handler) as connect:
            reader, _ = await connect()
            assert await reader.read() == b'hello'

    async def test_one_that_raises(self, loop, serve):
        async def handler(reader, writer):
            raise ZeroDivisionError('handler')

        async with serve(handler) as connect:
            reader, _ = await connect()
            assert await reader.read() == b''
        (report,) = loop.reports
        loop.reports.clear()
        assert report['message'] == HANDLER_FAILED
        assert type(report['exception']) is ZeroDivisionError
        assert isinstance(report['transport'], asyncio.Transport)

    async def test_one_that_is_cancelled(self, loop, serve):
        writers = []

        async def handler(reader, writer):
            writers.append(writer)
            asyncio.current_task().cancel()
            await reader.read()

        async with serve(handler) as connect:
            reader, _writer = await connect()
            if loop_closes_cancelled():
                assert await reader.read() == b''
            else:
                while not writers or not writers[0]._protocol._task.done():
                    await asyncio.sleep(0)
                await iterations()
                writers[0].transport.abort()
        writers.clear()
        for report in loop.reports:  # before the fix the task's CancelledError went there
            assert 'callback' in report['message']
        loop.reports.clear()

    async def test_a_handler_that_forgets_its_writer(self, loop, serve):
        done = asyncio.Event()

        async def handler(reader, writer):
            writer.close()
            task = writer._protocol._task
            assert task is asyncio.current_task()
            assert 'StreamReaderProtocol.connection_made.<locals>.callback()' in repr(task)
            await writer.wait_closed()
            done.set()

        async with serve(handler) as connect:
            await connect()
            await done.wait()

    async def test_the_peer_resets(self, loop, streams):
        seen = asyncio.get_running_loop().create_future()

        async def handler(reader, writer):
            try:
                await reader.read()
            except ConnectionResetError as error:
                seen.set_result(str(error))
            writer.close()

        server = await streams.start_server(handler, '127.0.0.1', 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        await iterations(10)
        reset(client)
        assert 'reset' in await seen
        server.close()
        await iterations(10)


def loop_closes_cancelled():
    """Whether this asyncio closes the connection of a handler that was cancelled."""
    code = asyncio.StreamReaderProtocol.connection_made.__code__
    return any('cancelled' in getattr(const, 'co_names', ()) for const in code.co_consts)


def new_protocol(streams, loop, **kwargs):
    reader = streams.StreamReader(loop=loop)
    return streams.StreamReaderProtocol(reader, loop=loop, **kwargs), reader


class TestProtocol:
    def test_feeds_its_reader(self, streams, loop):
        protocol, reader = new_protocol(streams, loop)
        transport = FakeTransport()
        protocol.connection_made(transport)
        assert protocol._transport is reader._transport is transport
        protocol.data_received(b'abc')
        assert reader._buffer == b'abc'
        assert protocol.eof_received() is True
        assert reader.at_eof() is False
        protocol.connection_lost(None)
        assert protocol._transport is None
        assert protocol._stream_reader is None
        protocol.data_received(b'late')
        assert reader._buffer == b'abc'

    def test_does_not_keep_its_reader(self, streams, loop):
        protocol, reader = new_protocol(streams, loop)
        protocol.connection_made(FakeTransport())
        assert protocol._stream_reader is reader
        assert protocol._stream_reader_wr() is reader
        reference = weakref.ref(reader)
        del reader
        gc.collect()
        assert reference() is None
        assert protocol._stream_reader is None
        protocol.data_received(b'x')
        assert protocol.eof_received() is True
        protocol.connection_lost(OSError('x'))

    def test_two_protocols_of_one_reader(self, streams, loop):
        first, reader = new_protocol(streams, loop)
        second = streams.StreamReaderProtocol(reader, loop=loop)
        first.data_received(b'a')
        second.data_received(b'b')
        assert reader._buffer == b'ab'
        del first
        gc.collect()
        second.data_received(b'c')
        third = streams.StreamReaderProtocol(reader, loop=loop)
        del reader
        gc.collect()
        assert second._stream_reader is third._stream_reader is None

    def test_keeps_the_reader_of_a_server_until_it_is_connected(self, streams, loop):
        readers = []
        protocol, reader = new_protocol(
            streams, loop, client_connected_cb=lambda reader, writer: readers.append(writer)
        )
        assert protocol._strong_reader is reader
        reference = weakref.ref(reader)
        del reader
        gc.collect()
        assert reference() is not None
        transport = FakeTransport()
        protocol.connection_made(transport)
        assert protocol._strong_reader is None
        transport.closing = True
        protocol.connection_lost(None)
        protocol = None
        readers.clear()
        gc.collect()
        assert reference() is None

    @pytest.mark.parametrize('context, answer', [(None, True), ('context', False)])
    def test_over_tls(self, streams, loop, context, answer):
        protocol, _reader = new_protocol(streams, loop)
        protocol.connection_made(FakeTransport({'sslcontext': context}))
        assert protocol.eof_received() is answer
        assert protocol._over_ssl is not answer

    def test_rejects(self, streams, loop):
        protocol, _reader = new_protocol(streams, loop)
        protocol._reject_connection = True
        transport = FakeTransport()
        protocol.connection_made(transport)
        assert transport.calls == ['abort']
        (report,) = loop.reports
        loop.reports.clear()
        assert 'garbage collected' in report['message']

    def test_without_a_reader(self, streams, loop):
        protocol = streams.StreamReaderProtocol(None, loop=loop)
        protocol.connection_made(FakeTransport())
        protocol.data_received(b'x')
        protocol.eof_received()
        protocol.connection_lost(None)
        assert loop.run_until_complete(protocol._get_close_waiter(None)) is None

    def test_a_reader_of_asyncio(self, streams, loop):
        reader = asyncio.StreamReader(loop=loop)
        protocol = streams.StreamReaderProtocol(reader, loop=loop)
        protocol.connection_made(FakeTransport())
        protocol.data_received(b'x')
        assert reader._buffer == b'x'
        protocol.connection_lost(ConnectionResetError('gone'))
        assert type(reader.exception()) is ConnectionResetError

    def test_a_protocol_of_asyncio(self, streams, loop):
        reader = streams.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        protocol.connection_made(FakeTransport())
        protocol.data_received(b'x')
        protocol.eof_received()
        assert (reader._buffer, reader._eof) == (b'x', True)
        protocol.connection_lost(None)

    def test_overridden_methods(self, streams, loop):
        calls = []

        class Reader(streams.StreamReader):
            def feed_data(self, data):
                calls.append(data)
                super().feed_data(data.upper())

            def feed_eof(self):
                calls.append('eof')
                super().feed_eof()

            def set_transport(self, transport):
                calls.append('transport')
                super().set_transport(transport)

        class Protocol(streams.StreamReaderProtocol):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.own = 'attribute'

            def connection_lost(self, exc):
                calls.append('lost')
                super().connection_lost(exc)

        reader = Reader(loop=loop)
        protocol = Protocol(reader, loop=loop)
        protocol.connection_made(FakeTransport())
        protocol.data_received(b'x')
        protocol.eof_received()
        protocol.connection_lost(None)
        assert calls == ['transport', b'x', 'eof', 'lost', 'eof']
        assert reader._buffer == b'X'

    def test_a_reader_that_is_no_plain_attribute(self, streams, loop):
        class Protocol(streams.StreamReaderProtocol):
            @property
            def _stream_reader(self):
                return reader

        reader = streams.StreamReader(loop=loop)
        protocol = Protocol(None, loop=loop)
        protocol.connection_made(FakeTransport())
        protocol.data_received(b'x')
        assert reader._buffer == b'x'
        protocol.connection_lost(None)
        assert reader._eof

    def test_arguments(self, streams, loop):
        protocol, reader = new_protocol(streams, loop)
        protocol.connection_made(transport=FakeTransport())
        protocol.data_received(data=b'x')
        for wrong in ((), (1, 2)):
            with pytest.raises(TypeError, match=r'data_received\(\) (takes|missing)'):
                protocol.data_received(*wrong)
        protocol.connection_lost(exc=None)
        assert reader._buffer == b'x'

    def test_lost_twice(self, streams, loop):
        protocol, reader = new_protocol(streams, loop)
        protocol.connection_made(FakeTransport())
        protocol.connection_lost(None)
        protocol.connection_lost(OSError('late'))
        assert protocol._closed.result() is None
        assert reader.exception() is None

    def test_a_handler_that_raises_at_once(self, streams, loop):
        def handler(reader, writer):
            writer.transport.closing = True
            raise ZeroDivisionError('at once')

        protocol, reader = new_protocol(streams, loop, client_connected_cb=handler)
        catches = bool(asyncio.StreamReaderProtocol.connection_made.__code__.co_exceptiontable)
        if catches:
            protocol.connection_made(FakeTransport())
            (report,) = loop.reports
            loop.reports.clear()
            assert report['message'] == HANDLER_FAILED
            assert protocol._strong_reader is None
        else:
            with pytest.raises(ZeroDivisionError):
                protocol.connection_made(FakeTransport())
            assert protocol._strong_reader is reader

    def test_who_keeps_the_writer(self, streams, loop):
        writers = []
        protocol, _ = new_protocol(
            streams, loop, client_connected_cb=lambda reader, writer: writers.append(writer)
        )
        transport = FakeTransport()
        protocol.connection_made(transport)
        if sys.version_info < (3, 13):
            assert protocol._stream_writer is writers[0]
        transport.closing = True
        protocol.connection_lost(None)
        if sys.version_info < (3, 15):
            assert protocol._stream_writer is None

    def test_debug_mode(self, streams, loop, caplog):
        loop.set_debug(True)
        protocol, _reader = new_protocol(streams, loop)
        assert protocol._source_traceback[-1].filename == __file__
        with caplog.at_level('DEBUG', logger='asyncio'):
            protocol.pause_writing()
            protocol.resume_writing()
        messages = [record.message for record in caplog.records]
        caplog.clear()  # records keep their arguments
        assert messages == [f'{protocol!r} pauses writing', f'{protocol!r} resumes writing']

    async def test_reading_and_its_transport_are_paused(self, loop, streams):
        left, right = stream_pair()
        reader, writer = await streams.open_connection(sock=left, limit=10)
        right.send(b'x' * 21)
        while not reader._paused:
            await asyncio.sleep(0)
        assert not writer.transport.is_reading()
        right.send(b'y')
        assert await reader.readexactly(22) == b'x' * 21 + b'y'
        assert writer.transport.is_reading()
        writer.close()
        right.close()
        await writer.wait_closed()

    async def test_the_protocol_is_replaced_while_it_is_fed(self, loop, streams):
        left, right = stream_pair()
        reader, writer = await streams.open_connection(sock=left)

        class Data(bytes):
            def __bool__(self):
                writer._protocol = None
                protocol.connection_lost(None)
                return True

        protocol = writer._protocol
        protocol.data_received(Data(b'x'))
        assert reader._buffer == b'x'
        writer.transport.abort()
        right.close()
        await iterations()


class TestNames:
    def test_functions_and_classes(self, streams):
        for name in asyncio.streams.__all__:
            ours, stock = getattr(streams, name), getattr(asyncio, name)
            assert getattr(streams.streams, name) is ours
            assert (ours.__name__, ours.__qualname__) == (stock.__name__, stock.__qualname__)
            assert ours.__module__ == f'{streams.__name__}.streams'
            assert ours.__doc__ == stock.__doc__

    async def test_errors_of_a_call(self, loop, streams):
        with pytest.raises(TypeError) as error:
            await streams.open_connection(1, 2, 3)
        assert 'open_connection() takes from 0 to 2 positional arguments' in str(error.value)
