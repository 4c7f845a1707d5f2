"""sync.py -- queues, locks, semaphores, events and conditions."""

from time import perf_counter

from harness.registry import Goals, benchmark, expect


async def pass_through(aio, n, maxsize):
    """A producer and a consumer, n items, a queue of maxsize (0: unbounded)."""
    items = aio.Queue(maxsize)

    async def produce():
        for _ in range(n):
            await items.put(1)

    async def consume():
        total = 0
        for _ in range(n):
            total += await items.get()
        return total

    start = perf_counter()
    producer = aio.create_task(produce())
    total = await aio.create_task(consume())
    await producer
    elapsed = perf_counter() - start
    expect(total, n)
    return elapsed


@benchmark('Queue, maxsize {size}', sizes={1: Goals(3, 3, 8), 100: Goals(1, 1, 5)})
async def queue(aio, n, size):
    return await pass_through(aio, n, size)


@benchmark('Queue, unbounded', Goals(1, 1, 5))
async def queue_unbounded(aio, n):
    return await pass_through(aio, n, 0)


@benchmark('Queue ping-pong of 2 tasks', Goals(3, 3, 8))
async def queue_ping_pong(aio, n):
    """An item goes to and fro between two tasks, each with a queue."""
    to, fro = aio.Queue(), aio.Queue()

    async def echo():
        for _ in range(n):
            await fro.put(await to.get())

    echoing = aio.create_task(echo())
    total = 0
    start = perf_counter()
    for _ in range(n):
        await to.put(1)
        total += await fro.get()
    elapsed = perf_counter() - start
    await echoing
    expect(total, n)
    return elapsed


@benchmark('Semaphore(5) x {size:,}', sizes={1000: Goals(3, 3, 6)}, per_item=True)
async def semaphore(aio, n, size):
    """Many tasks, five of which may be inside."""
    inside = most = 0

    async def enter(gate):
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            await aio.sleep(0)
            inside -= 1

    start = perf_counter()
    for _ in range(n):
        gate = aio.Semaphore(5)
        for task in [aio.create_task(enter(gate)) for _ in range(size)]:
            await task
    elapsed = perf_counter() - start
    expect((inside, most), (0, 5))
    return elapsed


@benchmark('Lock, {size} tasks', sizes={10: Goals(2.5, 2.5, 6)}, per_item=True)
async def lock_contended(aio, n, size):
    """Every task but one waits for the lock."""
    lock = aio.Lock()
    inside = most = 0

    async def enter():
        nonlocal inside, most
        for _ in range(n):
            async with lock:
                inside += 1
                most = max(most, inside)
                await aio.sleep(0)
                inside -= 1

    start = perf_counter()
    for task in [aio.create_task(enter()) for _ in range(size)]:
        await task
    elapsed = perf_counter() - start
    expect((inside, most), (0, 1))
    return elapsed


@benchmark('Lock, uncontended', Goals(1, 1, 3))
async def lock_uncontended(aio, n):
    lock = aio.Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    elapsed = perf_counter() - start
    expect(lock.locked(), False)
    return elapsed


@benchmark('Event, {size:,} waiters', sizes={1000: Goals(2.5, 2.5, 6)}, per_item=True)
async def event(aio, n, size):
    """Many tasks wait for one event; creating them is measured too."""
    total = 0
    start = perf_counter()
    for _ in range(n):
        flag = aio.Event()
        waiters = [aio.create_task(flag.wait()) for _ in range(size)]
        await aio.sleep(0)
        flag.set()
        for waiter in waiters:
            total += await waiter
    elapsed = perf_counter() - start
    expect(total, n * size)
    return elapsed


@benchmark('Condition, {size} waiters', sizes={10: Goals(2, 2, 4)}, per_item=True)
async def condition(aio, n, size):
    """Waiters are woken by notify_all n times over."""
    changed = aio.Condition()
    version = 0

    async def follow():
        for wanted in range(1, n + 1):
            async with changed:
                while version < wanted:
                    await changed.wait()
        return version

    start = perf_counter()
    followers = [aio.create_task(follow()) for _ in range(size)]
    for _ in range(n):
        await aio.sleep(0)
        async with changed:
            version += 1
            changed.notify_all()
    versions = [await follower for follower in followers]
    elapsed = perf_counter() - start
    expect(versions, [n] * size)
    return elapsed
