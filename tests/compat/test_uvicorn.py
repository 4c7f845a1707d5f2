"""uvicorn as a process: the loop it is told to make, requests, graceful end, workers, signals."""

from __future__ import annotations

import os
import signal

from compat import servers
from compat.support import check_equal, needs

pytestmark = needs('uvicorn')

RUN = ['-m', 'uvicorn', '--fd', 'FD', '--no-use-colors', 'served:app']
ASYNCIO = ['--loop', 'asyncio']
OURS = ['--loop', 'pyasync:new_event_loop']
STOCK_LOOP, OUR_LOOP = 'asyncio.unix_events', 'pyasync._loop'

WAYS = {
    'stock': (servers.STOCK, [*RUN, *ASYNCIO], STOCK_LOOP),
    '--loop': (servers.STOCK, [*RUN, *OURS], OUR_LOOP),
    'namespace': (servers.NAMESPACE, [*RUN, *OURS], OUR_LOOP),
    'accelerate': (servers.ACCELERATE, [*RUN, *ASYNCIO], OUR_LOOP),
    'python -m pyasync': (servers.STOCK, ['-m', 'pyasync', *RUN, *ASYNCIO], OUR_LOOP),
}


# Workers make their loops before they import the application, and are new interpreters, which
# `python -m pyasync` does not reach.
WORKERS = {
    way: (first, RUN + (ASYNCIO if way == 'stock' else OURS), loop)
    for way, (first, _, loop) in WAYS.items()
    if way != 'python -m pyasync'
}


def with_application(ways, *options):
    return {
        way: (first + servers.ASGI, [*command, *options], loop)
        for way, (first, command, loop) in ways.items()
    }


def test_requests_and_graceful_end(tmp_path):
    def use(server):
        seen = servers.talk_to_app(server)
        # That line comes where a connection is left a while after the first words of the end.
        return seen, servers.end_gracefully(server, 'Waiting for connections'), server.lines

    with servers.start_servers(tmp_path, with_application(WAYS)) as running:
        results = servers.in_each(running, use)
    assert any('lifespan.shutdown' in line for line in results['stock'][2])
    check_equal(results)


def test_workers(tmp_path):
    """A worker that is killed is replaced; SIGTERM ends all of them after their lifespan."""

    def use(server):
        first = servers.workers_of(server, 2)
        assert server.ask('/loop')[1].decode().strip() == server.loop
        os.kill(min(first), signal.SIGKILL)
        server.wait_for('startup complete', 3)
        new = servers.workers_of(server, 2)
        seen = len(first & new), server.ask('/', b'x' * 100_000)
        status = server.stop()
        return seen, status, sorted(line for line in server.lines if '/pid' not in line)

    with servers.start_servers(tmp_path, with_application(WORKERS, '--workers', '2')) as running:
        check_equal(servers.in_each(running, use))
