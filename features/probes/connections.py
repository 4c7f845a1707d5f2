"""Making connections and servers, with each of their arguments."""

import asyncio
import os
import socket
import tempfile

from harness.probe import Group

connect = Group('Connections', 'tests/net/test_streams.py')
serve = Group('Servers', 'tests/net/test_server.py')
datagram = Group('Datagrams', 'tests/net/test_datagram_transport.py')


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def __init__(self, t=None):
        self.t = t

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Client(asyncio.Protocol):
    """Collects what comes."""

    def __init__(self, loop):
        self.data = b''
        self.lost = loop.create_future()
        self.enough = loop.create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        if len(self.data) >= 4 and not self.enough.done():
            self.enough.set_result(self.data)

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def echo_server(t, **kwargs):
    """(server, port) of a server of Echo on loopback."""
    kwargs.setdefault('host', '127.0.0.1')
    server = await t.loop.create_server(Echo, port=0, **kwargs)
    return server, server.sockets[0].getsockname()[1]


async def answered(t):
    """(server, transport, client): a server of Echo, and a connection that it has answered on."""
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    transport.write(b'ping')
    await client.enough
    return server, transport, client


async def talk(t, transport, client):
    transport.write(b'ping')
    t.tell(await client.enough)
    transport.close()
    t.tell('lost', repr(await client.lost))


async def end(server):
    server.close()
    await server.wait_closed()


@connect('loop.create_connection()')
async def create_connection(t):
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    t.tell(isinstance(transport, asyncio.Transport), client.transport is transport)
    await talk(t, transport, client)
    await end(server)
    with t.raised():
        await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    with t.raised():
        await t.loop.create_connection(lambda: Client(t.loop))


@connect(
    'loop.create_connection(sock=)',
    covers=('loop.create_connection(host=)', 'loop.create_connection(port=)'),
)
async def connection_sock(t):
    one, two = socket.socketpair()
    with two:
        transport, client = await t.loop.create_connection(lambda: Client(t.loop), sock=one)
        t.tell(one.getblocking())
        two.send(b'data')
        t.tell(await client.enough)
        transport.close()
        await client.lost
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        with t.raised():
            await t.loop.create_connection(lambda: Client(t.loop), sock=wrong)
        with t.raised():
            await t.loop.create_connection(lambda: Client(t.loop), 'host', 1, sock=wrong)


@connect('loop.create_connection(family=, proto=, flags=)')
async def connection_family(t):
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(
        lambda: Client(t.loop),
        '127.0.0.1',
        port,
        family=socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )
    await talk(t, transport, client)
    with t.raised():
        await t.loop.create_connection(asyncio.Protocol, '127.0.0.1', port, family=socket.AF_INET6)
    await end(server)


@connect('loop.create_connection(local_addr=)')
async def connection_local(t):
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(
        lambda: Client(t.loop), '127.0.0.1', port, local_addr=('127.0.0.2', 0)
    )
    t.tell(transport.get_extra_info('sockname')[0])
    await talk(t, transport, client)
    with t.raised():
        await t.loop.create_connection(
            lambda: Client(t.loop), '127.0.0.1', port, local_addr=('127.0.0.1', port)
        )
    await end(server)


async def _two_addresses(t, port):
    """The loop resolves the host `two` to a port where nobody listens, and to the server's."""
    refused = socket.create_server(('127.0.0.1', 0))
    nobody = refused.getsockname()[1]
    refused.close()

    async def resolve(host, _port, **kwargs):
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, '')
        return [(*kind, ('127.0.0.1', port)) for port in ports]

    ports = [nobody, port]
    original = t.loop.getaddrinfo

    async def getaddrinfo(host, *args, **kwargs):
        if host == 'two':
            return await resolve(host, *args, **kwargs)
        return await original(host, *args, **kwargs)

    t.loop.getaddrinfo = getaddrinfo
    return ports


async def _talk_to_two_addresses(t, **kwargs):
    server, port = await echo_server(t)
    await _two_addresses(t, port)
    transport, client = await t.loop.create_connection(
        lambda: Client(t.loop), 'two', port, **kwargs
    )
    await talk(t, transport, client)
    await end(server)


@connect('loop.create_connection(happy_eyeballs_delay=)')
async def happy_eyeballs(t):
    await _talk_to_two_addresses(t, happy_eyeballs_delay=0.2)


@connect('loop.create_connection(interleave=)')
async def interleave(t):
    await _talk_to_two_addresses(t, interleave=1)


@connect('loop.create_connection(all_errors=)', since=(3, 12))
async def all_errors(t):
    server, port = await echo_server(t)
    await end(server)
    with t.raised():
        try:
            await t.loop.create_connection(asyncio.Protocol, '127.0.0.1', port, all_errors=True)
        except ExceptionGroup as group:
            t.tell(group.message, [type(error).__name__ for error in group.exceptions])


@connect('several addresses that all refuse: the error')
async def several_refused(t):
    ports = await _two_addresses(t, 0)
    ports[1] = ports[0]
    with t.raised():
        await t.loop.create_connection(asyncio.Protocol, 'two', 1)


@connect('TCP_NODELAY is set')
async def nodelay(t):
    server, port = await echo_server(t)
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    sock = transport.get_extra_info('socket')
    t.tell(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) > 0, sock.type, sock.family)
    transport.close()
    await client.lost
    await end(server)


@connect('loop.create_unix_connection()', covers=('loop.create_unix_connection(path=)',))
async def create_unix_connection(t):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        server = await t.loop.create_unix_server(Echo, path)
        transport, client = await t.loop.create_unix_connection(lambda: Client(t.loop), path)
        await talk(t, transport, client)
        await end(server)
        with t.raised():
            await t.loop.create_unix_connection(lambda: Client(t.loop), path + 'x')
        with t.raised():
            await t.loop.create_unix_connection(lambda: Client(t.loop))


@connect('loop.create_unix_connection(sock=)')
async def unix_connection_sock(t):
    one, two = socket.socketpair()
    with two:
        transport, client = await t.loop.create_unix_connection(lambda: Client(t.loop), sock=one)
        two.send(b'data')
        t.tell(await client.enough)
        transport.close()
        await client.lost


@connect('abstract Unix sockets')
async def unix_abstract(t):
    path = f'\0pyasync-feature-{os.getpid()}'
    server = await t.loop.create_unix_server(Echo, path)
    transport, client = await t.loop.create_unix_connection(lambda: Client(t.loop), path)
    await talk(t, transport, client)
    await end(server)


@connect('loop.connect_accepted_socket()')
async def connect_accepted_socket(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        with socket.create_connection(listener.getsockname()) as other:
            accepted, _ = listener.accept()
            transport, client = await t.loop.connect_accepted_socket(
                lambda: Client(t.loop), accepted
            )
            other.send(b'data')
            t.tell(await client.enough)
            transport.close()
            t.tell(await client.lost)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        with t.raised():
            await t.loop.connect_accepted_socket(asyncio.Protocol, wrong)


@connect('a protocol factory that fails, connection_made() that fails')
async def factory_fails(t):
    class Bad(asyncio.Protocol):
        def connection_made(self, transport):
            transport.close()
            raise KeyError('made')

        def connection_lost(self, exc):
            t.tell('lost', repr(exc))

    def factory():
        raise KeyError('factory')

    for one in (factory, Bad):
        sockets = socket.socketpair()
        with sockets[0], sockets[1]:
            with t.raised():
                await t.loop.create_connection(one, sock=sockets[0])
            await asyncio.sleep(0.001)


@serve('loop.create_server()', covers=('loop.create_server(host=)', 'loop.create_server(port=)'))
async def create_server(t):
    server, port = await echo_server(t)
    t.tell(isinstance(server, asyncio.AbstractServer), len(server.sockets))
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    await talk(t, transport, client)
    with t.raised():
        await t.loop.create_server(Echo, '127.0.0.1', port)
    await end(server)
    with t.raised():
        await t.loop.create_server(Echo)


@serve('create_server() on several hosts')
async def several_hosts(t):
    server = await t.loop.create_server(Echo, ['127.0.0.1', '127.0.0.2'], 0)
    t.tell(sorted(sock.getsockname()[0] for sock in server.sockets))
    await end(server)


@serve('loop.create_server(sock=)')
async def server_sock(t):
    listener = socket.create_server(('127.0.0.1', 0))
    server = await t.loop.create_server(Echo, sock=listener)
    t.tell(server.sockets[0].fileno() == listener.fileno())
    await end(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        with t.raised():
            await t.loop.create_server(Echo, sock=wrong)
        with t.raised():
            await t.loop.create_server(Echo, 'host', 1, sock=wrong)


@serve('loop.create_server(family=, flags=)')
async def server_family(t):
    server = await t.loop.create_server(
        Echo, None, 0, family=socket.AF_INET, flags=socket.AI_PASSIVE
    )
    t.tell([sock.getsockname()[0] for sock in server.sockets])
    await end(server)


@serve('loop.create_server(backlog=)')
async def server_backlog(t):
    server, port = await echo_server(t, backlog=1)
    with socket.create_connection(('127.0.0.1', port)) as one:
        one.sendall(b'ping')
        one.setblocking(False)
        t.tell(await t.loop.sock_recv(one, 10))
    await end(server)


@serve('loop.create_server(reuse_address=)')
async def reuse_address(t):
    for value in (True, False, None):
        server, _ = await echo_server(t, reuse_address=value)
        t.tell(server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        await end(server)


@serve('loop.create_server(reuse_port=)')
async def reuse_port(t):
    server, port = await echo_server(t, reuse_port=True)
    t.tell(server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
    other = await t.loop.create_server(Echo, '127.0.0.1', port, reuse_port=True)
    await end(other)
    await end(server)


@serve('loop.create_server(keep_alive=)', since=(3, 13))
async def keep_alive(t):
    server, _ = await echo_server(t, keep_alive=True)
    t.tell(server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
    await end(server)


@serve('loop.create_server(start_serving=)', covers=('Server.start_serving()',))
async def start_serving(t):
    server, port = await echo_server(t, start_serving=False)
    t.tell(server.is_serving())
    with t.raised():
        await t.loop.create_connection(asyncio.Protocol, '127.0.0.1', port)
    t.tell(await server.start_serving(), server.is_serving(), await server.start_serving())
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    await talk(t, transport, client)
    await end(server)


@serve(
    'loop.create_unix_server()',
    covers=('loop.create_unix_server(path=)', 'loop.create_unix_server(backlog=)'),
)
async def create_unix_server(t):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        server = await t.loop.create_unix_server(Echo, path, backlog=5)
        t.tell(server.sockets[0].getsockname() == path, os.path.exists(path))
        await end(server)
        with t.raised():
            await t.loop.create_unix_server(Echo, os.path.join(folder, 'none', 'socket'))
        open(path + '-file', 'w').close()
        with t.raised():
            await t.loop.create_unix_server(Echo, path + '-file')
        with t.raised():
            await t.loop.create_unix_server(Echo)


@serve('loop.create_unix_server(cleanup_socket=)', since=(3, 13))
async def cleanup_socket(t):
    with tempfile.TemporaryDirectory() as folder:
        for value in (True, False):
            path = os.path.join(folder, f'socket{value}')
            server = await t.loop.create_unix_server(Echo, path, cleanup_socket=value)
            await end(server)
            t.tell(value, os.path.exists(path))


@serve('loop.create_unix_server(sock=, start_serving=)')
async def unix_server_sock(t):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        server = await t.loop.create_unix_server(Echo, sock=listener, start_serving=False)
        t.tell(server.is_serving())
        await server.start_serving()
        transport, client = await t.loop.create_unix_connection(lambda: Client(t.loop), path)
        await talk(t, transport, client)
        await end(server)


@serve('Server.close()')
async def server_close(t):
    server, port = await echo_server(t)
    t.tell(server.close(), server.is_serving(), server.sockets, server.close())
    await server.wait_closed()
    with t.raised():
        await t.loop.create_connection(asyncio.Protocol, '127.0.0.1', port)


@serve('Server.wait_closed()', since=(3, 12))
async def wait_closed(t):
    server, transport, _ = await answered(t)
    waiting = asyncio.create_task(server.wait_closed())
    await asyncio.sleep(0.001)
    t.tell('before close', waiting.done())
    server.close()
    await asyncio.sleep(0.001)
    t.tell('a connection left', waiting.done())
    transport.close()
    t.tell(await waiting)


@serve('Server.wait_closed() of 3.11', until=(3, 12), covers=('Server.wait_closed()',))
async def wait_closed_old(t):
    server, _ = await echo_server(t)
    server.close()
    t.tell(await server.wait_closed())


@serve('Server.close_clients()', since=(3, 13))
async def close_clients(t):
    server, _, client = await answered(t)
    server.close()
    t.tell(server.close_clients(), repr(await client.lost))
    await server.wait_closed()


@serve('Server.abort_clients()', since=(3, 13))
async def abort_clients(t):
    server, _, client = await answered(t)
    server.close()
    t.tell(server.abort_clients())
    await client.lost
    await server.wait_closed()


@serve('Server.serve_forever()')
async def serve_forever(t):
    server, port = await echo_server(t, start_serving=False)
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    t.tell(server.is_serving())
    with t.raised():
        await server.serve_forever()
    transport, client = await t.loop.create_connection(lambda: Client(t.loop), '127.0.0.1', port)
    await talk(t, transport, client)
    task.cancel()
    with t.raised():
        await task
    t.tell(server.is_serving(), server.sockets)
    with t.raised():
        await server.serve_forever()


@serve('serve_forever() and close() from elsewhere')
async def serve_forever_closed(t):
    server, _ = await echo_server(t)
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    server.close()
    with t.raised():
        await task


@serve('Server.is_serving()', covers=('Server.get_loop()',))
async def is_serving(t):
    async with (await echo_server(t))[0] as server:
        t.tell(server.is_serving(), server.get_loop() is t.loop)
    t.tell(server.is_serving())


@serve('Server.sockets')
async def server_sockets(t):
    server, _ = await echo_server(t)
    t.tell(type(server.sockets), type(server.sockets[0]).__name__, server.sockets[0].family)
    await end(server)
    t.tell(server.sockets)


@serve('repr of a server')
async def server_repr(t):
    server, _ = await echo_server(t)
    t.tell(server)
    await end(server)
    t.tell(server)


@serve('what a connection runs in: its context', since=(3, 15))
async def server_context(t):
    import contextvars

    var = contextvars.ContextVar('var', default='unset')

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            t.tell('made', var.get())
            var.set('made')

        def data_received(self, data):
            t.tell('received', var.get())
            done.set_result(None)

    done = t.loop.create_future()
    var.set('by the server')
    server = await t.loop.create_server(Protocol, '127.0.0.1', 0)
    var.set('later')
    with socket.create_connection(server.sockets[0].getsockname()) as one:
        one.sendall(b'data')
        await done
    server.close()


class Datagrams(asyncio.DatagramProtocol):
    """Tells what happens to it."""

    def __init__(self, t, count=1):
        self.t = t
        self.got = []
        self.enough = t.loop.create_future()
        self.lost = t.loop.create_future()
        self.count = count

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.got.append(data)
        self.t.tell('received', data, addr[0] if isinstance(addr, tuple) else repr(addr))
        if len(self.got) == self.count:
            self.enough.set_result(None)

    def error_received(self, exc):
        self.t.tell('error', exc)
        if not self.enough.done():
            self.enough.set_result(None)

    def connection_lost(self, exc):
        self.lost.set_result(repr(exc))


async def udp(t, count=1, **kwargs):
    kwargs = kwargs or {'local_addr': ('127.0.0.1', 0)}
    return await t.loop.create_datagram_endpoint(lambda: Datagrams(t, count), **kwargs)


@datagram(
    'loop.create_datagram_endpoint()',
    covers=('loop.create_datagram_endpoint(local_addr=)', 'DatagramTransport.sendto(addr=)'),
)
async def create_datagram_endpoint(t):
    one, first = await udp(t)
    two, second = await udp(t)
    t.tell(isinstance(one, asyncio.DatagramTransport))
    two.sendto(b'a', addr=one.get_extra_info('sockname'))
    await first.enough
    one.close()
    two.close()
    t.tell(await first.lost, await second.lost)
    with t.raised():
        await t.loop.create_datagram_endpoint(lambda: Datagrams(t))


@datagram('loop.create_datagram_endpoint(remote_addr=)', covers=('DatagramTransport.sendto()',))
async def remote_addr(t):
    server, first = await udp(t)
    address = server.get_extra_info('sockname')
    client, second = await udp(t, remote_addr=address)
    t.tell(client.get_extra_info('peername') == address)
    client.sendto(b'data')
    await first.enough
    client.sendto(b'more', address)
    with t.raised():
        client.sendto(b'data', ('127.0.0.1', 1))
    with t.raised():
        client.sendto('text')
    server.close()
    client.close()
    await second.lost


@datagram(
    'an error of the network: error_received()', covers=('DatagramProtocol.error_received()',)
)
async def error_received(t):
    server, _ = await udp(t)
    address = server.get_extra_info('sockname')
    server.abort()
    await asyncio.sleep(0.001)
    client, protocol = await udp(t, remote_addr=address)
    client.sendto(b'data')
    await protocol.enough
    client.close()
    await protocol.lost


@datagram('loop.create_datagram_endpoint(sock=)')
async def datagram_sock(t):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', 0))
    transport, protocol = await udp(t, sock=sock)
    transport.sendto(b'to itself', sock.getsockname())
    await protocol.enough
    transport.close()
    await protocol.lost
    with socket.socket() as wrong:
        with t.raised():
            await udp(t, sock=wrong)


@datagram('loop.create_datagram_endpoint(family=, proto=, flags=)')
async def datagram_family(t):
    transport, protocol = await udp(
        t,
        local_addr=('127.0.0.1', 0),
        family=socket.AF_INET,
        proto=socket.IPPROTO_UDP,
        flags=socket.AI_NUMERICHOST,
    )
    t.tell(transport.get_extra_info('socket').proto)
    transport.close()
    await protocol.lost
    transport, protocol = await udp(t, family=socket.AF_INET)
    transport.close()
    await protocol.lost


@datagram('loop.create_datagram_endpoint(reuse_port=)')
async def datagram_reuse_port(t):
    transport, protocol = await udp(t, local_addr=('127.0.0.1', 0), reuse_port=True)
    sock = transport.get_extra_info('socket')
    t.tell(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
    transport.close()
    await protocol.lost


@datagram('loop.create_datagram_endpoint(reuse_address=)', since=(3, 11))
async def datagram_reuse_address(t):
    with t.raised():
        transport, _ = await udp(t, local_addr=('127.0.0.1', 0), reuse_address=True)
        transport.close()


@datagram('loop.create_datagram_endpoint(allow_broadcast=)')
async def allow_broadcast(t):
    transport, protocol = await udp(t, local_addr=('127.0.0.1', 0), allow_broadcast=True)
    sock = transport.get_extra_info('socket')
    t.tell(sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST))
    transport.close()
    await protocol.lost


@datagram('Unix datagrams')
async def unix_datagram(t):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        server, first = await udp(t, local_addr=path, family=socket.AF_UNIX)
        client, second = await udp(t, remote_addr=path, family=socket.AF_UNIX)
        client.sendto(b'data')
        await first.enough
        server.close()
        client.close()
        await first.lost
        await second.lost


@datagram('DatagramTransport.abort()', covers=('DatagramProtocol.datagram_received()',))
async def datagram_abort(t):
    transport, protocol = await udp(t)
    t.tell(transport.is_closing(), transport.abort(), transport.is_closing())
    t.tell(await protocol.lost)


@datagram('a datagram transport: buffer limits, get_extra_info(), set_protocol()')
async def datagram_methods(t):
    transport, _protocol = await udp(t)
    t.tell(transport.get_write_buffer_size(), transport.get_write_buffer_limits())
    transport.set_write_buffer_limits(high=100, low=10)
    t.tell(transport.get_write_buffer_limits())
    for key in ('sockname', 'peername', 'x'):
        t.tell(key, transport.get_extra_info(key))
    t.tell(type(transport.get_extra_info('socket')).__name__)
    other = Datagrams(t)
    transport.set_protocol(other)
    t.tell(transport.get_protocol() is other)
    transport.close()
    t.tell(await other.lost)


@datagram('an empty datagram', since=(3, 13))
async def datagram_empty(t):
    one, protocol = await udp(t)
    one.sendto(b'', one.get_extra_info('sockname'))
    await protocol.enough
    one.close()
    await protocol.lost


@datagram('repr of a datagram transport')
async def datagram_repr(t):
    transport, protocol = await udp(t)
    t.tell(transport)
    transport.close()
    await protocol.lost
    t.tell(transport)
