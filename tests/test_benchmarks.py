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

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write({expression})

async def main():
    server = await asyncio.get_running_loop().create_server(Server, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    cost = await drive(asyncio, 50, 'stream', port, size=100, depth={depth})
    print(0 < cost and 0 < cost.wall_s)
    server.close()
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


def run(*arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=60)


def drive(expression, depth=1):
    return run('-c', ECHO.format(expression=expression, depth=depth))


@pytest.mark.parametrize('depth', [1, 16])
def test_an_echo_has_a_cost(depth):
    done = drive('data', depth)
    assert done.stdout == 'True\n', done.stderr


@pytest.mark.parametrize('expression', ['data.upper()', 'data[::-1]', 'data + data'])
def test_a_wrong_echo_is_an_error(expression):
    done = drive(expression)
    assert done.returncode == 1
    assert 'WrongAnswer: the load generator says error:' in done.stderr


@pytest.mark.parametrize('contender', ['asyncio', 'c-epoll'])
def test_a_row_can_be_measured_by_hand(contender):
    done = run('worker.py', contender, 'network.tcp_echo_cold', '20')
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
