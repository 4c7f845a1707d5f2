"""FastAPI: models, dependencies, threads, background tasks, streams, WebSockets, lifespan."""

from __future__ import annotations

from compat.servers import SERVED
from compat.support import check_same, needs

pytestmark = needs('fastapi', 'uvicorn', 'httpx', 'websockets')


def test_application():
    check_same(
        SERVED
        + """
import threading
import time
from typing import Annotated
import pydantic
from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi import WebSocketDisconnect
from fastapi.responses import StreamingResponse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

seen = []

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.queue = asyncio.Queue()
    worker = asyncio.create_task(work(app.state.queue))
    seen.append('startup')
    yield
    await app.state.queue.join()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    seen.append(('shutdown', worker.cancelled()))

async def work(queue):
    while True:
        item = await queue.get()
        await asyncio.sleep(0)
        seen.append(('worked', item))
        queue.task_done()

app = FastAPI(lifespan=lifespan)

class Item(pydantic.BaseModel):
    name: str
    price: float = pydantic.Field(gt=0)

async def session():
    seen.append('session opened')
    try:
        yield 'session'
    except HTTPException as exc:
        seen.append(f'session saw {exc.detail}')
        raise
    finally:
        await asyncio.sleep(0)
        seen.append('session closed')

def in_thread():
    return threading.current_thread() is not threading.main_thread()

Session = Annotated[str, Depends(session)]
FromThread = Annotated[bool, Depends(in_thread)]

@app.post('/items/{number}')
async def make_item(number: int, item: Item, session: Session, thread: FromThread, q: str = ''):
    return {'number': number, 'item': item, 'session': session, 'thread': thread, 'q': q}

@app.get('/refused')
async def refused(session: Session):
    raise HTTPException(418, 'teapot')

@app.get('/blocking')
def blocking():
    time.sleep(0.001)
    return threading.current_thread() is not threading.main_thread()

@app.post('/later')
async def later(tasks: BackgroundTasks, request: Request, size: Annotated[int, Body(embed=True)]):
    async def in_loop():
        await asyncio.sleep(0)
        seen.append('background in the loop')
        done.set()

    tasks.add_task(seen.append, 'background in a thread')
    tasks.add_task(in_loop)
    await request.app.state.queue.put(size)
    return 'accepted'

@app.get('/stream')
async def stream():
    async def parts():
        for number in range(5):
            await asyncio.sleep(0)
            yield f'data: {number}\\\\n\\\\n'

    return StreamingResponse(parts(), media_type='text/event-stream')

@app.get('/slow')
async def slow():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        raise HTTPException(504, 'too slow')

@app.get('/group')
async def group():
    async with asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(asyncio.to_thread(pow, n, 2)) for n in range(5)]
    return [answer.result() for answer in answers]

@app.get('/fail')
async def fail():
    raise RuntimeError('fails')

@app.websocket('/chat/{room}')
async def chat(socket: WebSocket, room: str, session: Session):
    await socket.accept()
    try:
        while True:
            message = await socket.receive_json()
            if message == 'stop':
                await socket.close(4001, 'asked')
                return
            await socket.send_json({'room': room, 'message': message})
    except WebSocketDisconnect as exc:
        seen.append(('disconnected', exc.code))
    finally:
        done.set()

@app.middleware('http')
async def name(request, call_next):
    answer = await call_next(request)
    answer.headers['x-way'] = 'through'
    return answer

async def main():
    global done
    done = asyncio.Event()
    answers = []
    async with served(app) as address:
        async with httpx.AsyncClient(base_url=f'http://{address}') as client:
            for body in ({'name': 'a', 'price': 1}, {'name': 'a', 'price': -1}, {'price': 'x'}):
                answer = await client.post('/items/1?q=x', json=body)
                answers.append((answer.status_code, answer.json(), answer.headers['x-way']))
            many = await asyncio.gather(*(client.get('/blocking') for _ in range(20)))
            answers.append([answer.json() for answer in many])
            for path in ('refused', 'stream', 'slow', 'group', 'fail', 'items/x', 'none'):
                answer = await client.get('/' + path)
                answers.append((path, answer.status_code, answer.text))
            answer = await client.post('/later', json={'size': 3})
            answers.append(answer.json())
            await done.wait()
            answers.append(len((await client.get('/openapi.json')).json()['paths']))
        done.clear()
        async with connect(f'ws://{address}/chat/one') as socket:
            await socket.send('"words"')
            answers.append(await socket.recv())
        await done.wait()
        async with connect(f'ws://{address}/chat/two') as socket:
            await socket.send('"stop"')
            try:
                await socket.recv()
            except ConnectionClosed as exc:
                answers.append(str(exc))
    return answers, seen

run(main)
""".replace('\\\\n', '\\n'),
        'fastapi, httpx, uvicorn, websockets',
    )
