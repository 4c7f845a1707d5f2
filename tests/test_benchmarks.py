"""The network benchmarks' load generator: what comes back is counted and compared."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import support

BENCHMARKS = support.ROOT / 'benchmarks'

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.is_dir() or shutil.which('cc') is None or sys.platform != 'linux',
    reason='needs the benchmarks, cc and Linux',
)

# The argument is what the server makes of its input.
ECHO = """\
import asyncio
from harness.load import drive
from harness.tls import server_context

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write({expression})

async def main():
    context = server_context() if {tls} else None
    server = await asyncio.get_running_loop().create_server(Server, '127.0.0.1', 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    cost = await drive(asyncio, 50, {mode!r}, port, size=100, depth={depth}, tls={tls})
    print(0 < cost and 0 < cost.wall_s)
    server.close()
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


def run(*arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=support.LIMIT
    )


def drive(expression, depth=1, tls=False, mode='stream'):
    return run('-c', ECHO.format(expression=expression, depth=depth, tls=tls, mode=mode))


both = pytest.mark.parametrize('tls', [False, True], ids=['plain', 'TLS'])


@both
@pytest.mark.parametrize('depth', [1, 16])
def test_an_echo_has_a_cost(depth, tls):
    done = drive('data', depth, tls)
    assert done.stdout == 'True\n', done.stderr


@both
@pytest.mark.parametrize('expression', ['data.upper()', 'data[::-1]', 'data + data'])
def test_a_wrong_echo_is_an_error(expression, tls):
    done = drive(expression, tls=tls)
    assert done.returncode == 1
    assert 'WrongAnswer: the load generator says error:' in done.stderr


@both
def test_what_is_swallowed_has_a_cost(tls):
    done = drive("b'\\n' * (len(data) // 100)", tls=tls, mode='sink')
    assert done.stdout == 'True\n', done.stderr


@pytest.mark.parametrize('expression', ["b'x'", "b'\\n' * 200"])
def test_a_wrong_acknowledgement_is_an_error(expression):
    done = drive(expression, mode='sink')
    assert done.returncode == 1
    assert 'WrongAnswer: the load generator says error:' in done.stderr


ROWS = [
    ('asyncio', 'network.tcp_echo_cold'),
    ('c-epoll', 'network.tcp_echo_cold'),
    ('asyncio', 'network.tls_echo_cold'),
    ('asyncio', 'network.tls_handshakes_cold'),
]


@pytest.mark.parametrize(('contender', 'row'), ROWS)
def test_a_row_can_be_measured_by_hand(contender, row):
    done = run('worker.py', contender, row, '20')
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
