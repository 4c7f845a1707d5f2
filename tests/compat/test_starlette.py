"""Starlette: routes, bodies, streams, files, middleware, background tasks, WebSockets, lifespan."""

from __future__ import annotations

from compat.servers import SERVED
from compat.support import check_same, needs

pytestmark = needs('starlette', 'uvicorn', 'httpx', 'websockets')


def test_application():
    check_same(
        SERVED
        + """
import tempfile
import warnings
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from websockets.asyncio.client import connect

seen = []

@contextlib.asynccontextmanager
async def lifespan(app):
    await asyncio.sleep(0)
    seen.append('startup')
    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(asyncio.Event().wait())
        yield {'name': 'state'}
        ticker.cancel()
    seen.append('shutdown')

async def body(request):
    return JSONResponse({'size': len(await request.body()), 'state': request.state.name,
                         'query': dict(request.query_params), 'path': request.path_params})

async def upload(request):
    return PlainTextResponse(str(sum([len(part) async for part in request.stream()])))

async def stream(request):
    async def parts():
        try:
            for number in range(5):
                yield f'{number}' * 1000
                await asyncio.sleep(0)
            if 'endless' in request.query_params:
                endless.set()
                await asyncio.sleep(60)
        finally:
            gone.set()
    return StreamingResponse(parts())

def in_thread(request):
    return PlainTextResponse('thread')

async def pool(request):
    answers = await asyncio.gather(*(run_in_threadpool(pow, n, 2) for n in range(5)))
    return JSONResponse(answers)

async def fail(request):
    raise ValueError('fails')

async def missing(request):
    raise HTTPException(404, 'not here')

async def background(request):
    async def after():
        await asyncio.sleep(0)
        seen.append('background')
    return PlainTextResponse('answer', background=BackgroundTask(after))

async def handle(request, exc):
    return PlainTextResponse(f'handled {exc}', 500)

async def socket_route(socket):
    await socket.accept(subprotocol='words')
    async for text in socket.iter_text():
        await socket.send_json({'text': text[::-1]})
    seen.append('left')
    left.set()

class Timed(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        try:
            async with asyncio.timeout(60):
                answer = await call_next(request)
        finally:
            seen.append(request.url.path)
        answer.headers['x-middleware'] = 'yes'
        return answer

def make(folder):
    return Starlette(
        lifespan=lifespan,
        exception_handlers={ValueError: handle},
        middleware=[Middleware(Timed), Middleware(GZipMiddleware)],
        routes=[
            Route('/body/{name}', body, methods=['POST']),
            Route('/upload', upload, methods=['PUT']),
            Route('/stream', stream), Route('/thread', in_thread), Route('/pool', pool),
            Route('/fail', fail), Route('/missing', missing), Route('/background', background),
            Route('/file', lambda request: FileResponse(f'{folder}/file.txt')),
            WebSocketRoute('/socket', socket_route),
            Mount('/static', StaticFiles(directory=folder)),
        ],
    )

async def talk(address):
    async with httpx.AsyncClient(base_url=f'http://{address}') as client:
        answers = await asyncio.gather(
            *(client.post(f'/body/{n}?q={n}', content=b'x' * n * 10_000) for n in range(10))
        )
        answers_seen = [answer.json() for answer in answers]

        async def parts():
            for _ in range(3):
                await asyncio.sleep(0)
                yield b'part' * 1000

        answer = await client.put('/upload', content=parts())
        answers_seen.append((answer.text, answer.headers['x-middleware']))
        for path in ('stream', 'thread', 'pool', 'fail', 'missing', 'background', 'file',
                     'static/file.txt', 'static/none'):
            answer = await client.get('/' + path)
            answers_seen.append((path, answer.status_code, len(answer.text), answer.text[:50]))
        gone.clear()
        async with client.stream('GET', '/stream?endless=1') as answer:
            async for part in answer.aiter_bytes():
                break
            await endless.wait()  # a generator that is left at a yield is closed by the collector
        await gone.wait()
    async with connect(f'ws://{address}/socket', subprotocols=['words']) as socket:
        await socket.send('words')
        answers_seen.append((socket.subprotocol, await socket.recv()))
    await left.wait()
    return answers_seen

async def main():
    global gone, left, endless
    gone, left, endless = asyncio.Event(), asyncio.Event(), asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{folder}/file.txt', 'w') as file:
            file.write('file ' * 50_000)
        async with served(make(folder)) as address:
            answers = await talk(address)
    return answers, sorted(seen[1:-1]), seen[0], seen[-1]

run(main)

# Its test client has a loop in a thread, by anyio.
with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # it would have another HTTP client
    from starlette.testclient import TestClient
    with tempfile.TemporaryDirectory() as folder, TestClient(make(folder)) as client:
        gone = left = asyncio.Event()
        print(client.post('/body/name', content=b'x' * 1000).json(), client.get('/pool').json())
        with client.websocket_connect('/socket', subprotocols=['words']) as socket:
            socket.send_text('words')
            print(socket.receive_json())
""",
        'starlette, starlette.applications, httpx, uvicorn, websockets',
    )
