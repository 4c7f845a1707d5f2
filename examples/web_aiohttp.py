"""An aiohttp server and its client: JSON requests, a streamed body and a websocket.

python examples/web_aiohttp.py
python -m pyasync examples/web_aiohttp.py
"""

import asyncio

import aiohttp
from aiohttp import web

REQUESTS = 50


async def square(request):
    number = int(request.match_info['number'])
    return web.json_response({'number': number, 'square': number * number})


async def count(request):
    """Answers how many bytes the client sent."""
    total = 0
    async for chunk in request.content.iter_any():
        total += len(chunk)
    return web.json_response({'bytes': total})


async def shout(request):
    """A websocket that answers in capitals."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


def make_app():
    app = web.Application()
    app.add_routes(
        [
            web.get('/square/{number}', square),
            web.post('/count', count),
            web.get('/shout', shout),
        ]
    )
    return app


async def fetch_square(session, number):
    async with session.get(f'/square/{number}') as response:
        return (await response.json())['square']


async def run(requests=REQUESTS):
    """Serve and ask; answers (sum of squares, bytes counted, words shouted)."""
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, '127.0.0.1', 0).start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(f'http://127.0.0.1:{port}') as session:
            squares = await asyncio.gather(*(fetch_square(session, n) for n in range(requests)))
            async with session.post('/count', data=bytes(1_000_000)) as response:
                counted = (await response.json())['bytes']
            words = []
            async with session.ws_connect('/shout') as socket:
                for word in ('one', 'two', 'three'):
                    await socket.send_str(word)
                    words.append(await socket.receive_str())
        return sum(squares), counted, words
    finally:
        await runner.cleanup()


def main(new_event_loop=None, requests=REQUESTS):
    """Run on a loop of the caller's choice (None: asyncio's default)."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run(requests))


if __name__ == '__main__':
    total, counted, words = main()
    print(f'sum of squares: {total}')
    print(f'bytes counted: {counted}')
    print(f'shouted: {" ".join(words)}')
