"""futures.py -- a task that waits for a future."""

from time import perf_counter

from harness.registry import Goals, benchmark, expect


@benchmark('future wakeup', Goals(6, 6, 8))
async def wakeup(aio, n):
    """A future whose result a callback sets in the next turn."""
    loop = aio.get_running_loop()
    total = 0
    start = perf_counter()
    for _ in range(n):
        future = loop.create_future()
        loop.call_soon(future.set_result, 1)
        total += await future
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('future ping-pong of 2 tasks', Goals(6, 5.5, 8))
async def ping_pong(aio, n):
    """Two tasks wake each other in turn."""
    loop = aio.get_running_loop()
    balls = [loop.create_future(), loop.create_future()]

    async def player(mine, other):
        total = 0
        for _ in range(n):
            total += await balls[mine]
            balls[mine] = loop.create_future()
            balls[other].set_result(1)
        return total

    first = aio.create_task(player(0, 1))
    second = aio.create_task(player(1, 0))
    start = perf_counter()
    balls[0].set_result(1)
    totals = await first, await second
    elapsed = perf_counter() - start
    expect(totals, (n, n))
    return elapsed
