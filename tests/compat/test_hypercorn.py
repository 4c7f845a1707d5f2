"""hypercorn: requests, graceful end, workers, HTTP/2 and WebSockets over TLS, in its own loop and in ours."""

from __future__ import annotations

import support
from compat import servers
from compat.support import check_equal, check_same, needs

pytestmark = needs('hypercorn')

RUN = ['-m', 'hypercorn', '--bind', 'fd://FD', '--access-logfile', '-', 'served:app']
STOCK_LOOP, OUR_LOOP = 'asyncio.unix_events', 'pyasync._loop'
CERTIFICATE = str(support.TESTS / 'localhost.pem')

# It imports the application before it makes its loop, in each worker, too.
WAYS = {
    'stock': (servers.STOCK, RUN, STOCK_LOOP),
    'install': (servers.INSTALL, RUN, OUR_LOOP),
    'namespace': (servers.NAMESPACE, RUN, OUR_LOOP),
    'accelerate': (servers.ACCELERATE, RUN, OUR_LOOP),
}


def with_application(*options):
    return {
        way: (first + servers.ASGI, [*command, *options], loop)
        for way, (first, command, loop) in WAYS.items()
    }


def test_requests_and_graceful_end(tmp_path):
    with servers.start_servers(tmp_path, with_application('--workers', '0')) as running:
        results = {}
        for way, server in running.items():
            seen = servers.talk_to_app(server)
            results[way] = seen, server.stop(), server.lines
    assert any('lifespan.shutdown' in line for line in results['stock'][2])
    check_equal(results)


def test_workers(tmp_path):
    with servers.start_servers(tmp_path, with_application('--workers', '2')) as running:
        results = {}
        for way, server in running.items():
            seen = len(servers.workers_of(server, 2)), server.ask('/', b'x' * 100_000)
            status = server.stop()
            results[way] = seen, status, sorted({line for line in server.lines if '/pid' not in line})
    check_equal(results)
