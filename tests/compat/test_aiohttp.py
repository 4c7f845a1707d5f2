"""aiohttp: server and client, bodies, WebSockets, timeouts."""

from __future__ import annotations

from compat.support import check_same, needs

pytestmark = needs('aiohttp')


def test_server_and_client():
    check_same(
        """
        async def hello(request):
            return aiohttp.web.json_response({'name': request.match_info['name']})

        async def count(request):
            body = await request.read()
            return aiohttp.web.Response(text=str(len(body)))

        async def stream(request):
            response = aiohttp.web.StreamResponse()
            await response.prepare(request)
            for number in range(3):
                await response.write(b'%d\\n' % number * 1000)
                await asyncio.sleep(0)
            return response

        async def socket(request):
            socket = aiohttp.web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data[::-1])
            return socket

        async def slow(request):
            await asyncio.sleep(60)

        async def main():
            app = aiohttp.web.Application()
            app.router.add_get('/hello/{name}', hello)
            app.router.add_post('/count', count)
            app.router.add_get('/stream', stream)
            app.router.add_get('/socket', socket)
            app.router.add_get('/slow', slow)
            runner = aiohttp.web.AppRunner(app)
            await runner.setup()
            site = aiohttp.web.TCPSite(runner, '127.0.0.1', 0, shutdown_timeout=0.1)
            await site.start()
            base = 'http://%s:%d' % runner.addresses[0][:2]
            seen = []

            async def fetch(session, name):
                async with session.get(f'{base}/hello/{name}') as response:
                    return (await response.json())['name']

            async with aiohttp.ClientSession() as session:
                seen += await asyncio.gather(*(fetch(session, n) for n in range(20)))
                async with session.post(base + '/count', data=b'x' * 300_000) as response:
                    seen.append(await response.text())
                async with session.get(base + '/stream') as response:
                    seen.append([line async for line in response.content].count(b'1\\n'))
                async with session.ws_connect(base + '/socket') as ws:
                    await ws.send_str('words')
                    seen.append((await ws.receive()).data)
                try:
                    timeout = aiohttp.ClientTimeout(total=0.05)
                    async with session.get(base + '/slow', timeout=timeout):
                        pass
                except asyncio.TimeoutError as exc:
                    seen.append(type(exc).__mro__[1].__name__)
                async with session.get(base + '/none') as response:
                    seen.append((response.status, response.reason))
            await runner.cleanup()
            return seen

        run(main)
        """,
        'aiohttp, aiohttp.web',
    )
