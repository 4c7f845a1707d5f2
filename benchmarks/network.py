"""network.py -- servers under a load generator: what a message costs the server, in CPU time.

The generator (native/loadgen.c) is a process of its own on another CPU; it keeps 10 connections busy,
compares what comes back, and is not counted. Rows called "cold" and "warm" tell two states of the
allocator apart, see ALLOCATORS in harness/registry.py; all others are cold.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from harness.load import drive
from harness.registry import NO_GOALS, Goals, benchmark

KIB = 1024
# Of each of the many small messages.
SMALL = 64


def row(title, cold=NO_GOALS, warm=None, **options):
    """Make a function a row with the allocator cold and, where it has goals, another with it warm."""
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


async def drive_protocol(aio, n, mode, protocol_factory, **options):
    """A server of protocols on TCP."""
    loop = aio.get_running_loop()
    async with serving(aio, await loop.create_server(protocol_factory, '127.0.0.1', 0)) as port:
        return await drive(aio, n, mode, port, **options)


@row('TCP echo 1 KiB', Goals(4.8, 4.7, 4.8), Goals(1.4, 1.4, 1.4), slow=False)
async def tcp_echo(aio, n):
    """A protocol that writes back what it gets."""
    return await drive_protocol(aio, n, 'stream', Echo, size=KIB)


@row('TCP echo 100 KiB', Goals(5.2, 4.9, 5.2), Goals(1.1, 1.1, 1.1))
async def tcp_echo_100k(aio, n):
    return await drive_protocol(aio, n, 'stream', Echo, size=100 * KIB)
