"""scaling.py -- what one costs where there are many (run.py --scaling).

Tasks and timers from 1e3 to 1e6. Messages over connections from 10 to 1e4, by the CPU time of the
server, see network.py.
"""

from functools import partial

import tasks
import timers
from harness.affinity import apart
from harness.load import CONNECTIONS, Generator, drive
from harness.registry import NO_GOALS, benchmark
from network import BACKLOG, KIB, Echo, raise_file_limit, serving

SIZES = dict.fromkeys((1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000), NO_GOALS)


@benchmark('task, {size:,} at once', sizes=SIZES, per_item=True)
async def task(aio, n, size):
    """Created, run and awaited."""
    return await tasks.burst(aio, n, size)


@benchmark('timer, {size:,} at once', sizes=SIZES, per_item=True)
async def timer(aio, n, size):
    """Added and fired."""
    elapsed = 0.0
    for _ in range(n):
        elapsed += sum(await timers.add_and_fire(aio, size))
    return elapsed


async def message_cost(aio, n, connections, idle):
    """What one of n messages takes, while so many others are open and idle."""
    loop = aio.get_running_loop()
    opened = 0

    class Counted(Echo):
        def connection_made(self, transport):
            nonlocal opened
            super().connection_made(transport)
            opened += 1

        def connection_lost(self, exc):
            nonlocal opened
            opened -= 1

    async def reach(count):
        while opened != count:
            await aio.sleep(0.01)

    raise_file_limit()
    server = await loop.create_server(Counted, '127.0.0.1', 0, backlog=BACKLOG)
    async with serving(aio, server) as port:
        with apart() as cpu, Generator(cpu, 'idle', port, 0, connections=idle) as silent:
            await silent.ready(loop)
            await reach(idle)
            cost = await drive(aio, n, 'stream', port, size=KIB, connections=connections)
        # A loop that is closed before has thousands to give up at once.
        await reach(0)
    return cost


MANY = (10, 30, 100, 300, 1_000, 3_000, 10_000)
messages = partial(
    benchmark, sizes=dict.fromkeys(MANY, NO_GOALS), allocator='cold', programs=('cc',)
)


@messages('message, {size:,} connections that all are active', per_item=True)
async def message_active(aio, n, size):
    """n from each of them."""
    return await message_cost(aio, n * size, size, 0)


@messages('message, {size:,} connections of which 10 are active')
async def message_idle(aio, n, size):
    return await message_cost(aio, n, CONNECTIONS, size - CONNECTIONS)
