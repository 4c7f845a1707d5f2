"""load.py -- puts native/loadgen.c to work on a server of this process, and tells the CPU time.

The generator runs on another CPU than the server where there are two. It is talked to over a
socket and by the loop's add_reader(), so no loop's subprocess support takes part.
"""

import socket
import subprocess
from time import process_time

from harness import native
from harness.affinity import apart
from harness.registry import WrongAnswer

CONNECTIONS = 10


class Cost(float):
    """CPU seconds of the server, and the seconds by the clock beside."""

    wall_s: float

    def __new__(cls, cpu_s, wall_s):
        cost = super().__new__(cls, cpu_s)
        cost.wall_s = wall_s
        return cost


class Generator:
    """The load generator's process. Says ready(), is told to go(), says done()."""

    def __init__(
        self,
        cpu,
        mode,
        address,
        n,
        *,
        connections=CONNECTIONS,
        size=1024,
        depth=1,
        fan=1,
        tls=False,
    ):
        self.n = n
        self.control, theirs = socket.socketpair()
        words = (cpu, mode, address, n, connections, size, depth, fan, int(tls))
        with theirs:
            self.process = subprocess.Popen(
                [native.program('loadgen'), *map(str, words)], stdin=theirs, stdout=theirs
            )

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc, traceback):
        if exc is not None:
            self.process.kill()  # it may be waiting for a server that is gone
        self.control.close()
        self.process.wait()

    async def ready(self, loop):
        await self._word(loop, 'ready')

    def go(self):
        self.control.send(b'go\n')

    async def done(self, loop):
        """Wait until all was done; the seconds that it took."""
        count, wall_s = await self._word(loop, 'done')
        if int(count) != self.n:
            raise WrongAnswer(f'{count} messages of {self.n}')
        return float(wall_s)

    async def _word(self, loop, wanted):
        readable = loop.create_future()
        loop.add_reader(self.control.fileno(), lambda: readable.done() or readable.set_result(None))
        try:
            await readable
        finally:
            loop.remove_reader(self.control.fileno())
        self.control.setblocking(True)
        line = self.control.recv(1000).decode().strip()
        word, *values = line.split() or ['nothing']
        if word != wanted:
            raise WrongAnswer(f'the load generator says {line or word}')
        return values


async def drive(aio, n, mode, address, *, clock=process_time, **options):
    """n messages to the server that listens there; what they cost, by this process's CPU clock."""
    loop = aio.get_running_loop()
    with apart() as cpu, Generator(cpu, mode, address, n, **options) as generator:
        await generator.ready(loop)
        start = clock()
        generator.go()
        wall_s = await generator.done(loop)
        return Cost(clock() - start, wall_s)
