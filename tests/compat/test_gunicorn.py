"""gunicorn: uvicorn's, aiohttp's and its own ASGI workers on our loop, several of each, signals.

The worker class and the configuration are those of docs/frameworks.md.
"""

from __future__ import annotations

import os
import re
import signal

import support
from compat import servers
from compat.support import check_equal, needs

pytestmark = needs('gunicorn')

# A worker of aiohttp's that ends may wait for a connection for 28 seconds without a sign of life,
# on stock as well; gunicorn's own patience is 30.
RUN = '-m gunicorn --no-control-socket --bind fd://FD --workers 2 --timeout 300'.split()
STOCK_LOOP, OUR_LOOP = 'asyncio.unix_events', 'pyasync._loop'
DOCS = (support.ROOT / 'docs' / 'frameworks.md').read_text()

AIOHTTP = """
import os
import ssl
from aiohttp import web

async def pid(request):
    return web.Response(text=str(os.getpid()))

async def loop(request):
    return web.Response(text=type(asyncio.get_running_loop()).__module__.ljust(40))

async def root(request):
    return web.Response(text=f'{len(await request.read())} bytes')

async def echo(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for part, _ in request.content.iter_chunks():
        await response.write(part)
    await response.write(b'.')
    return response

async def started(app):
    os.write(1, b'started' + b'\\n')
    yield
    os.write(1, b'stopped' + b'\\n')

app = web.Application(client_max_size=2**30)
app.add_routes([
    web.get('/pid', pid), web.get('/loop', loop), web.post('/', root), web.post('/echo', echo),
])
app.cleanup_ctx.append(started)
"""


def from_docs(name):
    """The code block of the documentation that begins with a comment of this name."""
    return re.search(rf'```python\n# {re.escape(name)}\n(.*?)```', DOCS, re.DOTALL)[1]


def supervised(server):
    """What is seen of two workers: requests, one that is killed, a new generation, the end."""
    first = servers.workers_of(server, 2)
    assert server.ask('/loop')[1].decode().strip() == server.loop
    os.kill(min(first), signal.SIGKILL)
    server.wait_for('Booting worker', 3)
    new = servers.workers_of(server, 2)
    seen = [len(first & new), server.ask('/', b'x' * 100_000)]
    server.process.send_signal(signal.SIGHUP)
    server.wait_for('Booting worker', 5)
    while servers.workers_of(server, 2) & new:
        pass
    seen.append(server.stop())
    # A log line may come before another worker's.
    return seen, sorted({line for line in server.lines if '/pid' not in line})


def check_workers(tmp_path, ways):
    with servers.start_servers(tmp_path, ways) as running:
        check_equal(servers.in_each(running, supervised))


@needs('uvicorn_worker')
def test_uvicorn_worker(tmp_path):
    ours = from_docs('workers.py')
    stock = ours.replace('pyasync:new_event_loop', 'asyncio')
    command = [*RUN, '--worker-class', 'workers.PyasyncWorker', 'served:app']
    application = servers.STOCK + servers.ASGI
    check_workers(
        tmp_path,
        {
            'stock': (application, command, STOCK_LOOP, {'workers.py': stock}),
            'worker class': (application, command, OUR_LOOP, {'workers.py': ours}),
            'namespace': (
                servers.NAMESPACE + servers.ASGI, command, OUR_LOOP, {'workers.py': ours}
            ),
            'accelerate': (
                servers.ACCELERATE + servers.ASGI, command, OUR_LOOP, {'workers.py': stock}
            ),
        },
    )  # fmt: skip


def configured(application, *options):
    """The ways in of a worker that asks asyncio for a loop, before it imports the application."""
    command = [*RUN, *options, 'served:app']
    config = from_docs('gunicorn.conf.py')
    accelerated = config.replace('install()', 'install(accelerate=True)')
    return {
        'stock': (servers.STOCK + application, command, STOCK_LOOP, {}),
        'configuration': (
            servers.STOCK + application, command, OUR_LOOP, {'gunicorn.conf.py': config}
        ),
        'accelerate': (
            servers.STOCK + application, command, OUR_LOOP, {'gunicorn.conf.py': accelerated}
        ),
    }  # fmt: skip


@needs('aiohttp')
def test_aiohttp_worker(tmp_path):
    options = ['--worker-class', 'aiohttp.GunicornWebWorker']
    check_workers(tmp_path, configured(AIOHTTP, *options))


def test_asgi_worker(tmp_path):
    options = ['--worker-class', 'asgi', '--asgi-loop', 'asyncio']
    check_workers(tmp_path, configured(servers.ASGI, *options))
