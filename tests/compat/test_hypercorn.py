"""hypercorn: requests, the end, workers, HTTP/2 over TLS, in its own loop and in ours."""

from __future__ import annotations

import support
from compat import servers
from compat.support import check_equal, check_same, needs

pytestmark = needs('hypercorn')

RUN = ['-m', 'hypercorn', '--bind', 'fd://FD', '--access-logfile', '-', 'served:app']
STOCK_LOOP, OUR_LOOP = 'asyncio.unix_events', 'pyasync._loop'
CERTIFICATE = str(support.TESTS / 'localhost.pem')

# It imports the application before it makes its loop, in each worker, too.
WAYS = {
    'stock': (servers.STOCK, RUN, STOCK_LOOP),
    'install': (servers.INSTALL, RUN, OUR_LOOP),
    'namespace': (servers.NAMESPACE, RUN, OUR_LOOP),
    'accelerate': (servers.ACCELERATE, RUN, OUR_LOOP),
}


def with_application(*options):
    return {
        way: (first + servers.ASGI, [*command, *options], loop)
        for way, (first, command, loop) in WAYS.items()
    }


def test_requests_and_end(tmp_path):
    def use(server):
        return servers.talk_to_app(server), server.stop(), server.lines

    with servers.start_servers(tmp_path, with_application('--workers', '0')) as running:
        results = servers.in_each(running, use)
    assert any('lifespan.shutdown' in line for line in results['stock'][2])
    check_equal(results)


def test_workers(tmp_path):
    def use(server):
        seen = len(servers.workers_of(server, 2)), server.ask('/', b'x' * 100_000)
        status = server.stop()
        return seen, status, sorted({line for line in server.lines if '/pid' not in line})

    with servers.start_servers(tmp_path, with_application('--workers', '2')) as running:
        check_equal(servers.in_each(running, use))


@needs('httpx', 'h2')
def test_http2_over_tls_in_our_loop():
    check_same(
        f"""
        import socket
        import ssl
        CERTIFICATE = {CERTIFICATE!r}
        {servers.ASGI.replace(chr(10), chr(10) + ' ' * 8)}
        """
        """
        async def main():
            listener = socket.socket()
            listener.bind(('127.0.0.1', 0))
            listener.listen(100)
            port = listener.getsockname()[1]
            config = hypercorn.config.Config()
            config.bind = [f'fd://{listener.detach()}']
            config.certfile = config.keyfile = CERTIFICATE
            config.loglevel = 'ERROR'
            stop = asyncio.Event()
            serving = asyncio.create_task(
                hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)
            )
            trusting = ssl.create_default_context(cafile=CERTIFICATE)
            base = f'https://localhost:{port}'
            seen = []
            async with httpx.AsyncClient(http2=True, verify=trusting, base_url=base) as client:
                answers = await asyncio.gather(
                    *(client.post(f'/{n}', content=b'x' * n * 1000) for n in range(20))
                )
                seen += [(answer.http_version, answer.text) for answer in answers]
                seen.append(len((await client.get('/large')).content))
                seen.append((await client.get('/error')).status_code)
                seen.append((await client.get('/timeout')).text)

                async def parts():
                    for number in range(5):
                        await asyncio.sleep(0)
                        yield b'%d' % number * 10_000

                async with client.stream('POST', '/echo', content=parts()) as answer:
                    seen.append(sum([len(part) async for part in answer.aiter_bytes()]))
            async with httpx.AsyncClient(verify=trusting, base_url=base) as client:
                seen.append((await client.get('/')).http_version)
            stop.set()
            await serving
            return seen

        run(main)
        """,
        'hypercorn.asyncio, hypercorn.config, httpx',
    )
