"""scaling.py -- what a task and a timer cost where there are from 1e3 to 1e6 (run.py --scaling)."""

import tasks
import timers
from harness.registry import NO_GOALS, benchmark

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
