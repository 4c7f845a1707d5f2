"""network.py -- servers under a load generator: what a message costs the server, in CPU time.

The generator (native/loadgen.c) is a process of its own on another CPU; it keeps 10 connections
busy, compares what comes back, and is not counted. Rows called "cold" and "warm" tell two states of
the allocator apart, see ALLOCATORS in harness/registry.py; the others are cold.
"""

import asyncio
import contextlib
import resource
import shutil
import socket
import tempfile
from time import process_time

from harness.affinity import apart
from harness.load import Generator, drive
from harness.registry import NO_GOALS, Goals, benchmark, expect
from harness.tls import server_context
from harness.yardstick import c_echo
from tasks import resident_bytes

KIB = 1024
MIB = 1024 * KIB
BACKLOG = 1000
# Of each of the many small messages.
SMALL = 64


def row(title, cold=NO_GOALS, warm=None, **options):
    """Make a function a row with the allocator cold and, where it has goals, another: warm."""
    options = {'programs': ('cc',), 'slow': True} | options

    def register(function):
        benchmark(f'{title}, cold' if warm else title, cold, allocator='cold', **options)(function)
        if warm:
            warm_options = options | {'slow': True}
            benchmark(f'{title}, warm', warm, allocator='warm', **warm_options)(function)
        return function

    return register


class Echo(asyncio.Protocol):
    """Writes back what it gets."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@contextlib.asynccontextmanager
async def serving(aio, server):
    """Yields the port of a listening server; ends it and lets its connections see their end."""
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await aio.sleep(0.01)


async def drive_protocol(aio, n, mode, protocol_factory, *, tls=False, **options):
    """A server of protocols on TCP."""
    loop = aio.get_running_loop()
    context = server_context() if tls else None
    listening = await loop.create_server(
        protocol_factory, '127.0.0.1', 0, backlog=BACKLOG, ssl=context
    )
    async with serving(aio, listening) as port:
        return await drive(aio, n, mode, port, tls=tls, **options)


async def drive_streams(aio, n, mode, handler, *, tls=False, **options):
    """A server of streams on TCP."""
    context = server_context() if tls else None
    listening = await aio.start_server(handler, '127.0.0.1', 0, backlog=BACKLOG, ssl=context)
    async with serving(aio, listening) as port:
        return await drive(aio, n, mode, port, tls=tls, **options)


@row(
    'TCP echo 1 KiB',
    Goals(4.8, 4.7, 4.8),
    Goals(1.4, 1.4, 1.4),
    slow=False,
    yardstick=c_echo('stream', size=KIB),
)
async def tcp_echo(aio, n):
    """A protocol that writes back what it gets."""
    return await drive_protocol(aio, n, 'stream', Echo, size=KIB)


@row(
    'TCP echo 100 KiB',
    Goals(5.2, 4.9, 5.2),
    Goals(1.1, 1.1, 1.1),
    yardstick=c_echo('stream', size=100 * KIB),
)
async def tcp_echo_100k(aio, n):
    return await drive_protocol(aio, n, 'stream', Echo, size=100 * KIB)


@row(
    'TCP echo 1 KiB, 16 in flight',
    Goals(4.8, 4.8, 4.8),
    yardstick=c_echo('stream', size=KIB, depth=16),
)
async def tcp_echo_16_in_flight(aio, n):
    return await drive_protocol(aio, n, 'stream', Echo, size=KIB, depth=16)


@row(
    'TCP, 16 small writes a message', Goals(6, 6, 6), yardstick=c_echo('stream', size=SMALL, fan=16)
)
async def small_writes(aio, n):
    """A protocol that answers a message by 16 write() of it."""

    class Sixteenfold(Echo):
        rest = b''

        def data_received(self, data):
            data = self.rest + data
            for end in range(SMALL, len(data) + 1, SMALL):
                message = data[end - SMALL : end]
                for _ in range(16):
                    self.transport.write(message)
            self.rest = data[len(data) - len(data) % SMALL :]

    return await drive_protocol(aio, n, 'stream', Sixteenfold, size=SMALL, fan=16)


@row('BufferedProtocol echo 1 KiB', Goals(1.7, 1.3, 1.7))
async def buffered_protocol(aio, n):
    class BufferedEcho(asyncio.BufferedProtocol):
        def connection_made(self, transport):
            self.transport = transport
            self.buffer = memoryview(bytearray(64 * KIB))

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, length):
            self.transport.write(bytes(self.buffer[:length]))

    return await drive_protocol(aio, n, 'stream', BufferedEcho, size=KIB)


async def echo_messages(reader, writer):
    """A handler of streams that writes back each KiB."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            writer.write(await reader.readexactly(KIB))
            await writer.drain()
    writer.close()


@row('streams: readexactly 1 KiB', Goals(2.9, 3.4, 3.8), Goals(None, None, 1.8), slow=False)
async def streams_readexactly(aio, n):
    return await drive_streams(aio, n, 'stream', echo_messages, size=KIB)


@row('streams: 16 lines in flight', Goals(None, None, 8))
async def streams_lines(aio, n):
    async def handler(reader, writer):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    return await drive_streams(aio, n, 'stream', handler, size=SMALL, depth=16)


@row('sock_recv + sock_sendall 1 KiB', Goals(2.5, 2.4, 2.5))
async def sock_calls(aio, n):
    loop = aio.get_running_loop()

    async def echo(connection):
        with connection:
            while data := await loop.sock_recv(connection, 4 * KIB):
                await loop.sock_sendall(connection, data)

    async def accept(listening):
        async with aio.TaskGroup() as group:
            while True:
                connection, _ = await loop.sock_accept(listening)
                connection.setblocking(False)
                group.create_task(echo(connection))

    with socket.create_server(('127.0.0.1', 0), backlog=BACKLOG) as listening:
        listening.setblocking(False)
        accepting = aio.create_task(accept(listening))
        try:
            return await drive(aio, n, 'stream', listening.getsockname()[1], size=KIB)
        finally:
            accepting.cancel()
            await aio.wait([accepting])


@row(
    'Unix stream echo 1 KiB',
    Goals(6.5, 6.9, 6.5),
    Goals(1.9, 1.9, 1.9),
    yardstick=c_echo('stream', size=KIB, is_unix=True),
)
async def unix_echo(aio, n):
    with tempfile.TemporaryDirectory() as directory:
        path = f'{directory}/socket'
        server = await aio.get_running_loop().create_unix_server(Echo, path, backlog=BACKLOG)
        try:
            return await drive(aio, n, 'stream', path, size=KIB)
        finally:
            server.close()
            await aio.sleep(0.01)


@row(
    'UDP echo 1 KiB',
    Goals(6.5, 6.2, 6.5),
    Goals(2.2, 2.2, 2.2),
    yardstick=c_echo('datagram', size=KIB),
)
async def udp_echo(aio, n):
    class DatagramEcho(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data, address)

    transport, _ = await aio.get_running_loop().create_datagram_endpoint(
        DatagramEcho, local_addr=('127.0.0.1', 0)
    )
    try:
        port = transport.get_extra_info('sockname')[1]
        return await drive(aio, n, 'datagram', port, size=KIB)
    finally:
        transport.close()
        await aio.sleep(0.01)


@row('connect and close, protocol', Goals(2, 1.9, 2), yardstick=c_echo('churn', size=2))
async def churn_protocol(aio, n):
    class EchoOnce(Echo):
        def data_received(self, data):
            self.transport.write(data)
            self.transport.close()

    return await drive_protocol(aio, n, 'churn', EchoOnce)


@row('connect and close, streams', Goals(2, 1.9, 2))
async def churn_streams(aio, n):
    async def handler(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    return await drive_streams(aio, n, 'churn', handler)


@row('TLS echo 1 KiB', Goals(1.8, 1.8, 1.8), NO_GOALS, slow=False)
async def tls_echo(aio, n):
    """A protocol that writes back what it gets, over TLS 1.3 as all rows of TLS."""
    return await drive_protocol(aio, n, 'stream', Echo, size=KIB, tls=True)


@row('TLS echo 100 KiB', Goals(1.5, 1.5, 1.5), NO_GOALS)
async def tls_echo_100k(aio, n):
    return await drive_protocol(aio, n, 'stream', Echo, size=100 * KIB, tls=True)


@row('TLS streams: readexactly 1 KiB')
async def tls_streams(aio, n):
    return await drive_streams(aio, n, 'stream', echo_messages, size=KIB, tls=True)


@row('TLS handshake, 2 bytes, close', Goals(1.4, 1.4, 1.4))
async def tls_handshakes(aio, n):
    """Connections of their own, no session taken up again; each side says its end."""

    class EchoOnce(Echo):
        def data_received(self, data):
            self.transport.write(data)
            self.transport.close()

    return await drive_protocol(aio, n, 'churn', EchoOnce, tls=True)


BULK = {'sizes': {1024: NO_GOALS}, 'per_item': True, 'fresh': True}


def bulk(title):
    """A row of one GiB, told for each MiB of it."""
    return benchmark(title, allocator='cold', slow=True, programs=('cc',), **BULK)


@bulk('TLS 1 GiB to clients, a MiB')
async def tls_bulk_out(aio, n, size):
    """A MiB for each small request, of as many connections as ever."""
    fan = MIB // SMALL

    class Source(Echo):
        def data_received(self, data):
            for end in range(SMALL, len(data) + 1, SMALL):
                self.transport.write(data[end - SMALL : end] * fan)

    return await drive_protocol(aio, n * size, 'stream', Source, size=SMALL, fan=fan, tls=True)


@bulk('TLS 1 GiB from clients, a MiB')
async def tls_bulk_in(aio, n, size):
    class Sink(Echo):
        received = 0

        def data_received(self, data):
            whole, self.received = divmod(self.received + len(data), MIB)
            if whole:
                self.transport.write(b'\n' * whole)

    return await drive_protocol(aio, n * size, 'sink', Sink, size=MIB, tls=True)


IDLE = {'per_item': True, 'unit': 'B', 'fresh': True, 'slow': True, 'programs': ('cc',)}


async def grown_by_idle(aio, server, made, size, **options):
    """What the process grows by while `size` connections are made, by the kernel's account.

    made is where the server keeps an item for each; a hundred before them are not counted.
    """
    loop = aio.get_running_loop()
    first = 100
    options['connections'] = first

    async def reach(count):
        while len(made) < count:
            await aio.sleep(0.01)
        return resident_bytes()

    async with serving(aio, server) as port:
        with apart() as cpu, Generator(cpu, 'idle', port, size, **options) as generator:
            await generator.ready(loop)
            before = await reach(first)
            generator.go()
            await generator.done(loop)
            grown = await reach(first + size) - before
        while made:
            await aio.sleep(0.01)
        return grown


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def idle_protocols(aio, size, **options):
    """What `size` connections take that have a protocol and nothing to say."""
    made = []

    class Silent(asyncio.Protocol):
        __slots__ = ('transport',)

        def connection_made(self, transport):
            self.transport = transport
            made.append(None)

        def connection_lost(self, exc):
            made.pop()

    raise_file_limit()
    context = server_context() if options.get('tls') else None
    server = await aio.get_running_loop().create_server(
        Silent, '127.0.0.1', 0, backlog=BACKLOG, ssl=context
    )
    return await grown_by_idle(aio, server, made, size, **options)


@benchmark('bytes an idle connection, protocol', sizes={4000: Goals(800, 800, 800)}, **IDLE)
async def idle_protocol(aio, n, size):
    return n * await idle_protocols(aio, size)


@benchmark('bytes an idle TLS connection', sizes={1000: Goals(22000, 22000, 22000)}, **IDLE)
async def idle_tls(aio, n, size):
    """OpenSSL's own are most of it."""
    return n * await idle_protocols(aio, size, tls=True)


@benchmark('bytes an idle connection, streams', sizes={4000: Goals(None, None, 2000)}, **IDLE)
async def idle_streams(aio, n, size):
    made = []

    async def handler(reader, writer):
        made.append(None)
        await reader.read()
        writer.close()
        made.pop()

    raise_file_limit()
    server = await aio.start_server(handler, '127.0.0.1', 0, backlog=BACKLOG)
    return n * await grown_by_idle(aio, server, made, size)


@benchmark('subprocess spawn and wait', Goals(1.1, 1.1, 1.1), slow=True, programs=('true',))
async def spawn(aio, n):
    """One at a time; the CPU time of this process and of the children."""

    def used():
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    program = shutil.which('true')
    statuses = 0
    start = used()
    for _ in range(n):
        process = await aio.create_subprocess_exec(program)
        statuses += 1 + await process.wait()
    elapsed = used() - start
    expect(statuses, n)
    return elapsed


@benchmark('getaddrinfo of a literal', Goals(40, 65, 40))
async def getaddrinfo_literal(aio, n):
    loop = aio.get_running_loop()
    found = 0
    start = process_time()
    for _ in range(n):
        found += len(await loop.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM))
    elapsed = process_time() - start
    expect(found, n)
    return elapsed
