"""executors.py -- work handed to the default thread pool."""

from time import perf_counter

from harness.affinity import one_cpu
from harness.registry import Goals, benchmark, expect


def one():
    return 1


async def call_in_turn(call, n):
    """n calls, one at a time; starting the thread is not measured."""
    with one_cpu():
        await call()
        total = 0
        start = perf_counter()
        for _ in range(n):
            total += await call()
        elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('run_in_executor', Goals(1.5, 1.5, 2))
async def run_in_executor(aio, n):
    loop = aio.get_running_loop()
    return await call_in_turn(lambda: loop.run_in_executor(None, one), n)


@benchmark('to_thread', Goals(1.7, 1.7, 2))
async def to_thread(aio, n):
    return await call_in_turn(lambda: aio.to_thread(one), n)
