"""tasks.py -- tasks created, stepped, awaited, cancelled; run(); a sleeping task's memory."""

from time import perf_counter

from harness.registry import Goals, benchmark, expect


async def answer(value):
    return value


@benchmark('sleep(0), 1 task', Goals(5, 7, 10))
async def sleep_zero(aio, n):
    """One task that yields again and again."""
    sleep = aio.sleep
    start = perf_counter()
    for _ in range(n):
        await sleep(0)
    return perf_counter() - start


@benchmark('sleep(0), {size} tasks', sizes={100: Goals(5, 5, 10)}, per_item=True)
async def sleep_zero_many(aio, n, size):
    """Many tasks that all yield again and again."""
    sleep = aio.sleep

    async def yielder():
        for _ in range(n):
            await sleep(0)
        return n

    tasks = [aio.create_task(yielder()) for _ in range(size)]
    start = perf_counter()
    steps = [await task for task in tasks]
    elapsed = perf_counter() - start
    expect(sum(steps), n * size)
    return elapsed


@benchmark('create_task + await', Goals(6, 7, 7))
async def create_await(aio, n):
    """A task at a time."""
    create_task = aio.create_task
    total = 0
    start = perf_counter()
    for _ in range(n):
        total += await create_task(answer(1))
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('burst of {size:,} tasks', sizes={100_000: Goals(3, 2.5, 3.3)}, per_item=True)
async def burst(aio, n, size):
    """Many tasks are created at once, then awaited."""
    create_task = aio.create_task
    elapsed = 0.0
    for _ in range(n):
        start = perf_counter()
        tasks = [create_task(answer(1)) for _ in range(size)]
        total = 0
        for task in tasks:
            total += await task
        elapsed += perf_counter() - start
        expect(total, size)
    return elapsed


@benchmark('cancel {size:,} tasks', sizes={100_000: Goals(4.5, 6.5, 4.5)}, per_item=True)
async def cancel(aio, n, size):
    """Tasks that wait for a future each are cancelled at once; creating them is not measured."""
    loop = aio.get_running_loop()

    async def wait_for_nothing():
        await loop.create_future()

    elapsed = 0.0
    for _ in range(n):
        tasks = [aio.create_task(wait_for_nothing()) for _ in range(size)]
        await aio.sleep(0)
        start = perf_counter()
        for task in tasks:
            task.cancel()
        while not tasks[-1].done():
            await aio.sleep(0)
        elapsed += perf_counter() - start
        expect(sum(task.cancelled() for task in tasks), size)
    return elapsed


@benchmark('eager create + await', Goals(1.1, 1.1, 1.5), since=(3, 12))
async def eager(aio, n):
    """A task that ends in its first step, which eager_task_factory runs at once."""
    loop = aio.get_running_loop()
    loop.set_task_factory(aio.eager_task_factory)
    create_task = aio.create_task
    total = 0
    start = perf_counter()
    for _ in range(n):
        total += await create_task(answer(1))
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('run() start + stop', Goals(1.0, 1.0, 1.2))
def run(aio, new_event_loop, n):
    """A loop is made, runs one coroutine, and is closed."""
    total = 0
    start = perf_counter()
    for _ in range(n):
        with aio.Runner(loop_factory=new_event_loop) as runner:
            total += runner.run(answer(1))
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


def resident_bytes():
    """This process's memory in RAM; to the page, which statm is not on several CPUs."""
    with open('/proc/self/smaps_rollup') as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith('Rss:'))


@benchmark(
    'bytes a sleeping task',
    sizes={100_000: Goals(1200, 1200, 900)},
    per_item=True,
    unit='B',
    fresh=True,
)
async def sleeping_bytes(aio, n, size):
    """What the process grows by for each task in sleep(3600), by the kernel's account."""

    async def sleeper():
        await aio.sleep(3600)

    tasks = [None] * size
    before = resident_bytes()
    for i in range(size):
        tasks[i] = aio.create_task(sleeper())
    await aio.sleep(0)
    grown = resident_bytes() - before
    expect(sum(task.done() for task in tasks), 0)
    for task in tasks:
        task.cancel()
    await aio.wait(tasks)
    return grown * n
