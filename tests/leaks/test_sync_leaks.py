"""What locks and queues do, 5,000 times over in a process of its own: nothing grows."""

from __future__ import annotations

import pytest
from leaks.support import check

COUNT = 5_000

# What a kind does once, in a coroutine; aio is the namespace.
KINDS = {
    'lock': """
        lock = aio.Lock()
        async with lock:
            pass
        await lock.acquire()
        lock.release()
        """,
    'lock contended': """
        lock = aio.Lock()
        await lock.acquire()
        task = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        lock.release()
        await task
        """,
    'lock cancelled': """
        lock = aio.Lock()
        await lock.acquire()
        task = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        lock.release()
        task.cancel()
        await asyncio.wait([task])
        """,
    'lock refused': """
        try:
            aio.Lock().release()
        except RuntimeError:
            pass
        """,
    'lock never awaited': 'aio.Lock().acquire()',
    'lock abandoned': """
        lock = aio.Lock()
        await lock.acquire()
        lock.acquire().send(None)
        """,
    'lock in a cycle': """
        lock = aio.Lock()
        lock.me = lock.acquire
        await lock.acquire()
        waiting = lock.acquire()
        waiting.send(None)
        lock.waiting = waiting
        """,
    'lock subclass': """
        lock = Subclass()
        async with lock:
            pass
        """,
    'event': """
        event = aio.Event()
        task = asyncio.create_task(event.wait())
        await asyncio.sleep(0)
        event.set()
        await task
        event._waiters
        """,
    'condition': """
        condition = aio.Condition()
        async with condition:
            task = asyncio.create_task(wait(condition))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        async with condition:
            condition.notify_all()
        await task
        """,
    'condition cancelled twice': """
        condition = aio.Condition()
        task = asyncio.create_task(wait(condition))
        await asyncio.sleep(0)
        await condition.acquire()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        condition.release()
        await asyncio.wait([task])
        """,
    'condition with attributes': """
        condition = aio.Condition(aio.Lock())
        condition.acquire, condition.release, condition.locked
        repr(condition)
        condition._lock = aio.Lock()
        """,
    'semaphore': """
        semaphore = aio.BoundedSemaphore(1)
        task = asyncio.create_task(hold(semaphore))
        await hold(semaphore)
        await task
        """,
    'semaphore with an odd value': """
        semaphore = aio.Semaphore(1000000.5)
        async with semaphore:
            repr(semaphore)
        """,
    'barrier': """
        barrier = aio.Barrier(2)
        task = asyncio.create_task(barrier.wait())
        await barrier.wait()
        await task
        """,
    'barrier left': """
        barrier = aio.Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await barrier.reset()
        await barrier.abort()
        await asyncio.wait([*tasks, asyncio.create_task(barrier.wait())])
        """,
    'barrier abandoned': """
        barrier = aio.Barrier(2)
        barrier.wait().send(None)
        barrier.wait()
        """,
    'barrier in a cycle': """
        barrier = aio.Barrier(2)
        barrier.me = barrier.wait
        waiting = barrier.__aenter__()
        waiting.send(None)
        barrier.waiting = waiting
        """,
    'barrier refused': """
        for parties in (0, 1.5):
            try:
                barrier = aio.Barrier(parties)
            except ValueError:
                pass
        barrier._count = 10**30
        repr(barrier)
        """,
    'queue': """
        queue = aio.Queue()
        await queue.put([])
        await queue.get()
        queue.task_done()
        await queue.join()
        """,
    'queue waiting': """
        queue = aio.Queue(1)
        task = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        await queue.put([])
        await task
        await queue.put([])
        task = asyncio.create_task(queue.put([]))
        await asyncio.sleep(0)
        await queue.get()
        await task
        """,
    'queue cancelled': """
        queue = aio.Queue()
        task = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put_nowait([])
        task.cancel()
        await asyncio.wait([task])
        """,
    'queue refused': """
        queue = aio.Queue(1)
        try:
            queue.get_nowait()
        except asyncio.QueueEmpty:
            pass
        queue.put_nowait(1)
        try:
            queue.put_nowait(1)
        except asyncio.QueueFull:
            pass
        """,
    'queue of itself': """
        queue = aio.Queue()
        queue.put_nowait(queue)
        coroutine = queue.put(1)
        queue.put_nowait(coroutine)
        """,
    'priority queue': """
        queue = aio.PriorityQueue()
        for item in (3, 1, 2):
            await queue.put([item])
        repr(queue)
        await queue.get()
        """,
    'lifo queue': """
        queue = aio.LifoQueue()
        await queue.put([])
        await queue.get()
        """,
}

SCRIPT = """
import gc, types
from leaks.support import check_growth

aio = impl.module

class Subclass(aio.Lock):
    async def acquire(self):
        return await super().acquire()

async def wait(condition):
    async with condition:
        await condition.wait()

async def hold(semaphore):
    async with semaphore:
        await asyncio.sleep(0)

async def once():
    KIND

async def many(count):
    for _ in range(count):
        await once()
    for _ in range(6):
        await asyncio.sleep(0)
    gc.collect()

loop = new_event_loop()
check_growth(lambda count: loop.run_until_complete(many(count)), COUNT)
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    # Stock runs too, to show that the script itself leaks nothing: fewer rounds do for that.
    check(impl, SCRIPT, KINDS[kind], COUNT if impl.ours else COUNT // 5)
