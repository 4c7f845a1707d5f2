"""Quart: requests, streams, sessions, WebSockets, background tasks, its test client."""

from __future__ import annotations

from compat.support import check_same, needs

pytestmark = needs('quart', 'hypercorn', 'httpx', 'websockets')


def test_application():
    check_same(
        """
        import logging
        import socket

        import hypercorn.asyncio
        import hypercorn.config
        from quart import Quart, abort, copy_current_request_context, g, jsonify
        from quart import request, session, websocket
        from quart.utils import run_sync
        from websockets.asyncio.client import connect

        seen = []
        app = Quart(__name__)
        app.secret_key = 'secret'
        app.logger.setLevel(logging.CRITICAL)

        @app.before_serving
        async def start():
            await asyncio.sleep(0)
            seen.append('before serving')

        @app.while_serving
        async def serving():
            seen.append('while serving')
            yield
            seen.append('served')

        @app.after_serving
        async def stop():
            seen.append('after serving')

        @app.before_request
        async def before():
            g.task = asyncio.current_task()

        @app.after_request
        async def after(response):
            response.headers['x-same-task'] = str(g.task is asyncio.current_task())
            return response

        @app.post('/json/<int:number>')
        async def json(number):
            data = await request.get_json()
            return jsonify(number=number, data=data, q=request.args.get('q'))

        @app.post('/form')
        async def form():
            form, files = await request.form, await request.files
            return {'form': dict(form), 'files': {k: len(v.read()) for k, v in files.items()}}

        @app.put('/upload')
        async def upload():
            return str(sum([len(part) async for part in request.body]))

        @app.get('/stream')
        async def stream():
            async def parts():
                for number in range(5):
                    await asyncio.sleep(0)
                    yield b'%d' % number * 1000
            return parts(), 200, {'content-type': 'text/plain'}

        @app.get('/sync')
        def sync():
            return 'sync'

        @app.get('/thread')
        async def thread():
            return str(await run_sync(pow)(2, 10))

        @app.get('/count')
        async def count():
            session['count'] = session.get('count', 0) + 1
            return str(session['count'])

        @app.get('/background')
        async def background():
            @copy_current_request_context
            async def later():
                await asyncio.sleep(0)
                seen.append(('background', request.path))
                done.set()
            app.add_background_task(later)
            return 'started'

        @app.get('/timeout')
        async def timeout():
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            except TimeoutError:
                return 'timeout', 504

        @app.get('/abort')
        async def aborted():
            abort(403, 'not for you')

        @app.get('/fail')
        async def fail():
            raise ValueError('fails')

        @app.errorhandler(ValueError)
        async def handle(error):
            return f'handled {error}', 500

        @app.websocket('/socket')
        async def ws():
            await websocket.accept()
            try:
                while True:
                    message = await websocket.receive()
                    await websocket.send(message[::-1])
            except asyncio.CancelledError:
                seen.append('socket cancelled')
                done.set()
                raise

        async def test_client():
            done.clear()
            client = app.test_client()
            answer = await client.post('/json/1?q=x', json={'a': 1})
            answers = [await answer.get_json()]
            for _ in range(3):
                answers.append(await (await client.get('/count')).get_data(as_text=True))
            async with client.websocket('/socket') as ws:
                await ws.send('words')
                answers.append(await ws.receive())
            await done.wait()
            return answers

        async def talk(address):
            answers = []
            async with httpx.AsyncClient(base_url=f'http://{address}') as client:
                many = await asyncio.gather(
                    *(client.post(f'/json/{n}?q={n}', json=[n]) for n in range(10))
                )
                answers += [(a.json(), a.headers['x-same-task']) for a in many]
                files = {'file': b'x' * 100_000}
                answers.append((await client.post('/form', data={'a': 'b'}, files=files)).json())

                async def parts():
                    for _ in range(3):
                        await asyncio.sleep(0)
                        yield b'part' * 1000

                answers.append((await client.put('/upload', content=parts())).text)
                for path in ('stream', 'sync', 'thread', 'count', 'count', 'background', 'abort',
                             'timeout', 'fail', 'none'):
                    answer = await client.get('/' + path)
                    answers.append((path, answer.status_code, answer.text[:100]))
                await done.wait()
            done.clear()
            async with connect(f'ws://{address}/socket') as ws:
                await ws.send('words')
                answers.append(await ws.recv())
            await done.wait()
            return answers

        async def main():
            global done
            done = asyncio.Event()
            listener = socket.socket()
            listener.bind(('127.0.0.1', 0))
            listener.listen(100)
            port = listener.getsockname()[1]
            config = hypercorn.config.Config()
            config.bind = [f'fd://{listener.detach()}']
            config.loglevel = 'CRITICAL'
            ending = asyncio.Event()
            served = asyncio.create_task(
                hypercorn.asyncio.serve(app, config, shutdown_trigger=ending.wait)
            )
            answers = [await talk(f'127.0.0.1:{port}'), await test_client()]
            ending.set()
            await served
            return answers, seen

        run(main)
        """,
        'quart, httpx, hypercorn, websockets',
    )
