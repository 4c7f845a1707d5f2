"""Much data over TLS, in a process of its own: 100 MB both ways at once, and what stays of it."""

from __future__ import annotations

import pathlib

import pytest
import support

CERTIFICATES = pathlib.Path(support.__file__).parent / 'certificates'

COMMON = """
import ctypes, gc, hashlib, resource, socket, ssl

server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain('CERTIFICATES/server.pem')
client_context = ssl.create_default_context(cafile='CERTIFICATES/authority.pem')

class Side(asyncio.Protocol):
    received = 0
    expected = 0
    paused = False

    def __init__(self):
        self.seen = hashlib.md5(usedforsecurity=False)
        self.all_there = loop.create_future()
        self.ended = loop.create_future()
        self.resumed = asyncio.Event()
        self.resumed.set()
    def connection_made(self, transport):
        self.transport = transport
    def pause_writing(self):
        self.resumed.clear()
    def resume_writing(self):
        self.resumed.set()
    def data_received(self, data):
        self.received += len(data)
        self.seen.update(data)
        if self.received >= self.expected and not self.all_there.done():
            self.all_there.set_result(None)
    def connection_lost(self, exc):
        self.ended.set_result(exc)
    async def send(self, chunk, count):
        for _ in range(count):
            await self.resumed.wait()
            self.transport.write(chunk)

async def pair():
    left, right = socket.socketpair()
    (_, client), (_, server) = await asyncio.gather(
        loop.create_connection(
            Side, sock=left, ssl=client_context, server_hostname='localhost'),
        loop.connect_accepted_socket(Side, right, ssl=server_context),
    )
    return client, server

async def end(sides):
    sides[0].transport.close()
    for side in sides:
        assert await side.ended is None

def run(main):
    global loop
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
    loop.close()
"""

BOTH_WAYS = """
async def main():
    chunk = bytes(range(256)) * 1000
    count = 100_000_000 // len(chunk)
    wanted = hashlib.md5(usedforsecurity=False)
    for _ in range(count):
        wanted.update(chunk)
    sides = await pair()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for side in sides:
        side.expected = count * len(chunk)
    await asyncio.gather(*(side.send(chunk, count) for side in sides))
    for side in sides:
        await side.all_there
        assert side.received == side.expected
        assert side.seen.digest() == wanted.digest()
    # What flow control lets pile up, not what was sent.
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40_000, grown
    await end(sides)

run(main)
"""

BURST = """
class Mallinfo(ctypes.Structure):
    names = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

def allocated():
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    info = mallinfo()
    return info.uordblks + info.hblkhd

async def main():
    try:
        allocated()
    except AttributeError:
        print('no mallinfo2')
        return
    pairs = [await pair() for _ in range(50)]
    for client, server in pairs:
        client.expected = server.expected = 10
        client.transport.write(bytes(10))
        server.transport.write(bytes(10))
        await asyncio.gather(client.all_there, server.all_there)
    before = allocated()
    for client, server in pairs:
        client.all_there, server.all_there = loop.create_future(), loop.create_future()
        client.expected = server.expected = 10 + 3_000_000
        await asyncio.gather(client.send(bytes(100_000), 30), server.send(bytes(100_000), 30))
        await asyncio.gather(client.all_there, server.all_there)
    # Each end is one of 100.
    print((allocated() - before) // 100)
    for both in pairs:
        await end(both)

run(main)
"""


def script(code):
    return (COMMON + code).replace('CERTIFICATES', str(CERTIFICATES))


def test_100_megabytes_both_ways_at_once(impl):
    support.run_script(impl, script(BOTH_WAYS))


@pytest.mark.ours
def test_what_a_burst_leaves(impl):
    """Bytes at each end. Of stock's it is a MB: OpenSSL's memory BIOs do not shrink."""
    out, _ = support.run_script(impl, script(BURST))
    if 'no mallinfo2' in out:
        pytest.skip('needs glibc')
    assert int(out) < 200_000
