"""TLS: connections, servers, start_tls()."""

import asyncio
import pathlib
import socket
import ssl
import tempfile
import threading

from harness.probe import Group

from .connections import Client, Echo
from .transports import Recorder

tls = Group('TLS', 'tests/net/test_tls_transport.py')
START = 'tests/net/test_tls_start.py'
SERVER = 'tests/net/test_tls_server.py'
HANDSHAKE = 'tests/net/test_tls_handshake.py'
CERTIFICATES = pathlib.Path(__file__).resolve().parents[2] / 'tests' / 'certificates'


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / 'server.pem')
    return context


def client_context():
    return ssl.create_default_context(cafile=CERTIFICATES / 'authority.pem')


async def tls_server(t, factory=Echo, **kwargs):
    server = await t.loop.create_server(factory, '127.0.0.1', 0, ssl=server_context(), **kwargs)
    return server, server.sockets[0].getsockname()[1]


async def tls_client(t, port, factory=None, **kwargs):
    kwargs.setdefault('ssl', client_context())
    kwargs.setdefault('server_hostname', 'localhost')
    factory = factory or (lambda: Client(t.loop))
    return await t.loop.create_connection(factory, '127.0.0.1', port, **kwargs)


async def end(t, server, transport, client):
    transport.close()
    t.tell('lost', repr(await client.lost))
    server.close()
    await server.wait_closed()


@tls('loop.create_connection(ssl=, server_hostname=)', covers=('loop.create_server(ssl=)',))
async def connection(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    transport.write(b'ping')
    t.tell(await client.enough)
    await end(t, server, transport, client)


@tls('arguments of TLS without TLS, and the other way round', test='tests/net/test_tls_failures.py')
async def arguments(t):
    with t.raised():
        await t.loop.create_connection(Echo, '127.0.0.1', 1, server_hostname='x')
    with t.raised():
        await t.loop.create_connection(Echo, '127.0.0.1', 1, ssl_handshake_timeout=1)
    with t.raised():
        await t.loop.create_connection(Echo, '127.0.0.1', 1, ssl_shutdown_timeout=1)
    one, two = socket.socketpair()
    with one, two:
        with t.raised():
            await t.loop.create_connection(Echo, sock=one, ssl=client_context())
        with t.raised():
            await t.loop.create_server(Echo, '127.0.0.1', 0, ssl=5)
        with t.raised():
            await t.loop.create_server(Echo, '127.0.0.1', 0, ssl_handshake_timeout=1)


@tls('a certificate of another name', test='tests/net/test_tls_failures.py')
async def wrong_name(t):
    server, port = await tls_server(t)
    t.loop.set_exception_handler(lambda loop, context: None)
    with t.raised():
        try:
            await tls_client(t, port, server_hostname='elsewhere.example')
        except ssl.SSLCertVerificationError as error:
            t.tell(error.verify_message)
            raise
    server.close()


@tls('loop.create_connection(ssl_handshake_timeout=)', test=HANDSHAKE)
async def handshake_timeout(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        with t.raised():
            await tls_client(t, listener.getsockname()[1], ssl_handshake_timeout=0.005)
        with t.raised():
            await tls_client(t, listener.getsockname()[1], ssl_handshake_timeout=-1)


@tls('loop.create_server(ssl_handshake_timeout=)', test=HANDSHAKE)
async def server_handshake_timeout(t):
    t.loop.set_exception_handler(
        lambda loop, context: t.tell(context['message'], context['exception'])
    )
    server, port = await tls_server(t, ssl_handshake_timeout=0.005)
    with socket.create_connection(('127.0.0.1', port)) as one:
        one.setblocking(False)
        with t.raised():
            t.tell(await t.loop.sock_recv(one, 10))
    server.close()


@tls(
    'loop.create_connection(ssl_shutdown_timeout=)',
    test='tests/net/test_tls_close.py',
    covers=('loop.create_server(ssl_shutdown_timeout=)',),
)
async def shutdown_timeout(t):
    async with _silent_peer() as port:
        transport, protocol = await tls_client(
            t, port, lambda: Recorder(t), ssl_shutdown_timeout=0.01
        )
        transport.close()
        await protocol.lost
    server, port = await tls_server(t, ssl_shutdown_timeout=5)
    server.close()


class _silent_peer:
    """A server in a thread that shakes hands and then never answers."""

    async def __aenter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.released = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self.listener.getsockname()[1]

    def serve(self):
        sock, _ = self.listener.accept()
        with server_context().wrap_socket(sock, server_side=True, suppress_ragged_eofs=True):
            self.released.wait(5)

    async def __aexit__(self, *error):
        self.released.set()
        await asyncio.to_thread(self.thread.join)
        self.listener.close()


@tls('get_extra_info() of a TLS transport')
async def extra_info(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    for key in (
        'sslcontext',
        'ssl_object',
        'cipher',
        'peercert',
        'compression',
        'socket',
        'peername',
        'sockname',
        'x',
    ):
        t.tell(key, type(transport.get_extra_info(key)).__name__)
    t.tell(transport.get_extra_info('peercert')['subject'])
    await end(t, server, transport, client)


@tls('a TLS transport: write(), writelines(), large data', test='tests/net/test_tls_write.py')
async def large(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    client.enough.set_result(None)
    for bad in ('text', None):
        with t.raised():
            transport.write(bad)
    transport.write(b'')
    transport.write(bytes(1_000_000))
    transport.writelines([b'one', bytearray(b'two'), memoryview(b'three')])
    while len(client.data) < 1_000_011:
        await asyncio.sleep(0)
    t.tell(client.data[-11:])
    await end(t, server, transport, client)


@tls('a TLS transport: flow control and its limits', test='tests/net/test_tls_write.py')
async def limits(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    t.tell(transport.get_write_buffer_limits(), transport.get_write_buffer_size())
    transport.set_write_buffer_limits(high=1000, low=100)
    t.tell(transport.get_write_buffer_limits())
    with t.raised():
        transport.set_write_buffer_limits(1, 2)
    await end(t, server, transport, client)


@tls(
    'a TLS transport: pause_reading(), resume_reading(), is_reading()',
    test='tests/net/test_tls_data.py',
)
async def pause(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    t.tell(transport.is_reading(), transport.pause_reading(), transport.is_reading())
    transport.write(b'ping')
    await asyncio.sleep(0.003)
    t.tell(client.data, transport.resume_reading())
    t.tell(await client.enough)
    await end(t, server, transport, client)


@tls('a TLS transport: write_eof(), can_write_eof()', test='tests/net/test_tls_close.py')
async def write_eof(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    t.tell(transport.can_write_eof())
    with t.raised():
        transport.write_eof()
    await end(t, server, transport, client)


@tls('a TLS transport: abort(), is_closing()', test='tests/net/test_tls_close.py')
async def abort(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    t.tell(transport.is_closing(), transport.abort(), transport.is_closing())
    t.tell(repr(await client.lost))
    server.close()


@tls('a TLS transport: set_protocol(), get_protocol()')
async def set_protocol(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    other = Client(t.loop)
    transport.set_protocol(other)
    t.tell(transport.get_protocol() is other)
    transport.write(b'ping')
    t.tell(await other.enough, client.data)
    await end(t, server, transport, other)


@tls('the other side ends TLS: eof_received()', test='tests/net/test_tls_close.py')
async def peer_closes(t):
    class Closes(Echo):
        def connection_made(self, transport):
            transport.write(b'bye')
            transport.close()

    server, port = await tls_server(t, Closes)
    _, protocol = await tls_client(t, port, lambda: Recorder(t))
    await protocol.lost
    server.close()
    await server.wait_closed()


@tls('loop.start_tls()', covers=('loop.start_tls(server_hostname=)',), test=START)
async def start_tls(t):
    server, port = await tls_server(t)
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    new = await t.loop.start_tls(transport, client, client_context(), server_hostname='localhost')
    t.tell(new is transport, isinstance(new, asyncio.Transport))
    new.write(b'ping')
    t.tell(await client.enough)
    await end(t, server, new, client)
    with t.raised():
        await t.loop.start_tls(new, client, 5)


@tls('loop.start_tls(server_side=)', test=START)
async def start_tls_server(t):
    async def upgrade(transport, protocol):
        new = await t.loop.start_tls(transport, protocol, server_context(), server_side=True)
        t.tell('upgraded')
        new.write(b'ping')

    class Upgrades(Echo):
        def connection_made(self, transport):
            self.transport = transport
            transport.pause_reading()
            self.task = t.loop.create_task(upgrade(transport, self))

    server = await t.loop.create_server(Upgrades, '127.0.0.1', 0)
    transport, client = await tls_client(t, server.sockets[0].getsockname()[1])
    t.tell(await client.enough)
    await end(t, server, transport, client)


@tls('loop.start_tls(ssl_handshake_timeout=, ssl_shutdown_timeout=)', test=START)
async def start_tls_timeout(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        transport, client = await t.loop.create_connection(
            lambda: Client(t.loop), *listener.getsockname()
        )
        with t.raised():
            await t.loop.start_tls(
                transport,
                client,
                client_context(),
                server_hostname='localhost',
                ssl_handshake_timeout=0.005,
                ssl_shutdown_timeout=1,
            )


@tls(
    'StreamWriter.start_tls()',
    test=START,
    covers=(
        'StreamWriter.start_tls(server_hostname=)',
        'StreamWriter.start_tls(ssl_handshake_timeout=)',
        'StreamWriter.start_tls(ssl_shutdown_timeout=)',
    ),
)
async def stream_start_tls(t):
    server, port = await tls_server(t)
    source, out = await t.aio.open_connection('127.0.0.1', port)
    with t.raised():
        await out.start_tls(
            client_context(),
            server_hostname='localhost',
            ssl_handshake_timeout=5,
            ssl_shutdown_timeout=5,
        )
        out.write(b'ping')
        t.tell(await source.readexactly(4))
    out.close()
    await out.wait_closed()
    server.close()


@tls('streams over TLS')
async def tls_streams(t):
    async def serve(source, out):
        async for line in source:
            out.write(line.upper())
        out.close()

    server = await t.aio.start_server(serve, '127.0.0.1', 0, ssl=server_context())
    source, out = await t.aio.open_connection(
        *server.sockets[0].getsockname(), ssl=client_context(), server_hostname='localhost'
    )
    out.write(b'one\ntwo\n')
    t.tell(await source.readline(), await source.readline())
    out.close()
    with t.raised():
        await out.wait_closed()
    server.close()


@tls(
    'loop.create_unix_connection(ssl=, server_hostname=)',
    test=SERVER,
    covers=(
        'loop.create_unix_server(ssl=)',
        'loop.create_unix_server(ssl_handshake_timeout=)',
        'loop.create_unix_server(ssl_shutdown_timeout=)',
        'loop.create_unix_connection(ssl_handshake_timeout=)',
        'loop.create_unix_connection(ssl_shutdown_timeout=)',
    ),
)
async def unix_tls(t):
    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/socket'
        timeouts = {'ssl_handshake_timeout': 5, 'ssl_shutdown_timeout': 5}
        server = await t.loop.create_unix_server(Echo, path, ssl=server_context(), **timeouts)
        transport, client = await t.loop.create_unix_connection(
            lambda: Client(t.loop),
            path,
            ssl=client_context(),
            server_hostname='localhost',
            **timeouts,
        )
        transport.write(b'ping')
        t.tell(await client.enough)
        await end(t, server, transport, client)


@tls(
    'loop.connect_accepted_socket(ssl=, ssl_handshake_timeout=, ssl_shutdown_timeout=)', test=SERVER
)
async def accepted_tls(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        connecting = asyncio.create_task(tls_client(t, listener.getsockname()[1]))
        accepted, _ = await asyncio.to_thread(listener.accept)
        await t.loop.connect_accepted_socket(
            Echo, accepted, ssl=server_context(), ssl_handshake_timeout=5, ssl_shutdown_timeout=5
        )
        transport, client = await connecting
        transport.write(b'ping')
        t.tell(await client.enough)
        transport.close()
        await client.lost


@tls('sendfile() over TLS', test='tests/net/test_sendfile.py')
async def tls_sendfile(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    with tempfile.TemporaryFile() as file:
        file.write(b'data of a file')
        file.flush()
        t.tell(await t.loop.sendfile(transport, file, 5))
        t.tell(await client.enough)
        with t.raised():
            await t.loop.sendfile(transport, file, fallback=False)
    await end(t, server, transport, client)


@tls('plain text where TLS is awaited', test='tests/net/test_tls_failures.py')
async def plain_text(t):
    t.loop.set_exception_handler(
        lambda loop, context: t.tell(context['message'], type(context['exception']).__name__)
    )
    server, port = await tls_server(t)
    with socket.create_connection(('127.0.0.1', port)) as one:
        one.sendall(b'GET / HTTP/1.1\r\n\r\n')
        one.setblocking(False)
        while True:
            try:
                if not await t.loop.sock_recv(one, 100):
                    break
            except ConnectionError:
                break
    server.close()


@tls('BufferedProtocol over TLS', test='tests/net/test_tls_data.py')
async def buffered_tls(t):
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.buffer = bytearray(100)
            self.lost = t.loop.create_future()
            self.enough = t.loop.create_future()
            self.data = b''

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, nbytes):
            self.data += self.buffer[:nbytes]
            if len(self.data) == 4:
                self.enough.set_result(self.data)

        def connection_lost(self, exc):
            self.lost.set_result(exc)

    server, port = await tls_server(t)
    transport, client = await tls_client(t, port, Buffered)
    transport.write(b'ping')
    t.tell(await client.enough)
    await end(t, server, transport, client)


@tls('repr and class of a TLS transport')
async def tls_repr(t):
    server, port = await tls_server(t)
    transport, client = await tls_client(t, port)
    t.tell(type(transport).__name__, isinstance(transport, asyncio.Transport))
    await end(t, server, transport, client)
