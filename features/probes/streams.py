"""StreamReader, StreamWriter, and what makes them."""

import asyncio
import contextlib
import gc
import os
import socket
import tempfile

from harness.ends import tcp_pair
from harness.probe import Group

reader = Group('StreamReader', 'tests/net/test_stream_reader.py')
writer = Group('StreamWriter', 'tests/net/test_stream_writer.py')
making = Group('Making streams', 'tests/net/test_streams.py')


async def fed(t, *chunks, eof=True, **kwargs):
    """A reader that gets these, one in an iteration, and then the end."""
    one = t.aio.StreamReader(**kwargs)

    def feed(left):
        if left:
            one.feed_data(left[0])
            t.loop.call_soon(feed, left[1:])
        elif eof:
            one.feed_eof()

    t.loop.call_soon(feed, chunks)
    return one


async def streams(t, make_pair=socket.socketpair, **kwargs):
    """(reader, writer, the blocking socket at the other end)."""
    one, two = make_pair()
    two.settimeout(5)
    return *(await t.aio.open_connection(sock=one, **kwargs)), two


@contextlib.asynccontextmanager
async def connection(t, **kwargs):
    """The same, for a block that leaves it open: then all of it is closed."""
    source, out, two = await streams(t, **kwargs)
    with two:
        yield source, out, two
        out.close()
        await out.wait_closed()


@reader('StreamReader.read()', covers=('StreamReader.read(n=)',))
async def read(t):
    one = await fed(t, b'one', b'two', b'three')
    t.tell(await one.read(2), await one.read(100), await one.read(0), await one.read(3))
    t.tell(await one.read(), await one.read(), await one.read(5), one.at_eof())


@reader('StreamReader.readline()')
async def readline(t):
    one = await fed(t, b'li', b'ne\nnext\n', b'part')
    t.tell(await one.readline(), await one.readline(), await one.readline(), await one.readline())
    one = await fed(t, b'x' * 20 + b'\nrest\n', limit=10)
    with t.raised():
        await one.readline()
    t.tell(await one.readline())


@reader('StreamReader.readexactly()', covers=('asyncio.IncompleteReadError',))
async def readexactly(t):
    one = await fed(t, b'one', b'two')
    t.tell(await one.readexactly(4), await one.readexactly(0))
    with t.raised():
        await one.readexactly(10)
    with t.raised():
        await one.readexactly(-1)
    error = t.aio.IncompleteReadError(b'ab', 5)
    t.tell(error.partial, error.expected, error, type(error).__mro__)


@reader(
    'StreamReader.readuntil()',
    covers=('StreamReader.readuntil(separator=)', 'asyncio.LimitOverrunError'),
)
async def readuntil(t):
    one = await fed(t, b'a\nb--c-', b'-d')
    t.tell(await one.readuntil(), await one.readuntil(b'--'), await one.readuntil(b'--'))
    with t.raised():
        await one.readuntil(b'--')
    with t.raised():
        await one.readuntil(b'')
    one = await fed(t, b'x' * 20, limit=10)
    with t.raised():
        await one.readuntil(b'--')
    t.tell(t.aio.LimitOverrunError('message', 5).consumed, t.aio.LimitOverrunError.__mro__)


@reader('readuntil() of several separators', since=(3, 13))
async def readuntil_tuple(t):
    one = await fed(t, b'a;b', b'\r\nc')
    t.tell(await one.readuntil((b';', b'\r\n')), await one.readuntil((b';', b'\r\n')))
    with t.raised():
        await one.readuntil(())


@reader('async for over a StreamReader')
async def iterate(t):
    async for line in await fed(t, b'one\ntw', b'o\nthree'):
        t.tell(line)


@reader('StreamReader.at_eof()', covers=('StreamReader.feed_data()', 'StreamReader.feed_eof()'))
async def at_eof(t):
    one = t.aio.StreamReader()
    t.tell(one.at_eof(), one.feed_data(b'data'), one.feed_data(b''))
    t.tell(one.feed_eof(), one.at_eof(), await one.read(), one.at_eof())
    with t.raised():
        one.feed_data(b'more')


@reader('StreamReader.exception()', covers=('StreamReader.set_exception()',))
async def exception(t):
    one = t.aio.StreamReader()
    task = asyncio.create_task(one.read(5))
    await asyncio.sleep(0)
    t.tell(one.exception(), one.set_exception(KeyError('key')), repr(one.exception()))
    with t.raised():
        await task
    for call in (one.read, one.readline, one.readuntil):
        with t.raised():
            await call()


@reader('StreamReader(limit=)')
async def limit(t):
    t.tell(t.aio.StreamReader(limit=5), t.aio.StreamReader())
    for bad in (0, -1):
        with t.raised():
            t.aio.StreamReader(limit=bad)


@reader('StreamReader.set_transport()')
async def reader_transport(t):
    class Transport(asyncio.Transport):
        def pause_reading(self):
            t.tell('pause')

        def resume_reading(self):
            t.tell('resume')

    one = t.aio.StreamReader(limit=5)
    one.set_transport(Transport())
    one.feed_data(b'x' * 20)
    t.tell(await one.read(15), await one.read(1))
    with t.raised():
        one.set_transport(Transport())


@reader('two coroutines that read at once')
async def read_twice(t):
    one = t.aio.StreamReader()
    tasks = [asyncio.create_task(one.read(5)), asyncio.create_task(one.readline())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with t.raised():
        await tasks[1]
    one.feed_eof()
    t.tell(await tasks[0])


@reader('a read that is cancelled')
async def read_cancelled(t):
    one = t.aio.StreamReader()
    task = asyncio.create_task(one.readexactly(5))
    await asyncio.sleep(0)
    one.feed_data(b'abc')
    await asyncio.sleep(0)
    task.cancel()
    with t.raised():
        await task
    one.feed_data(b'de')
    t.tell(await one.readexactly(5))


@reader('repr of readers and writers')
async def stream_repr(t):
    one = t.aio.StreamReader()
    t.tell(one)
    one.feed_data(b'data')
    t.tell(one)
    one.feed_eof()
    one.set_exception(KeyError('key'))
    t.tell(one)
    async with connection(t) as (_, out, _):
        t.tell(out)


@writer('StreamWriter.write()', covers=('StreamWriter.drain()',))
async def write(t):
    async with connection(t) as (_, out, two):
        t.tell(out.write(b'data'), await out.drain(), await asyncio.to_thread(two.recv, 10))
        with t.raised():
            out.write('text')


@writer('StreamWriter.drain() waits, and raises')
async def drain(t):
    _, out, two = await streams(t)
    out.transport.set_write_buffer_limits(100)
    out.write(bytes(5_000_000))
    task = asyncio.create_task(out.drain())
    await asyncio.sleep(0.001)
    t.tell(task.done())

    def read():
        left = 5_000_000
        while left:
            left -= len(two.recv(65536))

    await asyncio.to_thread(read)
    t.tell(await task)
    two.close()
    await asyncio.sleep(0.002)
    out.write(b'data')
    with t.raised():
        await out.drain()
        await out.drain()
    out.close()
    with t.raised():
        await out.wait_closed()


@writer('StreamWriter.writelines()')
async def writelines(t):
    async with connection(t) as (_, out, two):
        t.tell(out.writelines([b'1', b'2']), await out.drain())
        t.tell(await asyncio.to_thread(two.recv, 10))


@writer('StreamWriter.write_eof()', covers=('StreamWriter.can_write_eof()',))
async def write_eof(t):
    async with connection(t) as (source, out, two):
        t.tell(out.can_write_eof())
        out.write(b'data')
        t.tell(out.write_eof(), await asyncio.to_thread(two.recv, 10), two.recv(10))
        two.sendall(b'answer')
        two.shutdown(socket.SHUT_WR)
        t.tell(await source.read())


@writer('StreamWriter.close()', covers=('StreamWriter.is_closing()', 'StreamWriter.wait_closed()'))
async def close(t):
    _, out, two = await streams(t)
    with two:
        t.tell(out.is_closing(), out.close(), out.is_closing(), await out.wait_closed())
        t.tell(two.recv(10))
        out.write(b'late')
        with t.raised():
            await out.drain()


@writer(
    'StreamWriter.get_extra_info()',
    named='name our classes in full',
    covers=('StreamWriter.get_extra_info(default=)', 'StreamWriter.transport'),
)
async def extra_info(t):
    async with connection(t) as (_, out, _):
        t.tell(out.get_extra_info('x'), out.get_extra_info('x', default=5))
        t.tell(type(out.get_extra_info('socket')).__name__)
        t.tell(out.transport.get_protocol().__class__.__name__)
        with t.raised():
            out.transport = 5


@writer('a StreamWriter that is dropped without close()', since=(3, 13))
async def writer_dropped(t):
    source, out, two = await streams(t)
    with two:
        del out
        gc.collect()
        t.tell(await asyncio.to_thread(two.recv, 5))
        del source


@writer('wait_closed() after an error')
async def wait_closed_error(t):
    import struct

    source, out, two = await streams(t, make_pair=tcp_pair)
    two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    two.close()
    with t.raised():
        await source.read()
    out.close()
    with t.raised():
        await out.wait_closed()


@making(
    'asyncio.open_connection()',
    covers=('asyncio.open_connection(host=)', 'asyncio.open_connection(port=)'),
)
async def open_connection(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        host, port = listener.getsockname()
        source, out = await t.aio.open_connection(host=host, port=port)
        two, _ = listener.accept()
    two.sendall(b'line\n')
    t.tell(await source.readline(), isinstance(source, t.aio.StreamReader))
    two.close()
    t.tell(await source.read(), source.at_eof())
    out.close()
    await out.wait_closed()
    with t.raised():
        await t.aio.open_connection(host, port)


@making('asyncio.open_connection(limit=)')
async def open_connection_limit(t):
    async with connection(t, limit=10) as (source, _, two):
        two.sendall(b'x' * 100)
        with t.raised():
            await source.readline()
        t.tell('limit=10' in repr(source))


@making(
    'asyncio.start_server()', covers=('asyncio.start_server(host=)', 'asyncio.start_server(port=)')
)
async def start_server(t):
    async def serve(source, out):
        line = await source.readline()
        out.write(line.upper())
        await out.drain()
        out.close()
        t.tell('served', t.aio.current_task() is not None)

    server = await t.aio.start_server(serve, host='127.0.0.1', port=0)
    async with server:
        source, out = await t.aio.open_connection(*server.sockets[0].getsockname())
        out.write(b'hello\n')
        t.tell(await source.read())
        out.close()
        await out.wait_closed()


@making('asyncio.start_server(limit=)')
async def start_server_limit(t):
    async def serve(source, out):
        try:
            await source.readline()
        except ValueError as error:
            t.tell(error)
        out.close()

    server = await t.aio.start_server(serve, '127.0.0.1', 0, limit=10)
    async with server:
        source, out = await t.aio.open_connection(*server.sockets[0].getsockname())
        out.write(b'x' * 100 + b'\n')
        with t.raised():
            await source.read()
        out.close()


@making('a plain function as the callback of start_server()')
async def start_server_function(t):
    def serve(source, out):
        t.tell('called', t.aio.current_task())
        out.close()

    async with await t.aio.start_server(serve, '127.0.0.1', 0) as server:
        source, out = await t.aio.open_connection(*server.sockets[0].getsockname())
        t.tell(await source.read())
        out.close()


@making('a callback of start_server() that fails', since=(3, 12))
async def start_server_fails(t):
    async def serve(source, out):
        raise KeyError('key')

    t.loop.set_exception_handler(
        lambda loop, context: t.tell(
            context['message'], repr(context['exception']), sorted(context)
        )
    )
    async with await t.aio.start_server(serve, '127.0.0.1', 0) as server:
        source, out = await t.aio.open_connection(*server.sockets[0].getsockname())
        t.tell(await source.read())
        out.close()


@making(
    'asyncio.open_unix_connection()',
    covers=(
        'asyncio.open_unix_connection(path=)',
        'asyncio.open_unix_connection(limit=)',
        'asyncio.start_unix_server()',
        'asyncio.start_unix_server(path=)',
        'asyncio.start_unix_server(limit=)',
    ),
)
async def unix(t):
    async def serve(source, out):
        out.write((await source.readline()).upper())
        out.close()

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        async with await t.aio.start_unix_server(serve, path=path, limit=100):
            source, out = await t.aio.open_unix_connection(path=path, limit=50)
            out.write(b'hello\n')
            t.tell(await source.read(), 'limit=50' in repr(source))
            out.close()
            await out.wait_closed()


@making(
    'StreamReaderProtocol(client_connected_cb=)',
    covers=(
        'asyncio.StreamReaderProtocol',
        'StreamReaderProtocol.connection_made()',
        'StreamReaderProtocol.data_received()',
        'StreamReaderProtocol.eof_received()',
        'StreamReaderProtocol.connection_lost()',
    ),
)
async def stream_protocol(t):
    one, two = socket.socketpair()
    source = t.aio.StreamReader()
    connected = []
    protocol = t.aio.StreamReaderProtocol(source, lambda *args: connected.append(args))
    transport, _ = await t.loop.create_connection(lambda: protocol, sock=one)
    out = t.aio.StreamWriter(transport, protocol, source, t.loop)
    two.sendall(b'data')
    t.tell(await source.read(10), out.transport is transport, connected[0][0] is source)
    two.shutdown(socket.SHUT_WR)
    t.tell(await source.read())
    out.close()
    with two:
        await out.wait_closed()


@making('the end of both sides: wait_closed() and eof')
async def both_close(t):
    source, out, two = await streams(t)
    out.write(b'bye')
    out.close()
    two.close()
    await out.wait_closed()
    t.tell(await source.read())
