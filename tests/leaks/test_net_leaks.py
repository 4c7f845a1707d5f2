"""Connections and their like made and dropped 10,000 times in a process of its own: flat."""

from __future__ import annotations

import pytest
from leaks.support import check

COUNT = 10_000

# What a kind does once; loop, listener, port, protocols and helpers are there.
KINDS = {
    'stream closed': """
        transport, _ = await stream(asyncio.Protocol)
        transport.close()
        """,
    'stream aborted while writing': """
        transport, _ = await stream(asyncio.Protocol)
        transport.write(b'x' * 1_000_000)
        transport.abort()
        """,
    'stream read and written': """
        transport, peer = await stream(Echo)
        peer.send(b'x' * 100)
        await until(lambda: can_read(peer))
        transport.close()
        """,
    'stream with a buffered protocol': """
        transport, peer = await stream(Buffered)
        peer.send(b'x' * 100)
        await tick()
        transport.close()
        """,
    'stream paused and resumed': """
        transport, peer = await stream(asyncio.Protocol)
        transport.pause_reading()
        transport.resume_reading()
        transport.pause_reading()
        transport.close()
        """,
    'stream closed by the peer': """
        transport, peer = await stream(asyncio.Protocol)
        peer.close()
        await until(lambda: transport.is_closing())
        """,
    'stream of a protocol that raises': """
        transport, peer = await stream(Raising)
        peer.send(b'x')
        await until(lambda: transport.is_closing())
        """,
    'stream that is dropped': """
        transport, peer = await stream(asyncio.Protocol)
        transport.pause_reading()
        transport.cycle = transport
        await tick()
        del transport
        """,
    'many small writes': """
        transport, peer = await stream(asyncio.Protocol)
        for _ in range(20):
            transport.write(b'x')
        transport.writelines([b'a', b'b'])
        transport.close()
        """,
    'connection': """
        transport, _ = await loop.create_connection(asyncio.Protocol, '127.0.0.1', port)
        transport.close()
        await until(lambda: accepted)
        accepted.pop().abort()
        """,
    'connection reset': """
        sock = socket.create_connection(('127.0.0.1', port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        sock.close()
        await until(lambda: accepted)
        transport = accepted.pop()
        await until(lambda: transport.is_closing())
        """,
    'connection refused': """
        try:
            await loop.create_connection(asyncio.Protocol, '127.0.0.1', free)
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError
        """,
    'server': """
        server = await loop.create_server(asyncio.Protocol, '127.0.0.1', 0)
        server.close()
        await server.wait_closed()
        """,
    'datagrams': """
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=('127.0.0.1', 0)
        )
        transport.sendto(b'x', transport.get_extra_info('sockname'))
        await tick()
        transport.close()
        """,
    'datagrams refused': """
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=('127.0.0.1', free)
        )
        transport.sendto(b'x')
        await tick()
        transport.close()
        """,
    'pipes': """
        reader, writer = os.pipe()
        reading, _ = await loop.connect_read_pipe(asyncio.Protocol, open(reader, 'rb', 0))
        writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, open(writer, 'wb', 0))
        writing.write(b'x' * 100)
        await tick()
        writing.close()
        reading.close()
        """,
    'pipe refused': """
        try:
            await loop.connect_read_pipe(asyncio.Protocol, file)
        except ValueError:
            pass
        """,
    'sock_recv and sock_sendall': """
        await loop.sock_sendall(left, b'x')
        await loop.sock_recv(right, 10)
        task = loop.create_task(loop.sock_recv(right, 10))
        await tick()
        await loop.sock_sendall(left, b'x')
        await task
        """,
    'sock_recv_into': """
        left.send(b'x')
        await loop.sock_recv_into(right, buffer)
        task = loop.create_task(loop.sock_recv_into(right, buffer))
        await tick()
        left.send(b'x')
        await task
        """,
    'sock_recv cancelled': """
        task = loop.create_task(loop.sock_recv(right, 10))
        await tick()
        task.cancel()
        await tick()
        """,
    'sock_connect and sock_accept': """
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, listener.getsockname())
            conn, _ = await loop.sock_accept(listener)
            conn.close()
        """,
    'sock_connect refused': """
        with socket.socket() as sock:
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, ('127.0.0.1', free))
            except ConnectionRefusedError:
                pass
        """,
    'streams': """
        reader, writer, peer = await opened()
        peer.send(b'line\\nrest')
        assert await reader.readline() == b'line\\n'
        writer.write(await reader.readexactly(4))
        await writer.drain()
        reader._buffer.extend(b'x' * 1000)
        writer.close()
        await writer.wait_closed()
        """,
    'streams of a reader in a cycle': """
        reader, writer, peer = await opened()
        reader.cycle = reader, writer
        writer.transport.abort()
        await tick()
        """,
    'reads that are cancelled': """
        reader, writer, peer = await opened()
        for read in (reader.read(), reader.read(1), reader.readline(), reader.readexactly(9)):
            task = loop.create_task(read)
            await tick()
            task.cancel()
            await asyncio.wait([task])
        writer._protocol.pause_writing()
        task = loop.create_task(writer.drain())
        await tick()
        task.cancel()
        await asyncio.wait([task])
        writer.close()
        """,
    'reads that fail': """
        reader, writer, peer = await opened(limit=4)
        peer.send(b'too long for that\\n')
        peer.close()
        for read in (reader.readuntil(), reader.readline(), reader.readexactly(9)):
            try:
                await read
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                pass
        reader.set_exception(KeyError())
        try:
            await reader.read()
        except KeyError:
            pass
        writer.close()
        """,
    'a server of streams': """
        sock = socket.create_connection(('127.0.0.1', streams_port))
        sock.setblocking(False)
        await loop.sock_recv(sock, 100)
        sock.close()
        """,
    'sendfile': """
        await loop.sock_sendfile(left, file, 0, 100)
        await loop.sock_recv(right, 1000)
        """,
    'getnameinfo': """
        await loop.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        """,
    'getaddrinfo': "await loop.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)",
    'getaddrinfo refused': """
        try:
            await loop.getaddrinfo('127.0.0.256', 80, flags=socket.AI_NUMERICHOST)
        except OSError:
            pass
        """,
}

# A process each: these are too slow for as many.
SLOW = {
    'subprocess': """
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, 'true')
        await transport._wait()
        transport.close()
        """,
}

SCRIPT = """
import concurrent.futures, gc, logging, os, select, socket, tempfile
logging.disable()

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)

class Buffered(asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        return bytearray(64)
    def buffer_updated(self, size):
        pass

class Raising(asyncio.Protocol):
    def data_received(self, data):
        raise KeyError

class Accepted(asyncio.Protocol):
    def connection_made(self, transport):
        accepted.append(transport)

accepted = []
peers = []
buffer = bytearray(10)
left, right = socket.socketpair()
listener = socket.create_server(('127.0.0.1', 0))
for sock in (left, right, listener):
    sock.setblocking(False)
with socket.create_server(('127.0.0.1', 0)) as sock:
    free = sock.getsockname()[1]
file = tempfile.TemporaryFile(buffering=0)
file.write(bytes(1000))

async def tick():
    await asyncio.sleep(0)
    await asyncio.sleep(0)

async def until(condition):
    while not condition():
        await asyncio.sleep(0)

def can_read(sock):
    return select.select([sock], [], [], 0)[0]

async def stream(factory):
    for peer in peers:
        peer.close()
    left, right = socket.socketpair()
    peers[:] = [right]
    transport, _ = await loop.create_connection(factory, sock=left)
    return transport, right

async def opened(**kwargs):
    for peer in peers:
        peer.close()
    left, right = socket.socketpair()
    peers[:] = [right]
    reader, writer = await impl.module.open_connection(sock=left, **kwargs)
    return reader, writer, right

async def handler(reader, writer):
    writer.write(b'hello')
    writer.close()

async def once():
    KIND

async def many(count):
    for number in range(count):
        await once()
        if number % 20 == 19:
            await tick()
    for peer in peers:
        peer.close()
    peers.clear()
    for _ in range(6):
        await tick()

def state():
    gc.collect()
    return sys.getallocatedblocks(), len(support.open_fds()), support.live_objects()

async def main():
    global port, streams_port
    # One thread, and no more of them as work comes.
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
    server = await loop.create_server(Accepted, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    streams_server = await impl.module.start_server(handler, '127.0.0.1', 0)
    streams_port = streams_server.sockets[0].getsockname()[1]
    await many(COUNT // 10)
    await many(COUNT // 10)
    for attempt in range(3):
        before = state()
        await many(COUNT)
        after = state()
        # One leaked block each time would be COUNT of them.
        grows = after[1:] != before[1:] or after[0] - before[0] >= max(COUNT // 20, 200)
        if not grows:
            break  # a leak would show every time; what another thread just holds does not
    assert not grows, (before, after)
    server.close()
    streams_server.close()
    await loop.shutdown_default_executor()

loop = new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    # Stock runs too, to show that the script itself leaks nothing: fewer rounds do for that.
    check(impl, SCRIPT, KINDS[kind], COUNT if impl.ours else COUNT // 10)


@pytest.mark.parametrize('kind', SLOW)
def test_nothing_grows_slowly(impl, kind):
    check(impl, SCRIPT, SLOW[kind], COUNT // 10 if impl.ours else COUNT // 40)
