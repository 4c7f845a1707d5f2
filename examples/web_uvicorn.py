"""An ASGI app under uvicorn, asked by an httpx client in the same loop.

python examples/web_uvicorn.py
python -m pyasync examples/web_uvicorn.py
"""

import asyncio
import socket

import httpx
import uvicorn

REQUESTS = 50


async def app(scope, receive, send):
    """Answers the request's body in reverse, with the path as a header."""
    body, more = b'', True
    while more:
        message = await receive()
        body += message.get('body', b'')
        more = message.get('more_body', False)
    headers = [(b'x-path', scope['path'].encode()), (b'content-type', b'text/plain')]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body[::-1]})


async def ask(client, number):
    response = await client.post(f'/{number}', content=str(number).encode() * 10)
    assert response.headers['x-path'] == f'/{number}'
    return response.text == str(number)[::-1] * 10


async def run(requests=REQUESTS):
    """Serve and ask; answers how many answers were right."""
    config = uvicorn.Config(
        app, lifespan='off', http='h11', ws='none', log_level='warning', access_log=False
    )
    server = uvicorn.Server(config)
    # A socket that listens already: clients wait in its backlog until the server is up.
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with httpx.AsyncClient(base_url=f'http://127.0.0.1:{port}') as client:
            answers = await asyncio.gather(*(ask(client, number) for number in range(requests)))
        server.should_exit = True
        await serving
    return sum(answers)


def main(new_event_loop=None, requests=REQUESTS):
    """Run on a loop of the caller's choice (None: asyncio's default)."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run(requests))


if __name__ == '__main__':
    print(f'right answers: {main()}')
