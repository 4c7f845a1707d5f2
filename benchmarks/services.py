"""services.py -- web servers and database clients as they are, by this process's CPU time.

The web servers answer the load generator (harness/load.py); the clients talk to a server that the
benchmark starts (harness/services.py). Rows whose packages or programs are missing are left out.
"""

from functools import partial
from time import perf_counter, process_time

from harness import services
from harness.affinity import one_cpu
from harness.load import CONNECTIONS, Cost, drive
from harness.registry import Goals, benchmark, expect
from harness.tls import CERTIFICATE, server_context

row = partial(benchmark, allocator='cold', slow=True)


async def drive_uvicorn(aio, n, *, tls=False):
    from uvicorn import Config, Server

    async def app(scope, receive, send):
        headers = [(b'content-type', b'text/plain'), (b'content-length', b'5')]
        await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
        await send({'type': 'http.response.body', 'body': b'hello'})

    options = {'http': 'httptools', 'ws': 'none', 'lifespan': 'off', 'log_config': None}
    if tls:
        options |= {'ssl_certfile': CERTIFICATE, 'ssl_keyfile': CERTIFICATE}
    server = Server(Config(app, port=0, access_log=False, **options))
    # Not on a socket of ours: asyncio sets TCP_NODELAY where the socket tells its protocol alone.
    serving = aio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                serving.result()  # why it did not start
            await aio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        return await drive(aio, n, 'http', port, tls=tls)
    finally:
        server.should_exit = True
        await serving


UVICORN = {'needs': ('uvicorn', 'httptools'), 'programs': ('cc',)}


@row('uvicorn + httptools hello', Goals(1.4, 1.4, 1.4), **UVICORN)
async def uvicorn(aio, n):
    return await drive_uvicorn(aio, n)


@row('uvicorn + httptools hello, HTTPS', **UVICORN)
async def uvicorn_tls(aio, n):
    return await drive_uvicorn(aio, n, tls=True)


async def drive_aiohttp(aio, n, *, tls=False):
    from aiohttp import web

    async def hello(request):
        return web.Response(text='hello')

    app = web.Application()
    app.router.add_get('/', hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        context = server_context() if tls else None
        site = web.TCPSite(runner, '127.0.0.1', 0, ssl_context=context)
        await site.start()
        return await drive(aio, n, 'http', runner.addresses[0][1], tls=tls)
    finally:
        await runner.cleanup()


@row('aiohttp hello', Goals(1.2, 1.2, 1.2), needs=('aiohttp',), programs=('cc',))
async def aiohttp(aio, n):
    return await drive_aiohttp(aio, n)


@row('aiohttp hello, HTTPS', needs=('aiohttp',), programs=('cc',))
async def aiohttp_tls(aio, n):
    return await drive_aiohttp(aio, n, tls=True)


async def by_clients(aio, n, ask, wanted):
    """n requests, 10 at a time; what they cost this process. Opening connections is not counted."""
    unasked = iter(())

    async def client():
        return sum([await ask() == wanted for _ in unasked])

    async def clients(requests):
        nonlocal unasked
        unasked = iter(range(requests))
        right = await aio.gather(*(client() for _ in range(CONNECTIONS)))
        expect(sum(right), requests)

    with one_cpu():
        await clients(CONNECTIONS)
        cpu_start, wall_start = process_time(), perf_counter()
        await clients(n)
        return Cost(process_time() - cpu_start, perf_counter() - wall_start)


@row(
    'asyncpg SELECT 1, pool of 10',
    Goals(2.6, 2.6, 2.6),
    needs=('asyncpg',),
    programs=services.POSTGRES,
)
async def asyncpg(aio, n):
    import asyncpg

    where = {'host': '127.0.0.1', 'port': services.postgres(), 'ssl': False, 'user': 'postgres'}
    async with asyncpg.create_pool(min_size=CONNECTIONS, max_size=CONNECTIONS, **where) as pool:
        return await by_clients(aio, n, lambda: pool.fetchval('SELECT 1'), 1)


@row(
    'redis + hiredis GET, 10 connections',
    Goals(1.6, 1.6, 1.6),
    needs=('redis', 'hiredis'),
    programs=services.REDIS,
)
async def redis(aio, n):
    from redis.asyncio import BlockingConnectionPool, Redis

    where = {'host': '127.0.0.1', 'port': services.redis()}
    pool = BlockingConnectionPool(max_connections=CONNECTIONS, **where)
    async with Redis(connection_pool=pool) as client:
        await client.set('key', 'value')
        try:
            return await by_clients(aio, n, lambda: client.get('key'), b'value')
        finally:
            await pool.disconnect()
