"""Servers as processes of their own, one for each way in, and what a client sees and they log."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import support
from compat.support import normal

# What stands in the application's module before its code, by the way in: the loops are those of
# the policy where the server is not told of another.
STOCK = 'import asyncio\n'
INSTALL = 'import pyasync; pyasync.install(); import asyncio\n'
NAMESPACE = 'import pyasync as asyncio; asyncio.install()\n'
ACCELERATE = 'import pyasync; pyasync.install(accelerate=True); import asyncio\n'

# An ASGI application without a framework.
ASGI = """
import os

def say(text):
    os.write(1, f'{text}\\n'.encode())  # in one piece, beside other workers

async def lifespan(receive, send):
    while True:
        message = await receive()
        say(message['type'])
        await asyncio.sleep(0)
        await send({'type': message['type'] + '.complete'})
        if message['type'] == 'lifespan.shutdown':
            return

async def parts(receive):
    while True:
        message = await receive()
        if message['type'] == 'http.disconnect':
            return
        yield message.get('body', b'')
        if not message.get('more_body'):
            return

async def web_socket(receive, send):
    await receive()
    await send({'type': 'websocket.accept'})
    while (message := await receive())['type'] == 'websocket.receive':
        if message.get('text') == 'close':
            await send({'type': 'websocket.close', 'code': 4000, 'reason': 'asked'})
            return
        await send({'type': 'websocket.send', 'text': message['text'][::-1]})
    say('left with', message['code'])

async def background():
    await asyncio.sleep(0.01)
    say('background task')

tasks = set()

async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        return await lifespan(receive, send)
    if scope['type'] == 'websocket':
        return await web_socket(receive, send)
    path = scope['path']
    if path == '/error':
        raise ValueError('the application fails')
    headers = [(b'content-type', b'text/plain')]
    start = {'type': 'http.response.start', 'status': 200, 'headers': headers}
    if path == '/echo':  # each part at once
        await send(start)
        async for part in parts(receive):
            await send({'type': 'http.response.body', 'body': part, 'more_body': True})
        return await send({'type': 'http.response.body', 'body': b'.'})
    size = sum([len(part) async for part in parts(receive)])
    body = b'%d bytes' % size
    if path == '/pid':
        body = b'%d' % os.getpid()
    elif path == '/loop':
        body = type(asyncio.get_running_loop()).__module__.encode().ljust(40)
    elif path == '/timeout':
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            body = b'timeout'
    elif path == '/thread':
        body = await asyncio.to_thread(lambda: b'thread')
    elif path == '/process':
        child = await asyncio.create_subprocess_exec('echo', 'child', stdout=-1)
        body, _ = await child.communicate()
    elif path == '/background':
        tasks.add(asyncio.ensure_future(background()))
    elif path == '/large':
        body = b'x' * 1_000_000
    headers.append((b'content-length', b'%d' % len(body)))
    await send(start)
    await send({'type': 'http.response.body', 'body': body})
"""

# In a program: an application served by uvicorn in the loop that runs already.
SERVED = """
import contextlib
import socket
import uvicorn

@contextlib.asynccontextmanager
async def served(app):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        config = uvicorn.Config(app, log_level='critical', loop='none', ws='websockets-sansio')
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.001)
        yield '127.0.0.1:%d' % listener.getsockname()[1]
        server.should_exit = True
        await serving
"""


class Server:
    """A process that serves a socket of ours, in a folder that has its application's module.

    loop is the module of its loops; files are further {name: text} of the folder.
    """

    def __init__(self, folder, code, command, loop, files=()):
        folder.mkdir()
        for name, text in {'served.py': code, **dict(files)}.items():
            (folder / name).write_text(text)
        self.loop = loop
        self._folder = str(folder)
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen(100)
            self.port = listener.getsockname()[1]
            words = [word.replace('FD', str(listener.fileno())) for word in command]
            environment = support.script_environment()
            del environment['PYTHONSAFEPATH']  # the module is in the current directory
            self.process = subprocess.Popen(
                [sys.executable, '-X', 'faulthandler', *words],
                env=environment,
                cwd=folder,
                pass_fds=[listener.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.lines = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(normal(line.rstrip().replace(self._folder, 'FOLDER')))
                self._changed.notify_all()
        self.process.stdout.close()

    def wait_for(self, words, count=1):
        """Waits until that many lines have these words."""

        def is_there():
            return sum(words in line for line in self.lines) >= count

        with self._changed:
            assert self._changed.wait_for(is_there, 60), (words, self.lines)

    def connect(self):
        return contextlib.closing(http.client.HTTPConnection('127.0.0.1', self.port, timeout=60))

    def ask(self, path, body=None):
        """(status, body) of one request on a connection of its own."""
        with self.connect() as connection:
            connection.request('GET' if body is None else 'POST', path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def stop(self, how=signal.SIGTERM):
        """Has it end; the exit status."""
        self.process.send_signal(how)
        status = self.process.wait(60)
        self._reader.join()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # workers too
        self.process.wait()
        self._reader.join()


@contextlib.contextmanager
def start_servers(folder, ways):
    """A Server for each way, started together; ways: {name: arguments of Server}."""
    with contextlib.ExitStack() as stack:
        yield {
            way: stack.enter_context(Server(folder / str(number), *arguments))
            for number, (way, arguments) in enumerate(ways.items())
        }


def in_each(running, function):
    """{way: function(server)}, all at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(running)) as pool:
        return dict(zip(running, pool.map(function, running.values()), strict=True))


def talk_to_app(server):
    """What a client of the application above sees, in one connection and in many."""
    status, module = server.ask('/loop')
    assert (status, module.decode().strip()) == (200, server.loop)
    seen = []
    with server.connect() as connection:
        for path, body in (
            ('/', None),
            ('/', b'x' * 300_000),
            ('/', iter([b'part'] * 3)),
            ('/timeout', None),
            ('/thread', None),
            ('/process', None),
            ('/large', None),
            ('/background', None),
        ):
            connection.request('GET' if body is None else 'POST', path, body)
            answer = connection.getresponse()
            headers = sorted(name.lower() for name in answer.headers)
            seen.append((path, answer.status, headers, answer.read()[:100]))
    server.wait_for('background task')
    seen.append(server.ask('/error'))
    server.wait_for('the application fails')
    return seen


def end_gracefully(server, words):
    """SIGTERM while a request is half done, which the log tells by these words: it is finished."""
    with socket.create_connection(('127.0.0.1', server.port), 60) as client:
        client.sendall(b'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst')
        received = b''
        while b'first' not in received:
            received += client.recv(65536)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for(words)
        client.sendall(b' last')
        while data := client.recv(65536):
            received += data
        status = server.process.wait(60)
    server._reader.join()
    return received.split(b'\r\n\r\n', 1)[1], status


def workers_of(server, count):
    """Asks until that many workers have answered: their process ids."""
    found = set()
    deadline = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < deadline, (found, server.lines)
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            found.add(int(server.ask('/pid')[1]))
    return found

