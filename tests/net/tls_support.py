"""What the tests of TLS share: contexts, and a peer that does what a test says, no more."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import ssl

import pytest
from net.support import LOST, small_buffers, stream_pair

CERTIFICATES = pathlib.Path(__file__).resolve().parent.parent / 'certificates'

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
SIDES = ('client', 'server')

both_sides = pytest.mark.parametrize('side', SIDES)
both_versions = pytest.mark.parametrize('version', VERSIONS, ids=lambda version: version.name)


def certificate(name):
    """The path of a private key and its certificate; see certificates/make.sh."""
    return str(CERTIFICATES / f'{name}.pem')


def server_context(name='server', version=None, clients=None):
    """A server's context; clients names the authority that clients' certificates need."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(name))
    if clients:
        context.load_verify_locations(certificate(clients))
        context.verify_mode = ssl.CERT_REQUIRED
    return limited(context, version)


def client_context(name=None, version=None, authority='authority'):
    """A client's context, with a certificate of its own if it has a name."""
    context = ssl.create_default_context(cafile=certificate(authority))
    if name:
        context.load_cert_chain(certificate(name))
    return limited(context, version)


def limited(context, version):
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def contexts(version=None):
    """A server's and a client's."""
    return server_context(version=version), client_context(version=version)


class Peer:
    """The other end of a connection, in TLS by the ssl module alone."""

    def __init__(self, sock, context, server_side, server_hostname=None, session=None):
        if sock.family == socket.AF_INET:
            # Else a record may wait for the kernel's idea of a good moment.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session,
        )

    async def flush(self):
        if data := self.outgoing.read():
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def feed(self, size=65536):
        """Get more of what the other side sent; false at its end."""
        data = await asyncio.get_running_loop().sock_recv(self.sock, size)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    async def call(self, method, *args):
        """A method of the SSLObject, as often as it takes."""
        while True:
            try:
                return method(*args)
            except ssl.SSLWantReadError:
                await self.flush()
                await self.feed()
            finally:
                await self.flush()

    async def handshake(self):
        await self.call(self.object.do_handshake)

    async def write(self, data):
        view = memoryview(data)
        while view:
            view = view[await self.call(self.object.write, view[:16384]) :]

    def record(self, data):
        """The bytes of a record that holds data, not sent."""
        assert not self.outgoing.pending
        self.object.write(data)
        return self.outgoing.read()

    async def read(self, size=65536):
        """What is there, b'' once the other side has said its end or has gone."""
        try:
            return await self.call(self.object.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b''

    async def receive(self, size):
        """So many bytes, or what there is until the end."""
        received = bytearray()
        while len(received) < size:
            data = await self.read(size - len(received))
            if not data:
                break
            received += data
        return bytes(received)

    async def unwrap(self):
        """Say the end, wait for the other side's, and close."""
        await self.call(self.object.unwrap)
        self.sock.close()

    def vanish(self):
        """Close without a close_notify, and with nothing unread: by a FIN."""
        with contextlib.suppress(BlockingIOError):
            while self.sock.recv(65536):
                pass
        self.sock.close()

    def say_end(self):
        """The bytes of a close_notify, not sent."""
        assert not self.outgoing.pending
        with contextlib.suppress(ssl.SSLWantReadError):
            self.object.unwrap()
        return self.outgoing.read()


def opening(protocol, side, sock, context=None, **options):
    """The coroutine that makes a transport of that side on the socket."""
    loop = asyncio.get_running_loop()
    if side == 'server':
        context = context or server_context()
        return loop.connect_accepted_socket(lambda: protocol, sock, ssl=context, **options)
    options.setdefault('server_hostname', 'localhost')
    context = context or client_context()
    return loop.create_connection(lambda: protocol, sock=sock, ssl=context, **options)


def peer_of(side, sock, context=None, **options):
    """A peer for a transport of that side."""
    if side == 'server':
        options.setdefault('server_hostname', 'localhost')
        return Peer(sock, context or client_context(), False, **options)
    return Peer(sock, context or server_context(), True, **options)


@contextlib.asynccontextmanager
async def opened(protocol, side='client', kind='tcp', context=None, small=False, **options):
    """A task that opens a transport, and the raw socket at the other end."""
    left, right = stream_pair(kind)
    if small:
        small_buffers(left, right)
    with right:
        task = asyncio.ensure_future(opening(protocol, side, left, context, **options))
        try:
            yield task, right
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            if not task.cancelled():
                if task.exception() is None:
                    await ended(task.result()[0], protocol)
                else:
                    task.exception().__traceback__ = None


@contextlib.asynccontextmanager
async def secured(
    protocol, side='client', kind='tcp', context=None, theirs=None, small=False, **options
):
    """A transport with that protocol, and its peer, after the handshake; both are closed at last.

    context and theirs are our and the peer's context.
    """
    async with opened(protocol, side, kind, context, small, **options) as (task, sock):
        peer = peer_of(side, sock, theirs)
        await peer.handshake()
        transport, _ = await task
        yield transport, peer


async def ended(transport, protocol):
    """Abort, unless it has come to its end, and wait until the protocol was told."""
    if not protocol.count(LOST):
        transport.abort()
        await protocol.lost()


async def failure(awaitable):
    """The exception that awaiting raises, without what its traceback holds."""
    try:
        await awaitable
    except Exception as error:
        error.__traceback__ = None
        return error
    raise AssertionError('nothing was raised')


async def alone():
    """Wait until no task is left but the one that waits."""
    for _ in range(1000):
        if len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0)
    raise AssertionError(asyncio.all_tasks())
