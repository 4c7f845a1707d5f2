"""timers.py -- call_later, and sleeps below a millisecond."""

import random
import time
from time import perf_counter

from harness.registry import Goals, WrongAnswer, benchmark, expect

# Timers are cancelled in batches with a turn of the loop after each: a server sets and drops
# timeouts in every turn, and a loop that tidies up between turns has to do so while measured.
CANCEL_BATCH = 100


@benchmark(
    'timer add+cancel, {size:,} pending',
    sizes={1_000: Goals(8, 10, 8), 1_000_000: Goals(10, 11, 10)},
    slow_from=1_000_000,
)
async def add_cancel(aio, n, size):
    """A timeout is set and dropped while `size` others wait."""
    loop = aio.get_running_loop()
    fired = []
    delays = random.Random(1)
    pending = [loop.call_later(1000 + delays.random() * 1000, fired.append, 0) for _ in range(size)]
    batch = [1000 + delays.random() * 1000 for _ in range(CANCEL_BATCH)]
    await aio.sleep(0)
    rounds = -(-n // CANCEL_BATCH)
    start = perf_counter()
    for _ in range(rounds):
        for delay in batch:
            loop.call_later(delay, fired.append, 1).cancel()
        await aio.sleep(0)
    elapsed = perf_counter() - start
    for handle in pending:
        handle.cancel()
    expect(fired, [])
    return elapsed * n / (rounds * CANCEL_BATCH)


async def add_and_fire(aio, size):
    """Seconds to add `size` timers, in no order, and to fire them once all have expired."""
    loop = aio.get_running_loop()
    done = loop.create_future()
    left = size

    def fire():
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    delays = [0.001 + i * 0.001 / size for i in range(size)]
    random.Random(1).shuffle(delays)
    start = perf_counter()
    for delay in delays:
        loop.call_later(delay, fire)
    adding = perf_counter() - start
    time.sleep(0.003)
    start = perf_counter()
    await done
    firing = perf_counter() - start
    expect(left, 0)
    return adding, firing


@benchmark('{size:,} timers firing', sizes={100_000: Goals(6.5, 5.2, 6.5)}, per_item=True)
async def firing(aio, n, size):
    """Timers that have all expired; adding them is not measured."""
    elapsed = 0.0
    for _ in range(n):
        elapsed += (await add_and_fire(aio, size))[1]
    return elapsed


@benchmark('sleep(0.1 ms) x 1', Goals(4, 4, 4))
async def sleep_short(aio, n):
    """A task that sleeps 0.1 ms again and again; a loop that wakes it early fails."""
    loop = aio.get_running_loop()
    delay = 0.0001
    early = 0
    start = perf_counter()
    for _ in range(n):
        began = loop.time()
        await aio.sleep(delay)
        # The clock's own resolution is no earliness.
        early += loop.time() - began < delay - 1e-6
    elapsed = perf_counter() - start
    if early:
        raise WrongAnswer(f'{early} of {n} sleeps of 0.1 ms ended early')
    return elapsed
