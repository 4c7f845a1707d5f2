"""Server: accepting, starting, closing, serving forever, its clients, sockets and options."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import re
import socket
import sys
from asyncio import base_events, trsock

import pytest
import support
from net.support import Recorder, closed, iterations, receive, receive_all

pytestmark = pytest.mark.pollers

since_3_12 = pytest.mark.skipif(
    sys.version_info < (3, 12), reason='3.11: wait_closed() does not wait for clients'
)
since_3_13 = pytest.mark.skipif(sys.version_info < (3, 13), reason='new in 3.13')


class Serving:
    """A server and the protocols that it made."""

    def __init__(self, server, protocols):
        self.server = server
        self.protocols = protocols
        self.sockets = []

    @property
    def address(self):
        return self.server.sockets[0].getsockname()

    async def client(self):
        """A socket connected to the server, and the protocol at its side."""
        count = len(self.protocols)
        sock = socket.socket(self.server.sockets[0].family)
        self.sockets.append(sock)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        while len(self.protocols) == count:
            await asyncio.sleep(0)
        await self.protocols[-1].has('made')
        return sock, self.protocols[-1]


@contextlib.asynccontextmanager
async def serving(factory=Recorder, host='127.0.0.1', port=0, **options):
    """A server on loopback; at the end it is closed, and so are its connections."""
    loop = asyncio.get_running_loop()
    protocols = []

    def make():
        protocols.append(factory())
        return protocols[-1]

    serving = Serving(await loop.create_server(make, host, port, **options), protocols)
    try:
        yield serving
    finally:
        serving.server.close()
        for sock in serving.sockets:
            sock.close()
        for protocol in protocols:
            if protocol.transport is not None:
                if protocol.transport.get_extra_info('socket').fileno() >= 0:
                    protocol.transport.abort()
                await closed(protocol.transport)


class TestAccept:
    async def test_a_connection(self, loop):
        async with serving() as server:
            sock, protocol = await server.client()
            sock.send(b'question')
            assert await protocol.received(8) == b'question'
            protocol.transport.write(b'answer')
            assert await receive(sock, 6) == b'answer'
            transport = protocol.transport
            assert isinstance(transport, asyncio.Transport)
            assert transport.get_extra_info('peername') == sock.getsockname()
            assert transport.get_extra_info('sockname') == server.address
            assert transport._server is server.server
            assert transport.get_extra_info('socket').gettimeout() == 0
            transport.close()
            assert await receive_all(sock) == b''
            await protocol.lost()
            assert transport._server is None

    async def test_order_of_callbacks(self, loop):
        async with serving() as server:
            sock = socket.create_connection(server.address)
            sock.send(b'x')
            sock.close()
            while not server.protocols:
                await asyncio.sleep(0)
            (protocol,) = server.protocols
            await protocol.lost()
            assert protocol.calls == ['made', 'data', 'eof', 'lost']

    async def test_the_factory_is_called_in_order_of_arrival(self, loop):
        async with serving() as server:
            clients = [socket.create_connection(server.address) for _ in range(10)]
            while len(server.protocols) < 10:
                await asyncio.sleep(0)
            for client, protocol in zip(clients, server.protocols, strict=True):
                await protocol.has('made')
                peername = protocol.transport.get_extra_info('peername')
                assert peername == client.getsockname()
                client.close()
                await protocol.lost()

    async def test_a_burst(self, loop):
        """As many as the backlog takes, and more, at once."""
        async with serving(backlog=256) as server:
            clients = [socket.create_connection(server.address) for _ in range(200)]
            for client in clients:
                client.send(b'x')
            while len(server.protocols) < 200:
                await asyncio.sleep(0)
            for protocol in server.protocols:
                await protocol.received(1)
            for client in clients:
                client.close()

    async def test_reset_before_it_is_accepted(self, loop):
        async with serving() as server:
            for _ in range(5):
                sock = socket.create_connection(server.address)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                sock.close()
            # The server lives on, whatever it made of them.
            sock = socket.create_connection(server.address)
            sock.send(b'x')
            while not any(protocol.data for protocol in server.protocols):
                await asyncio.sleep(0)
            sock.close()
            for protocol in server.protocols:
                await protocol.lost()
                protocol.error = None

    async def test_reset_once_accepted(self, loop):
        async with serving() as server:
            sock, protocol = await server.client()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            sock.close()
            assert isinstance(await protocol.lost(), ConnectionResetError)
            assert protocol.calls == ['made', 'lost']
            protocol.error = None

    async def test_each_connection_is_nonblocking_and_not_inherited(self, loop):
        async with serving() as server:
            _, protocol = await server.client()
            fd = protocol.transport._sock_fd
            assert os.get_blocking(fd) is False
            assert os.get_inheritable(fd) is False

    async def test_context(self, loop):
        variable = contextvars.ContextVar('variable', default='none')
        seen = []

        class Seeing(Recorder):
            def note(self, *call):
                super().note(*call)
                seen.append(variable.get())

        variable.set('serving')
        async with serving(Seeing) as server:
            sock, protocol = await server.client()
            sock.send(b'x')
            await protocol.has('data')
            sock.close()
            await protocol.lost()
        assert seen == ['serving'] * 4

    async def test_debug_mode_logs(self, loop, caplog):
        caplog.set_level(logging.DEBUG, 'asyncio')
        loop.set_debug(True)
        async with serving() as server:
            assert f'{server.server!r} is serving' in caplog.messages
            sock, _ = await server.client()
            pattern = re.escape(f'{server.server!r} got a new connection from ')
            (message,) = [m for m in caplog.messages if re.match(pattern, m)]
            assert repr(sock.getsockname()) in message
        loop.set_debug(False)
        caplog.clear()


class TestServer:
    async def test_type(self, loop):
        async with serving() as server:
            assert isinstance(server.server, asyncio.AbstractServer)
            assert type(server.server) is base_events.Server
            assert server.server.get_loop() is loop
            assert server.server._ssl_context is None
            assert server.server._loop is loop

    async def test_sockets(self, loop):
        async with serving() as server:
            (sock,) = server.server.sockets
            assert type(sock) is trsock.TransportSocket
            assert repr(server.server) == f'<Server sockets={server.server.sockets!r}>'
            fd = sock.fileno()
            server.server.close()
            assert server.server.sockets == ()
            assert repr(server.server) == '<Server sockets=()>'
            assert fd not in support.open_fds()

    async def test_is_serving(self, loop):
        async with serving() as server:
            assert server.server.is_serving() is True
            server.server.close()
            assert server.server.is_serving() is False

    async def test_started_later(self, loop):
        async with serving(start_serving=False) as server:
            assert server.server.is_serving() is False
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(server.address)
            for _ in range(2):
                assert await server.server.start_serving() is None
            assert server.server.is_serving() is True
            await server.client()

    async def test_closed_is_closed(self, loop):
        async with serving() as server:
            address = server.address
            server.server.close()
            server.server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            await server.server.wait_closed()

    async def test_close_keeps_connections(self, loop):
        async with serving() as server:
            sock, protocol = await server.client()
            server.server.close()
            sock.send(b'x')
            assert await protocol.received(1) == b'x'

    async def test_closed_with_connections_waiting(self, loop):
        async with serving() as server:
            sock = socket.create_connection(server.address)
            server.server.close()
            await iterations()
            assert server.protocols == []
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
            sock.close()

    async def test_context_manager(self, loop):
        async with serving() as server:
            async with server.server as entered:
                assert entered is server.server
                assert entered.is_serving()
            assert not entered.is_serving()

    async def test_address_in_use(self, loop):
        async with serving() as server:
            port = server.address[1]
            with pytest.raises(OSError, match='error while attempting to bind on address'):
                await loop.create_server(Recorder, '127.0.0.1', port)

    async def test_socket_given(self, loop):
        sock = socket.create_server(('127.0.0.1', 0))
        server = await loop.create_server(Recorder, sock=sock)
        assert sock.gettimeout() == 0
        assert server.sockets[0].fileno() == sock.fileno()
        server.close()
        assert sock.fileno() == -1

    @pytest.mark.parametrize(
        ('options', 'level', 'option'),
        [
            ({'reuse_address': True}, socket.SOL_SOCKET, socket.SO_REUSEADDR),
            ({'reuse_port': True}, socket.SOL_SOCKET, socket.SO_REUSEPORT),
            pytest.param(
                {'keep_alive': True}, socket.SOL_SOCKET, socket.SO_KEEPALIVE, marks=since_3_13
            ),
        ],
        ids=repr,
    )
    async def test_options(self, loop, options, level, option):
        async with serving(**options) as server:
            assert server.server.sockets[0].getsockopt(level, option)

    async def test_one_port_twice(self, loop):
        async with serving(reuse_port=True) as one:
            async with serving(port=one.address[1], reuse_port=True) as two:
                assert one.address == two.address

    async def test_ipv6(self, loop):
        if not support_ipv6():
            pytest.skip('no IPv6 on loopback')
        async with serving(host='::1') as server:
            sock, protocol = await server.client()
            assert protocol.transport.get_extra_info('peername') == sock.getsockname()
            assert len(sock.getsockname()) == 4

    async def test_several_hosts(self, loop):
        async with serving(host=['127.0.0.1', '127.0.0.2']) as server:
            hosts = {sock.getsockname()[0] for sock in server.server.sockets}
            assert hosts == {'127.0.0.1', '127.0.0.2'}
            for sock in server.server.sockets:
                socket.create_connection(sock.getsockname()).close()
            while len(server.protocols) < 2:
                await asyncio.sleep(0)


def support_ipv6():
    """Can loopback speak IPv6 here?"""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(('::1', 0))
    except OSError:
        return False
    return True


class TestWaitClosed:
    @since_3_12
    async def test_waits_for_close_and_for_clients(self, loop):
        async with serving() as server:
            _, protocol = await server.client()
            waiters = [asyncio.create_task(server.server.wait_closed()) for _ in range(3)]
            await iterations()
            assert not any(waiter.done() for waiter in waiters)
            server.server.close()
            await iterations()
            assert not any(waiter.done() for waiter in waiters)
            protocol.transport.close()
            await protocol.lost()
            assert await asyncio.gather(*waiters) == [None] * 3
            assert await server.server.wait_closed() is None

    @since_3_12
    async def test_clients_first(self, loop):
        async with serving() as server:
            sock, protocol = await server.client()
            waiter = asyncio.create_task(server.server.wait_closed())
            sock.close()
            await protocol.lost()
            await iterations()
            assert not waiter.done()
            server.server.close()
            await waiter

    async def test_without_clients(self, loop):
        async with serving() as server:
            waiter = asyncio.create_task(server.server.wait_closed())
            await iterations()
            assert not waiter.done()
            server.server.close()
            await waiter

    @since_3_12
    async def test_a_client_that_nobody_closed(self, loop):
        async with serving() as server:
            _, protocol = await server.client()
            server.server.close()
            waiter = asyncio.create_task(server.server.wait_closed())
            protocol.transport.pause_reading()
            await iterations()
            sock = protocol.transport._sock
            with pytest.warns(ResourceWarning, match='unclosed transport'):
                protocol.transport = None
                gc.collect()
            assert sock.fileno() == -1
            if sys.version_info < (3, 13):
                waiter.cancel()
                await asyncio.wait([waiter])
            else:
                await waiter


class TestServeForever:
    async def test_until_cancelled(self, loop):
        async with serving(start_serving=False) as server:
            task = asyncio.create_task(server.server.serve_forever())
            await iterations()
            assert server.server.is_serving()
            await server.client()
            server.protocols[0].transport.abort()
            await server.protocols[0].lost()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not server.server.is_serving()
            assert server.server.sockets == ()

    async def test_until_closed(self, loop):
        async with serving() as server:
            task = asyncio.create_task(server.server.serve_forever())
            await iterations()
            server.server.close()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_once_at_a_time(self, loop):
        async with serving() as server:
            task = asyncio.create_task(server.server.serve_forever())
            await iterations()
            with pytest.raises(RuntimeError, match=r'is already being awaited on serve_forever'):
                await server.server.serve_forever()
            task.cancel()
            await asyncio.wait([task])

    async def test_not_once_closed(self, loop):
        async with serving() as server:
            server.server.close()
            with pytest.raises(RuntimeError, match=r'^server <Server sockets=\(\)> is closed$'):
                await server.server.serve_forever()


@since_3_13
class TestClients:
    @pytest.mark.parametrize('how', ['close_clients', 'abort_clients'])
    async def test_all(self, loop, how):
        async with serving() as server:
            clients = [await server.client() for _ in range(5)]
            server.server.close()
            getattr(server.server, how)()
            for sock, protocol in clients:
                assert await protocol.lost() is None
                assert await receive_all(sock) == b''
            await server.server.wait_closed()

    async def test_close_flushes_and_abort_does_not(self, loop):
        async with serving() as server:
            sock, protocol = await server.client()
            protocol.transport.write(b'x' * 20_000_000)
            server.server.close_clients()
            await iterations()
            assert 'lost' not in protocol.calls
            server.server.abort_clients()
            await protocol.lost()
            assert len(await receive_all(sock)) < 20_000_000

    async def test_none(self, loop):
        async with serving() as server:
            server.server.close_clients()
            server.server.abort_clients()
            assert server.server.is_serving()
