"""combinators.py -- gather, TaskGroup, wait, as_completed, wait_for and timeout."""

from time import perf_counter

from harness.registry import Goals, benchmark, expect


async def answer(aio):
    await aio.sleep(0)
    return 1


@benchmark(
    'gather {size:,}',
    sizes={10: Goals(2.5, 2.5, 5), 100: Goals(2.5, 2.6, 6), 10_000: Goals(2, 2, 4)},
)
async def gather(aio, n, size):
    total = 0
    start = perf_counter()
    for _ in range(n):
        total += sum(await aio.gather(*[answer(aio) for _ in range(size)]))
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('TaskGroup {size}', sizes={100: Goals(3, 3.2, 5)})
async def task_group(aio, n, size):
    total = 0
    start = perf_counter()
    for _ in range(n):
        async with aio.TaskGroup() as group:
            tasks = [group.create_task(answer(aio)) for _ in range(size)]
        total += sum(task.result() for task in tasks)
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('wait {size}', sizes={100: Goals(2.5, 2.5, 5)})
async def wait(aio, n, size):
    total = 0
    start = perf_counter()
    for _ in range(n):
        done, _ = await aio.wait([aio.create_task(answer(aio)) for _ in range(size)])
        total += sum(task.result() for task in done)
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('as_completed {size}', sizes={100: Goals(2.5, 2.5, 5)})
async def as_completed(aio, n, size):
    total = 0
    start = perf_counter()
    for _ in range(n):
        for first in aio.as_completed([answer(aio) for _ in range(size)]):
            total += await first
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('wait_for, ready', Goals(1, 1, 5))
async def wait_for_ready(aio, n):
    """What is waited for is already done."""
    future = aio.get_running_loop().create_future()
    future.set_result(1)
    total = 0
    start = perf_counter()
    for _ in range(n):
        total += await aio.wait_for(future, 10)
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('wait_for, pending', Goals(2.2, 2.2, 5))
async def wait_for_pending(aio, n):
    """What is waited for is done in the next turn."""
    loop = aio.get_running_loop()
    total = 0
    start = perf_counter()
    for _ in range(n):
        future = loop.create_future()
        loop.call_soon(future.set_result, 1)
        total += await aio.wait_for(future, 10)
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('wait_for, {size} timing out', sizes={1000: Goals(2, 2, 4)}, per_item=True)
async def wait_for_timing_out(aio, n, size):
    """Many tasks wait for what never comes, and all give up at about the same time."""
    loop = aio.get_running_loop()

    async def give_up():
        try:
            await aio.wait_for(loop.create_future(), 0.001)
        except TimeoutError:
            return 1

    total = 0
    start = perf_counter()
    for _ in range(n):
        for task in [aio.create_task(give_up()) for _ in range(size)]:
            total += await task
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('timeout() around sleep(0)', Goals(2, 2, 4))
async def timeout_sleep(aio, n):
    start = perf_counter()
    for _ in range(n):
        async with aio.timeout(10) as scope:
            await aio.sleep(0)
    elapsed = perf_counter() - start
    expect(scope.expired(), False)
    return elapsed


@benchmark('timeout() alone', Goals(1.2, 1.2, 4))
async def timeout_alone(aio, n):
    start = perf_counter()
    for _ in range(n):
        async with aio.timeout(10) as scope:
            pass
    elapsed = perf_counter() - start
    expect(scope.expired(), False)
    return elapsed
