"""yardstick.py -- a plain C server (native/epoll_server.c), which echoes have to be near.

It stands in the table beside the loops, in the rows that name what it is to do.
"""

import asyncio
import subprocess
import tempfile
import time
from functools import partial

from harness import native
from harness.affinity import one_cpu
from harness.load import drive


def c_echo(mode, *, size, fan=1, is_unix=False, **options):
    """What measures the plain server: a function of n that returns the server's cost."""
    options |= {'size': size, 'fan': fan}
    return partial(_measure, mode, is_unix, options)


def _measure(mode, is_unix, options, n):
    with tempfile.TemporaryDirectory() as directory:
        path = f'{directory}/socket' if is_unix else '0'
        words = (mode, path, options['size'], options['fan'])
        command = [native.program('epoll_server'), *map(str, words)]
        with one_cpu():  # which drive() keeps the generator away from
            server = subprocess.Popen(command, stdout=subprocess.PIPE)
        with server:
            try:
                port = int(server.stdout.readline())
                address = path if is_unix else port
                # Linux's number for the CPU clock of a process.
                clock = partial(time.clock_gettime, (~server.pid << 3) | 2)
                return asyncio.run(drive(asyncio, n, mode, address, clock=clock, **options))
            finally:
                server.kill()
