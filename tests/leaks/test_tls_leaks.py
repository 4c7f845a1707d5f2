"""TLS connections made and dropped 10,000 times in a process of its own: flat.

Of what OpenSSL keeps itself nothing grows with the number of connections: a context has a cache of
sessions, which both sides here turn off by having no tickets and no cache; error queues and random
generators are a thread's, made once.
"""

from __future__ import annotations

import pathlib

import pytest
import support
from leaks.support import check

COUNT = 10_000

CERTIFICATES = pathlib.Path(support.__file__).parent / 'certificates'

# What a kind does once: contexts, server and helpers are there. Each is so many handshakes.
KINDS = {
    'closed by us': """
        client, server = await pair()
        client.close()
        await lost(2)
        """,
    'closed by the other side': """
        client, server = await pair()
        server.close()
        await lost(2)
        """,
    'aborted': """
        client, server = await pair()
        client.abort()
        await lost(2)
        """,
    'read and written': """
        client, server = await pair()
        client.write(b'x' * 40_000)
        await until(lambda: received[0] >= 80_000)
        received[0] = 0
        client.close()
        await lost(2)
        """,
    'a buffered protocol': """
        client, server = await pair(Buffered)
        server.write(b'x' * 1000)
        await until(lambda: received[0] >= 1000)
        received[0] = 0
        client.abort()
        await lost(2)
        """,
    'aborted while writing': """
        client, server = await pair()
        client.write(b'x' * 300_000)
        client.write(b'x' * 300_000)
        client.abort()
        await lost(2)
        """,
    'paused and dropped by the peer': """
        client, server = await pair()
        client.pause_reading()
        server.write(b'x' * 1000)
        server.close()
        await tick()
        client.resume_reading()
        await lost(2)
        """,
    'a protocol that raises': """
        client, server = await pair(Raising)
        server.write(b'x')
        await lost(2)
        """,
    'start_tls': """
        left, right = socket.socketpair()
        outer, _ = await loop.create_connection(asyncio.Protocol, sock=left)
        inner, _ = await loop.create_connection(asyncio.Protocol, sock=right)
        client, server = await asyncio.gather(
            loop.start_tls(outer, Base(), client_context, server_hostname='localhost'),
            loop.start_tls(inner, Base(), server_context, server_side=True),
        )
        client.close()
        await lost(2)
        """,
    'streams': """
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', port, ssl=client_context, server_hostname='localhost'
        )
        writer.write(b'x')
        assert await reader.readexactly(1) == b'x'
        writer.close()
        await writer.wait_closed()
        """,
    'a handshake that fails': """
        left, right = socket.socketpair()
        right.send(b'garbage' * 10)
        try:
            await loop.connect_accepted_socket(Base, left, ssl=server_context)
        except OSError:
            pass
        else:
            raise AssertionError
        right.close()
        """,
    'a handshake cut off': """
        left, right = socket.socketpair()
        task = loop.create_task(loop.create_connection(
            Base, sock=left, ssl=client_context, server_hostname='localhost'))
        await tick()
        right.close()
        try:
            await task
        except OSError:
            pass
        else:
            raise AssertionError
        """,
    'a handshake cancelled': """
        left, right = socket.socketpair()
        task = loop.create_task(loop.create_connection(
            Base, sock=left, ssl=client_context, server_hostname='localhost'))
        await tick()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        await tick()
        right.close()
        """,
    'a certificate that is refused': """
        left, right = socket.socketpair()
        other = loop.create_task(loop.connect_accepted_socket(Base, right, ssl=server_context))
        try:
            await loop.create_connection(
                Base, sock=left, ssl=client_context, server_hostname='elsewhere.example')
        except ssl.SSLCertVerificationError:
            pass
        else:
            raise AssertionError
        try:
            # TLS 1.3: the server may have sent its last before.
            await other
        except OSError:
            pass
        """,
}

SCRIPT = """
import ctypes, gc, logging, socket, ssl
logging.disable()

server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain('CERTIFICATES/server.pem')
server_context.num_tickets = 0
server_context.options |= ssl.OP_NO_TICKET
client_context = ssl.create_default_context(cafile='CERTIFICATES/authority.pem')
client_context.options |= ssl.OP_NO_TICKET

received = [0]
ends = [0]

class Base(asyncio.Protocol):
    def connection_lost(self, exc):
        ends[0] += 1

class Echo(Base):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        received[0] += len(data)
        self.transport.write(data)

class Counting(Base):
    def data_received(self, data):
        received[0] += len(data)

class Buffered(asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        return bytearray(64)
    def buffer_updated(self, size):
        received[0] += size
    connection_lost = Base.connection_lost

class Raising(Base):
    def data_received(self, data):
        raise KeyError

async def tick():
    await asyncio.sleep(0)
    await asyncio.sleep(0)

async def until(condition):
    while not condition():
        await asyncio.sleep(0)

async def lost(count):
    await until(lambda: ends[0] >= count)
    ends[0] = 0

async def pair(factory=Counting):
    left, right = socket.socketpair()
    (client, _), (server, _) = await asyncio.gather(
        loop.create_connection(
            factory, sock=left, ssl=client_context, server_hostname='localhost'),
        loop.connect_accepted_socket(Echo, right, ssl=server_context),
    )
    return client, server

async def serve(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()

async def once():
    KIND

async def many(count):
    for number in range(count):
        await once()
    for _ in range(10):
        await tick()

def state():
    gc.collect()
    return sys.getallocatedblocks(), len(support.open_fds()), support.live_objects(), allocated()

class Mallinfo(ctypes.Structure):
    names = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

def allocated():
    # Bytes that malloc() has given out, OpenSSL's among them: what is resident says little.
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    mallinfo.restype = Mallinfo
    info = mallinfo()
    return info.uordblks + info.hblkhd

async def main():
    global port
    server = await asyncio.start_server(serve, '127.0.0.1', 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    await many(max(COUNT // 10, 200))
    await many(max(COUNT // 10, 200))
    blocks, fds, live, size = state()
    await many(COUNT)
    blocks_after, fds_after, live_after, size_after = state()
    assert fds_after == fds, (fds, fds_after)
    assert live_after == live, (live, live_after)
    # One leaked block each time would be COUNT of them; a loop keeps some 100 cancelled timers.
    assert blocks_after - blocks < max(COUNT // 20, 400), (blocks, blocks_after)
    assert size_after - size < 100_000 + 20 * COUNT, (size, size_after)
    server.close()

loop = new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    """A tenth of COUNT for most kinds, and fewer on stock: that shows the script is right."""
    count = COUNT if kind == 'closed by us' else COUNT // 10
    script = SCRIPT.replace('CERTIFICATES', str(CERTIFICATES))
    check(impl, script, KINDS[kind], count if impl.ours else COUNT // 20)
