"""Locks, events, conditions, semaphores, barriers, queues."""

import asyncio
import copy
import pickle

from harness.probe import Group

lock = Group('Lock', 'tests/sync/test_lock.py')
event = Group('Event', 'tests/sync/test_event.py')
condition = Group('Condition', 'tests/sync/test_condition.py')
semaphore = Group('Semaphore and BoundedSemaphore', 'tests/sync/test_semaphore.py')
barrier = Group('Barrier', 'tests/sync/test_barrier.py')
queue = Group('Queue, PriorityQueue, LifoQueue', 'tests/sync/test_queue.py')


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled(t, coroutine):
    """Start it, cancel it while it waits, tell how it ended."""
    one = asyncio.create_task(coroutine)
    await turns()
    one.cancel()
    with t.raised():
        await one


async def workers(t, work, count=3):
    """Several of a kind, that tell their names in the order in which they go on."""
    tasks = [asyncio.create_task(work(i)) for i in range(count)]
    await turns()
    return tasks


@lock('Lock.acquire()', covers=('Lock.locked()',))
async def lock_acquire(t):
    async def work(i):
        t.tell(i, await one.acquire())
        await asyncio.sleep(0)
        one.release()

    one = t.aio.Lock()
    t.tell(one.locked(), one, await one.acquire(), one.locked())
    tasks = await workers(t, work)
    t.tell(one)
    await cancelled(t, one.acquire())
    one.release()
    await asyncio.gather(*tasks)
    t.tell(one)


@lock('Lock.release()')
async def lock_release(t):
    one = t.aio.Lock()
    with t.raised():
        one.release()


@lock('async with Lock')
async def lock_with(t):
    one = t.aio.Lock()
    async with one as value:
        t.tell(value, one.locked())
    with t.raised():
        async with one:
            raise KeyError('key')
    t.tell(one.locked())
    with t.raised():
        with one:
            pass


@lock('a lock of another loop')
def lock_other_loop(t):
    async def hold():
        await one.acquire()
        await cancelled(t, one.acquire())

    one = t.aio.Lock()
    t.run(hold())
    with t.raised():
        t.run(hold())


@lock('subclasses of Lock')
async def lock_subclass(t):
    class Mine(t.aio.Lock):
        async def acquire(self):
            t.tell('acquire')
            return await super().acquire()

    async with Mine() as value:
        t.tell(value)


@event('Event.wait()', covers=('Event.is_set()', 'Event.set()', 'Event.clear()'))
async def event_wait(t):
    async def work(i):
        t.tell(i, await one.wait())

    one = t.aio.Event()
    tasks = await workers(t, work)
    t.tell(one, one.is_set())
    t.tell(one.set(), one.is_set(), await one.wait())
    await asyncio.gather(*tasks)
    one.set()
    t.tell(one, one.clear(), one.is_set())
    await cancelled(t, one.wait())


@condition('Condition.wait()', covers=('Condition.notify()', 'Condition.notify(n=)'))
async def condition_wait(t):
    async def work(i):
        async with one:
            t.tell(i, await one.wait())

    one = t.aio.Condition()
    tasks = await workers(t, work, 4)
    t.tell(one)
    async with one:
        one.notify()
        one.notify(n=2)
    await turns(8)
    async with one:
        one.notify(9)
    await asyncio.gather(*tasks)
    with t.raised():
        await one.wait()
    with t.raised():
        one.notify()
    await cancelled(t, work(9))


@condition('Condition.notify_all()')
async def condition_notify_all(t):
    async def work(i):
        async with one:
            t.tell(i, await one.wait())

    one = t.aio.Condition()
    tasks = await workers(t, work)
    async with one:
        one.notify_all()
    await asyncio.gather(*tasks)
    with t.raised():
        one.notify_all()


@condition('Condition.wait_for()')
async def condition_wait_for(t):
    async def work(i):
        async with one:
            t.tell(i, await one.wait_for(lambda: len(told) > i and 'enough'))

    told = []
    one = t.aio.Condition()
    tasks = await workers(t, work)
    for _ in range(3):
        async with one:
            told.append(1)
            one.notify_all()
        await turns(6)
    await asyncio.gather(*tasks)


@condition('Condition(lock=)')
async def condition_lock(t):
    one = t.aio.Lock()
    shared = t.aio.Condition(one)
    async with shared:
        t.tell(one.locked(), shared.locked())
    with t.raised():
        t.aio.Condition(lock=5).acquire()


@semaphore('Semaphore.acquire()', covers=('Semaphore.release()', 'Semaphore.locked()'))
async def semaphore_acquire(t):
    async def work(i):
        async with one:
            t.tell('in', i)
            await asyncio.sleep(0)
            t.tell('out', i)

    one = t.aio.Semaphore(2)
    tasks = await workers(t, work, 5)
    t.tell(one, one.locked())
    await asyncio.gather(*tasks)
    one.release()
    t.tell(one, one.locked())
    for _ in range(3):
        await one.acquire()
    await cancelled(t, one.acquire())


@semaphore('Semaphore(value=)')
async def semaphore_value(t):
    t.tell(t.aio.Semaphore(), t.aio.Semaphore(value=0).locked())
    with t.raised():
        t.aio.Semaphore(-1)


@semaphore('BoundedSemaphore.release()')
async def bounded(t):
    one = t.aio.BoundedSemaphore(1)
    await one.acquire()
    one.release()
    with t.raised():
        one.release()


@semaphore('BoundedSemaphore(value=)')
async def bounded_value(t):
    t.tell(t.aio.BoundedSemaphore(), t.aio.BoundedSemaphore(value=3))
    with t.raised():
        t.aio.BoundedSemaphore(-1)


@barrier('Barrier.wait()')
async def barrier_wait(t):
    async def work(i):
        t.tell(i, await one.wait())

    one = t.aio.Barrier(3)
    tasks = await workers(t, work, 2)
    t.tell(one.n_waiting, one)
    t.tell('last', await one.wait())
    await asyncio.gather(*tasks)
    with t.raised():
        t.aio.Barrier(0)


@barrier('Barrier.parties', covers=('Barrier.n_waiting', 'Barrier.broken'))
async def barrier_attributes(t):
    one = t.aio.Barrier(5)
    t.tell(one.parties, one.n_waiting, one.broken)
    with t.raised():
        one.parties = 3


@barrier('Barrier.abort()', covers=('asyncio.BrokenBarrierError',))
async def barrier_abort(t):
    async def work(i):
        with t.raised():
            await one.wait()

    one = t.aio.Barrier(3)
    tasks = await workers(t, work, 2)
    t.tell(await one.abort(), one.broken, one)
    await asyncio.gather(*tasks)
    with t.raised():
        await one.wait()
    t.tell(t.aio.BrokenBarrierError.__mro__)


@barrier('Barrier.reset()')
async def barrier_reset(t):
    async def work(i):
        with t.raised():
            await one.wait()

    one = t.aio.Barrier(3)
    tasks = await workers(t, work, 2)
    t.tell(await one.reset())
    await asyncio.gather(*tasks)
    await one.abort()
    await one.reset()
    t.tell(one.broken)


@barrier('async with Barrier')
async def barrier_with(t):
    async def work(i):
        async with one as position:
            t.tell(i, position)

    one = t.aio.Barrier(3)
    await asyncio.gather(*await workers(t, work))


@queue('Queue.put()', covers=('Queue.full()', 'Queue.maxsize'))
async def queue_put(t):
    async def work(i):
        t.tell(i, await one.put(i))

    one = t.aio.Queue(2)
    tasks = await workers(t, work, 4)
    t.tell(one, one.full(), one.maxsize)
    t.tell([await one.get() for _ in range(4)])
    await asyncio.gather(*tasks)
    one.put_nowait(1)
    one.put_nowait(2)
    await cancelled(t, one.put(3))


@queue('Queue.get()', covers=('Queue.empty()', 'Queue.qsize()'))
async def queue_get(t):
    async def work(i):
        t.tell(i, await one.get())

    one = t.aio.Queue()
    tasks = await workers(t, work)
    t.tell(one, one.empty(), one.qsize())
    for value in 'abcd':
        one.put_nowait(value)
    await asyncio.gather(*tasks)
    t.tell(one.qsize(), await one.get())
    await cancelled(t, one.get())


@queue('Queue.put_nowait()', covers=('asyncio.QueueFull',))
async def put_nowait(t):
    one = t.aio.Queue(1)
    t.tell(one.put_nowait(1))
    with t.raised():
        one.put_nowait(2)
    t.tell(t.aio.QueueFull.__mro__)


@queue('Queue.get_nowait()', covers=('asyncio.QueueEmpty',))
async def get_nowait(t):
    one = t.aio.Queue(1)
    with t.raised():
        one.get_nowait()
    one.put_nowait(1)
    t.tell(one.get_nowait(), t.aio.QueueEmpty.__mro__)


@queue('Queue.join()', covers=('Queue.task_done()',))
async def queue_join(t):
    async def work(i):
        await one.join()
        t.tell('joined', i)

    one = t.aio.Queue()
    await one.join()
    one.put_nowait(1)
    tasks = await workers(t, work)
    t.tell(one)
    one.get_nowait()
    t.tell(one.task_done())
    await asyncio.gather(*tasks)
    with t.raised():
        one.task_done()


@queue('Queue(maxsize=)', covers=('LifoQueue(maxsize=)', 'PriorityQueue(maxsize=)'))
async def queue_maxsize(t):
    for kind in (t.aio.Queue, t.aio.LifoQueue, t.aio.PriorityQueue):
        t.tell(kind(maxsize=3), kind(-1).full(), kind().maxsize)


@queue('Queue.shutdown()', since=(3, 13), covers=('asyncio.QueueShutDown',))
async def queue_shutdown(t):
    async def work(i):
        with t.raised():
            await one.put(i)

    one = t.aio.Queue(1)
    one.put_nowait('first')
    tasks = await workers(t, work)
    t.tell(one.shutdown(), one)
    await asyncio.gather(*tasks)
    with t.raised():
        one.put_nowait(1)
    t.tell(await one.get())
    with t.raised():
        await one.get()
    with t.raised():
        one.get_nowait()
    t.tell(t.aio.QueueShutDown.__mro__)


@queue('Queue.shutdown(immediate=)', since=(3, 13))
async def queue_shutdown_immediate(t):
    async def work(i):
        with t.raised():
            await one.get()

    async def join():
        await one.join()
        t.tell('joined')

    one = t.aio.Queue()
    tasks = await workers(t, work)
    one.shutdown(immediate=True)
    await asyncio.gather(*tasks)
    one = t.aio.Queue()
    one.put_nowait(1)
    joining = asyncio.create_task(join())
    await turns()
    one.shutdown(immediate=True)
    await joining
    t.tell(one)


@queue('asyncio.LifoQueue')
async def lifo(t):
    one = t.aio.LifoQueue()
    for i in range(3):
        await one.put(i)
    t.tell(one, [await one.get() for _ in range(3)])


@queue('asyncio.PriorityQueue')
async def priority(t):
    one = t.aio.PriorityQueue()
    for i in (3, 1, 2):
        await one.put(i)
    t.tell(one, [await one.get() for _ in range(3)])
    await one.put(1)
    with t.raised():
        await one.put('x')


@queue('subclasses of Queue')
async def queue_subclass(t):
    class Mine(t.aio.Queue):
        def _init(self, maxsize):
            self._queue = []

        def _put(self, item):
            t.tell('put', item)
            self._queue.insert(0, item)

        def _get(self):
            return self._queue.pop()

    one = Mine()
    await one.put(1)
    await one.put(2)
    t.tell(await one.get(), one.qsize(), isinstance(one, t.aio.Queue))


@queue('Queue[int]')
async def queue_generic(t):
    t.tell(t.aio.Queue[int](3).maxsize, t.aio.Queue[int].__args__)


@queue('pickling and copying locks and queues')
async def sync_pickling(t):
    for kind in ('Lock', 'Event', 'Semaphore', 'Queue', 'Condition'):
        with t.raised():
            one = pickle.loads(pickle.dumps(getattr(t.aio, kind)()))
            t.tell(type(one).__name__)
        with t.raised():
            t.tell(type(copy.copy(getattr(t.aio, kind)())).__name__)


@queue('the module that a class says it is of', named='name our classes in full')
async def modules(t):
    for name in ('Lock', 'Event', 'Queue', 'Future', 'Task', 'TaskGroup', 'StreamReader'):
        t.tell(name, getattr(t.aio, name).__module__.split('.'))
