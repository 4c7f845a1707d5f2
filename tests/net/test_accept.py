"""Accepted connections whose task never gets to make a transport of them."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest
from net.support import Recorder, iterations, receive_all
from net.tls_support import peer_of, server_context

# asyncio leaves the accepted socket to the collector.
pytestmark = [
    pytest.mark.pollers,
    pytest.mark.filterwarnings('ignore:unclosed <socket:ResourceWarning'),
    pytest.mark.filterwarnings('ignore:coroutine .* was never awaited:RuntimeWarning'),
]


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b'plain')
        transport.close()


async def connect_once(loop, factory, done):
    """Connect to a server whose tasks that factory makes, and see the connection closed."""
    server = await loop.create_server(asyncio.Protocol, '127.0.0.1', 0)
    loop.set_task_factory(factory)
    with socket.create_connection(server.sockets[0].getsockname()) as sock:
        sock.setblocking(False)
        while not done():
            await asyncio.sleep(0)
        loop.set_task_factory(None)
        await iterations()
        reported = [type(report['exception']) for report in loop.reports]
        loop.reports.clear()
        gc.collect()
        assert await receive_all(sock) == b''
    server.close()
    return reported


async def test_task_cancelled_before_its_first_step(loop):
    tasks = []

    def factory(loop, coro, **kwargs):
        tasks.append(asyncio.Task(coro, loop=loop, **kwargs))
        tasks[-1].cancel()
        return tasks[-1]

    def done():
        # The error that the task keeps has a traceback with the socket in its frame.
        return bool(tasks) and tasks[0].done() and not tasks.clear()

    assert await connect_once(loop, factory, done) == []


async def test_task_factory_that_refuses(loop):
    refused = []

    def factory(loop, coro, **kwargs):
        coro.close()
        refused.append(None)
        raise ZeroDivisionError

    assert await connect_once(loop, factory, lambda: refused) == [ZeroDivisionError]


@pytest.mark.ours  # asyncio leaves the transport of the first one to the collector
@pytest.mark.skipif(not hasattr(asyncio, 'eager_task_factory'), reason='3.12 and newer')
async def test_server_closed_by_its_first_connection(loop):
    """Eager tasks make connections while others still wait: no more are taken, all are closed."""
    made = []

    def factory():
        made.append(asyncio.Protocol())
        server.close()
        return made[-1]

    server = await loop.create_server(factory, '127.0.0.1', 0)
    address = server.sockets[0].getsockname()
    socks = [socket.create_connection(address) for _ in range(3)]
    loop.set_task_factory(asyncio.eager_task_factory)
    with pytest.warns(ResourceWarning, match='^unclosed transport <_SelectorSocketTransport '):
        while not made:
            await asyncio.sleep(0)
    loop.set_task_factory(None)
    await iterations()
    assert len(made) == 1
    assert [type(report['exception']) for report in loop.reports] == [OSError]
    loop.reports.clear()
    with socks[0] as sock:
        sock.setblocking(False)
        assert await receive_all(sock) == b''
    for sock in socks[1:]:
        sock.close()


async def test_a_false_ssl_argument_means_none(loop):
    server = await loop.create_server(Greeter, '127.0.0.1', 0, ssl=0)
    with socket.create_connection(server.sockets[0].getsockname()) as sock:
        sock.setblocking(False)
        assert await receive_all(sock) == b'plain'
    server.close()


async def test_serving_without_the_last_arguments(loop):
    """asyncio's own default timeouts: never a connection without TLS."""
    protocol = Recorder()
    with socket.create_server(('127.0.0.1', 0)) as listening:
        listening.setblocking(False)
        loop._start_serving(lambda: protocol, listening, server_context())
        with socket.create_connection(listening.getsockname()) as sock:
            sock.setblocking(False)
            peer = peer_of('server', sock)
            await peer.handshake()
            await protocol.has('made')
            protocol.transport.abort()
            await protocol.lost()
        loop._stop_serving(listening)
