"""Sanic: its server in a loop that runs, and its own workers as processes."""

from __future__ import annotations

import re
import signal

from compat import servers
from compat.support import check_equal, check_same, needs

pytestmark = needs('sanic')


@needs('httpx', 'websockets')
def test_server_in_a_running_loop():
    check_same(
        """
        import logging
        import socket

        from sanic import Sanic, response
        from sanic.exceptions import NotFound, SanicException
        from websockets.asyncio.client import connect

        seen = []
        app = Sanic('program', configure_logging=False)
        logging.disable(logging.CRITICAL)

        @app.before_server_start
        async def start(app):
            await asyncio.sleep(0)
            app.ctx.queue = asyncio.Queue()
            seen.append('before start')

        @app.after_server_stop
        async def stop(app):
            seen.append('after stop')

        @app.middleware('request')
        async def before(request):
            request.ctx.task = asyncio.current_task()

        @app.middleware('response')
        async def after(request, answer):
            answer.headers['x-same-task'] = str(request.ctx.task is asyncio.current_task())

        @app.post('/json/<number:int>')
        async def json(request, number):
            q = request.args.get('q')
            return response.json({'number': number, 'data': request.json, 'q': q})

        @app.put('/upload', stream=True)
        async def upload(request):
            size = 0
            while (part := await request.stream.read()) is not None:
                size += len(part)
            return response.text(str(size))

        @app.get('/stream')
        async def stream(request):
            answer = await request.respond(content_type='text/plain')
            for number in range(5):
                await asyncio.sleep(0)
                await answer.send(f'{number}' * 1000)
            await answer.eof()

        @app.get('/sync')
        def sync(request):
            return response.text('sync')

        @app.get('/background')
        async def background(request):
            async def later():
                await asyncio.sleep(0)
                await app.ctx.queue.put('from the background')
            task = asyncio.ensure_future(later())
            return response.text(await app.ctx.queue.get())

        @app.get('/fail')
        async def fail(request):
            raise ValueError('fails')

        @app.get('/teapot')
        async def teapot(request):
            raise SanicException('teapot', status_code=418)

        @app.exception(ValueError)
        async def handle(request, exc):
            return response.text(f'handled {exc}', status=500)

        @app.signal('program.happened.<what>')
        async def happened(what):
            seen.append(('signal', what))

        @app.get('/signal')
        async def signal(request):
            await app.dispatch('program.happened.now')
            return response.empty()

        @app.get('/slow')
        async def slow(request):
            await asyncio.sleep(60)

        app.config.RESPONSE_TIMEOUT = 0.2

        @app.websocket('/socket')
        async def ws(request, ws):
            try:
                async for message in ws:
                    await ws.send(message[::-1])
            finally:
                seen.append('left')
                left.set()

        async def talk(address):
            answers = []
            async with httpx.AsyncClient(base_url=f'http://{address}') as client:
                many = await asyncio.gather(
                    *(client.post(f'/json/{n}?q={n}', json=[n] * 1000) for n in range(10))
                )
                answers += [(len(a.text), a.headers['x-same-task']) for a in many]

                async def parts():
                    for _ in range(3):
                        await asyncio.sleep(0)
                        yield b'part' * 1000

                answers.append((await client.put('/upload', content=parts())).text)
                for path in ('stream', 'sync', 'background', 'fail', 'teapot', 'signal', 'none',
                             'slow'):
                    answer = await client.get('/' + path)
                    answers.append((path, answer.status_code, answer.text[:20]))
            async with connect(f'ws://{address}/socket') as ws:
                for message in ('words', 'x' * 100_000):
                    await ws.send(message)
                    answers.append((await ws.recv())[:20])
            await left.wait()
            return answers

        async def main():
            global left
            left = asyncio.Event()
            with socket.socket() as listener:
                listener.bind(('127.0.0.1', 0))
                server = await app.create_server(sock=listener, return_asyncio_server=True)
                await server.startup()
                await server.before_start()
                await server.start_serving()
                await server.after_start()
                answers = await talk('127.0.0.1:%d' % listener.getsockname()[1])
                await server.before_stop()
                await server.close()
                await server.after_stop()
            return answers, seen

        run(main)
        """,
        'sanic, httpx, websockets',
    )


APPLICATION = """
import os
import socket
import sys
from sanic import Sanic, response

app = Sanic('served')
app.config.USE_UVLOOP = False

@app.before_server_start
async def start(app):
    os.write(1, b'lifespan startup\\n')

@app.after_server_stop
async def stop(app):
    os.write(1, b'lifespan shutdown\\n')

@app.get('/pid')
async def pid(request):
    return response.text(str(os.getpid()))

@app.get('/loop')
async def loop(request):
    return response.text(type(asyncio.get_running_loop()).__module__.ljust(40))

@app.post('/')
async def root(request):
    return response.text(f'{len(request.body)} bytes')

if __name__ == '__main__':
    app.run(sock=socket.socket(fileno=int(sys.argv[1])), workers=2, motd=False, access_log=False)
"""


def test_workers(tmp_path):
    """Each worker is a new interpreter, which imports the module before it makes its loop."""
    command = ['served.py', 'FD']
    ways = {
        'stock': (servers.STOCK + APPLICATION, command, 'asyncio.unix_events'),
        'install': (servers.INSTALL + APPLICATION, command, 'pyasync._loop'),
        'namespace': (servers.NAMESPACE + APPLICATION, command, 'pyasync._loop'),
        'accelerate': (servers.ACCELERATE + APPLICATION, command, 'pyasync._loop'),
    }

    def use(server):
        workers = servers.workers_of(server, 2)
        assert server.ask('/loop')[1].decode().strip() == server.loop
        seen = len(workers), server.ask('/', b'x' * 100_000)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for('Worker complete', 2)  # their manager takes seconds to notice
        lines = sorted(re.sub(r'\d+', 'N', line) for line in server.lines)
        # Not its traceback where SIGTERM meets it before it knows that all have started.
        return seen, [line for line in lines if re.search('lifespan|INFO: .*[Ww]orker', line)]

    with servers.start_servers(tmp_path, ways) as running:
        check_equal(servers.in_each(running, use))
