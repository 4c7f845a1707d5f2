"""callbacks.py -- call_soon and call_soon_threadsafe."""

import threading
from time import perf_counter

from harness.affinity import one_cpu
from harness.registry import Goals, benchmark, expect


@benchmark('call_soon chain', Goals(9, 12, 9))
async def chain(aio, n):
    """Each callback schedules the next one."""
    loop = aio.get_running_loop()
    done = loop.create_future()

    def step(left):
        if left:
            loop.call_soon(step, left - 1)
        else:
            done.set_result(n)

    start = perf_counter()
    loop.call_soon(step, n)
    result = await done
    elapsed = perf_counter() - start
    expect(result, n)
    return elapsed


@benchmark('call_soon burst of {size:,}', sizes={100_000: Goals(4.5, 3.6, 4.5)}, per_item=True)
async def burst(aio, n, size):
    """Many callbacks are scheduled at once, then run."""
    loop = aio.get_running_loop()
    seen = []
    start = perf_counter()
    for _ in range(n):
        seen.clear()
        for i in range(size):
            loop.call_soon(seen.append, i)
        await aio.sleep(0)
    elapsed = perf_counter() - start
    expect(seen, list(range(size)))
    return elapsed


@benchmark('call_soon_threadsafe throughput', Goals(30, 38, 30))
async def threadsafe_throughput(aio, n):
    """One other thread sends as fast as it can."""
    loop = aio.get_running_loop()
    done = loop.create_future()
    seen = []

    def send():
        for i in range(n):
            loop.call_soon_threadsafe(seen.append, i)
        loop.call_soon_threadsafe(done.set_result, None)

    thread = threading.Thread(target=send)
    start = perf_counter()
    thread.start()
    await done
    elapsed = perf_counter() - start
    thread.join()
    expect(seen, list(range(n)))
    return elapsed


@benchmark('call_soon_threadsafe round trip', Goals(1.9, 1.4, 1.9))
async def threadsafe_round_trip(aio, n):
    """Another thread has the loop run a coroutine, and waits for the result."""
    loop = aio.get_running_loop()

    async def answer():
        return 1

    def ask():
        total = 0
        start = perf_counter()
        for _ in range(n):
            total += aio.run_coroutine_threadsafe(answer(), loop).result()
        elapsed = perf_counter() - start
        expect(total, n)
        return elapsed

    with one_cpu():
        return await loop.run_in_executor(None, ask)
