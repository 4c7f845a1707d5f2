"""uvicorn as the server, httpx as the client: the loop that uvicorn makes, lifespan, streaming."""

from __future__ import annotations

import pytest
from compat.support import WAYS, check_same, needs, output_of, start_program

APP = """
import socket

async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        while True:
            message = await receive()
            await send({'type': message['type'] + '.complete'})
            if message['type'] == 'lifespan.shutdown':
                return
    body = b''
    while True:
        message = await receive()
        body += message.get('body', b'')
        if not message.get('more_body'):
            break
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await asyncio.sleep(0)
    await send({'type': 'http.response.body', 'body': scope['path'].encode(), 'more_body': True})
    await send({'type': 'http.response.body', 'body': b' %d' % len(body)})

async def talk(server, port):
    while not server.started:
        await asyncio.sleep(0.005)
    async with httpx.AsyncClient(base_url=f'http://127.0.0.1:{port}') as client:
        answers = await asyncio.gather(*(client.get(f'/{n}') for n in range(20)))
        seen = [answer.text for answer in answers]
        seen.append((await client.post('/body', content=b'x' * 200_000)).text)

        async def parts():
            for _ in range(3):
                await asyncio.sleep(0)
                yield b'part'

        seen.append((await client.post('/parts', content=parts())).text)
        async with client.stream('GET', '/stream') as response:
            seen.append(b''.join([chunk async for chunk in response.aiter_bytes()]))
    server.should_exit = True
    return seen

def make_server():
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    config = uvicorn.Config(app, log_level='error', loop=LOOP)
    return uvicorn.Server(config), listener
"""


@needs('httpx', 'uvicorn')
def test_server_and_client_in_one_loop():
    check_same(
        f"""
        LOOP = 'none'
        {APP.replace(chr(10), chr(10) + ' ' * 8)}
        async def main():
            server, listener = make_server()
            serving = asyncio.create_task(server.serve([listener]))
            seen = await talk(server, listener.getsockname()[1])
            await serving
            return seen

        run(main)
        """,
        'httpx, uvicorn',
    )


@needs('httpx', 'uvicorn')
@pytest.mark.parametrize('way', WAYS)
def test_loop_that_uvicorn_makes_itself(way):
    """It names asyncio.SelectorEventLoop: only accelerate reaches that."""
    program = start_program(
        way,
        f"""
        LOOP = 'asyncio'
        {APP.replace(chr(10), chr(10) + ' ' * 8)}
        server, listener = make_server()
        serve = server.serve

        async def serve_and_talk(sockets=None):
            print(type(asyncio.get_running_loop()).__module__)
            talking = asyncio.create_task(talk(server, listener.getsockname()[1]))
            await serve(sockets)
            print((await talking)[-1])

        server.serve = serve_and_talk
        server.run([listener])
        """,
        'httpx, uvicorn',
    )
    out = output_of(program)
    accelerated = 'accelerate' in way
    if accelerated or way == 'stock':
        module = 'pyasync._loop' if accelerated else 'asyncio.unix_events'
        assert out.split('\n')[0] == module
    assert out.split('\n')[1] == "b'/stream 0'"
