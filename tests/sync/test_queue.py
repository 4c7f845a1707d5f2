"""Queue, LifoQueue and PriorityQueue: items, waiting for them, and the hooks of subclasses."""

from __future__ import annotations

import asyncio
import collections
import gc
import random
import weakref

import pytest
from sync.steps import outcomes, refused, settle, spawn

pytestmark = pytest.mark.usefixtures('loop')

has_shutdown = hasattr(asyncio.Queue, 'shutdown')  # 3.13 and newer
needs_shutdown = pytest.mark.skipif(not has_shutdown, reason='3.13 and newer')
KINDS = ['Queue', 'LifoQueue', 'PriorityQueue']
each_kind = pytest.mark.parametrize('kind', KINDS)


def shown(queue):
    """Its repr without the address."""
    text = repr(queue)
    assert text.replace(f' at {id(queue):#x}', '') == str(queue)
    return str(queue)


# ------------------------------------------------------------------ alone


@each_kind
async def test_classes(aio, kind):
    cls = getattr(aio, kind)
    queue = cls()
    assert isinstance(queue, getattr(asyncio, kind))
    assert isinstance(queue, aio.Queue)
    assert isinstance(queue, asyncio.Queue)
    assert cls[int]
    assert type(queue._queue) is (collections.deque if kind == 'Queue' else list)
    assert getattr(aio.queues, kind) is cls


@each_kind
async def test_order(aio, kind):
    queue = getattr(aio, kind)()
    for item in (2, 1, 3):
        assert await queue.put(item) is None
    assert queue.qsize() == 3
    got = [await queue.get() for _ in range(3)]
    assert got == {'Queue': [2, 1, 3], 'LifoQueue': [3, 1, 2], 'PriorityQueue': [1, 2, 3]}[kind]
    assert queue.empty()


@each_kind
async def test_without_waiting(aio, kind):
    queue = getattr(aio, kind)(2)
    assert (queue.maxsize, queue.qsize(), queue.empty(), queue.full()) == (2, 0, True, False)
    with pytest.raises(aio.QueueEmpty) as error:
        queue.get_nowait()
    assert error.value.args == ()
    assert queue.put_nowait(1) is None
    queue.put_nowait(item=2)
    assert (queue.qsize(), queue.empty(), queue.full()) == (2, False, True)
    with pytest.raises(asyncio.QueueFull) as error:
        queue.put_nowait(3)
    assert error.value.args == ()
    assert sorted((queue.get_nowait(), queue.get_nowait())) == [1, 2]
    assert queue._loop is None


@each_kind
async def test_maxsize_is_read_only(aio, kind):
    queue = getattr(aio, kind)(2)
    refusal = f"^property 'maxsize' of '{kind}' object has no "
    with pytest.raises(AttributeError, match=refusal + 'setter$'):
        queue.maxsize = 3
    with pytest.raises(AttributeError, match=refusal + 'deleter$'):
        del queue.maxsize
    assert queue.maxsize == 2


@pytest.mark.parametrize('maxsize', [0, -1, -(10**30)])
async def test_unbounded(aio, maxsize):
    queue = aio.Queue(maxsize)
    for item in range(100):
        await queue.put(item)
    assert not queue.full()
    assert queue.maxsize == maxsize


@pytest.mark.parametrize('maxsize', [2.0, 1.5, float('inf'), True, 10**30])
async def test_odd_maximum(aio, maxsize):
    queue = aio.Queue(maxsize=maxsize)
    assert queue.maxsize is maxsize
    await queue.put(1)
    assert queue.full() is (maxsize is True)
    assert shown(queue) == f'<Queue maxsize={maxsize!r} _queue=[1] tasks=1>'
    assert await queue.get() == 1


async def test_arguments(aio):
    for arguments, keywords in (((1, 2), {}), ((), {'size': 1}), ((1,), {'maxsize': 1})):
        with pytest.raises(TypeError) as ours:
            aio.Queue(*arguments, **keywords)
        with pytest.raises(TypeError) as stock:
            asyncio.Queue(*arguments, **keywords)
        assert str(ours.value) == str(stock.value)
    queue = aio.Queue()
    for arguments in ((), (1, 2)):
        with pytest.raises(TypeError, match='positional argument'):
            queue.put(*arguments)
        with pytest.raises(TypeError, match='positional argument'):
            queue.put_nowait(*arguments)
    await queue.put(item=1)
    assert await queue.get() == 1


async def test_reprs(aio):
    queue = aio.Queue(2)
    assert shown(queue) == '<Queue maxsize=2>'
    queue.put_nowait('a')
    assert shown(queue) == "<Queue maxsize=2 _queue=['a'] tasks=1>"
    tasks = spawn(queue.put('b'), queue.put('c'))
    await settle()
    assert shown(queue) == "<Queue maxsize=2 _queue=['a', 'b'] _putters[1] tasks=2>"
    for _ in range(3):
        await queue.get()
    [getter] = spawn(queue.get())
    await settle()
    assert shown(queue) == '<Queue maxsize=2 _getters[1] tasks=3>'
    queue.put_nowait(1)
    assert await outcomes(getter, *tasks) == [1, None, None]


async def test_a_coroutine_that_is_not_awaited_does_nothing(aio):
    queue = aio.Queue()
    for make in (lambda: queue.put(1), queue.get, queue.join):
        coroutine = make()
        assert asyncio.iscoroutine(coroutine)
        with pytest.warns(RuntimeWarning, match=f"coroutine '{coroutine.__qualname__}' was never"):
            del coroutine
            gc.collect()
    assert queue.empty()


async def test_nothing_keeps_an_item_alive(aio):
    class Item:
        pass

    queue = aio.Queue()
    for put_first in (True, False):
        item = Item()
        found = weakref.ref(item)
        if put_first:
            await queue.put(item)
            del item
            await queue.get()
        else:
            [task] = spawn(queue.get())
            await settle()
            queue.put_nowait(item)
            del item
            await task
            del task
            await settle()  # a stock loop knows its last handle
        assert found() is None


async def test_an_awaited_exception_as_item(aio):
    queue = aio.Queue()
    for item in (StopIteration(1), KeyError(), (1, 2), StopIteration):
        queue.put_nowait(item)
        assert await queue.get() is item


# ------------------------------------------------------------------ waiting


async def test_getters_in_order(aio):
    queue, seen = aio.Queue(), []

    async def get(name):
        seen.append((name, await queue.get()))

    tasks = spawn(*map(get, 'abc'))
    await settle()
    assert len(queue._getters) == 3
    for item in range(3):
        queue.put_nowait(item)
    assert len(queue._getters) == 0
    await asyncio.gather(*tasks)
    assert seen == [('a', 0), ('b', 1), ('c', 2)]


async def test_putters_in_order(aio):
    queue = aio.Queue(1)
    tasks = spawn(*map(queue.put, range(4)))
    await settle()
    assert len(queue._putters) == 3
    assert [await queue.get() for _ in range(4)] == [0, 1, 2, 3]
    assert await outcomes(*tasks) == [None] * 4


async def test_a_faster_one_takes_the_item(aio):
    queue = aio.Queue()
    [task] = spawn(queue.get())
    await settle()
    queue.put_nowait(1)
    assert queue.get_nowait() == 1
    await settle()
    assert not task.done()
    queue.put_nowait(2)
    assert await task == 2


async def test_a_faster_one_takes_the_place(aio):
    queue = aio.Queue(1)
    queue.put_nowait(1)
    [task] = spawn(queue.put(2))
    await settle()
    assert queue.get_nowait() == 1
    queue.put_nowait(3)
    await settle()
    assert not task.done()
    assert await queue.get() == 3
    await task
    assert await queue.get() == 2


async def test_cancelled_getter_woken_in_the_same_iteration(aio):
    queue = aio.Queue()
    first, second = spawn(queue.get(), queue.get())
    await settle()
    queue.put_nowait(1)
    first.cancel('why')
    error = await refused(asyncio.CancelledError, first)
    assert error.args == ('why',)
    assert await second == 1


async def test_cancelled_putter_woken_in_the_same_iteration(aio):
    queue = aio.Queue(1)
    queue.put_nowait(0)
    first, second = spawn(queue.put(1), queue.put(2))
    await settle()
    queue.get_nowait()
    first.cancel()
    assert await outcomes(first, second) == [asyncio.CancelledError, None]
    assert queue.get_nowait() == 2


async def test_cancelled_while_waiting(aio):
    queue = aio.Queue(1)
    getters = spawn(queue.get(), queue.get())
    await settle()
    getters[0].cancel()
    assert await outcomes(getters[0]) == [asyncio.CancelledError]
    assert len(queue._getters) == 1
    await queue.put(1)
    assert await getters[1] == 1
    await queue.put(2)
    putters = spawn(queue.put(3), queue.put(4))
    await settle()
    putters[0].cancel()
    assert await outcomes(putters[0]) == [asyncio.CancelledError]
    assert len(queue._putters) == 1
    assert await queue.get() == 2
    await putters[1]
    assert await queue.get() == 4


async def test_thrown_in_or_closed_while_waiting(aio):
    queue = aio.Queue()
    coroutine = queue.get()
    coroutine.send(None)
    waiter = queue._getters[0]
    with pytest.raises(KeyError):
        coroutine.throw(KeyError())
    assert waiter.cancelled()
    coroutine = queue.get()
    coroutine.send(None)
    coroutine.close()
    assert not queue._getters
    coroutine = queue.get()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert not queue._getters


@each_kind
@pytest.mark.parametrize('maxsize', [0, 1, 3])
async def test_a_random_schedule_as_asyncio_has_it(aio, kind, maxsize):
    """The same puts, gets and cancellations on asyncio's own: the same is seen."""

    async def play(namespace, seed):
        choose, seen, tasks = random.Random(seed), [], []
        queue = getattr(namespace, kind)(maxsize)

        async def get(name):
            item = await queue.get()
            seen.append((name, item))
            await settle(choose.randrange(2))
            queue.task_done()

        for number in range(80):
            action = choose.randrange(8)
            if action < 3:
                tasks += spawn(get(number))
            elif action < 5:
                tasks += spawn(queue.put(number))
            elif action == 5 and tasks:
                choose.choice(tasks).cancel()
            elif action == 6 and tasks:
                try:
                    seen.append(queue.get_nowait())
                    queue.put_nowait(number)
                except Exception as error:
                    seen.append(type(error))
            else:
                await settle(1)
            seen.append((shown(queue), queue.qsize(), queue.empty(), queue.full()))
        if has_shutdown:
            queue.shutdown(immediate=choose.random() < 0.5)
        await settle(100)
        for task in tasks:
            task.cancel()
        seen.append(await outcomes(*tasks))
        seen.append((shown(queue), queue._unfinished_tasks, queue._finished.is_set()))
        return seen

    for seed in range(15):
        assert await play(aio, seed) == await play(asyncio, seed)


# ------------------------------------------------------------------ join


async def test_join(aio):
    queue = aio.Queue()
    assert await queue.join() is None
    assert queue._finished.is_set()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert (queue._unfinished_tasks, queue._finished.is_set()) == (2, False)
    tasks = spawn(queue.join(), queue.join())
    await settle()
    assert isinstance(queue._finished, asyncio.Event)
    assert type(queue._finished) is aio.Event
    assert queue.task_done() is None
    await settle()
    assert not tasks[0].done()
    queue.task_done()
    assert await outcomes(*tasks) == [None, None]
    with pytest.raises(ValueError, match=r'^task_done\(\) called too many times$'):
        queue.task_done()
    tasks = spawn(queue.join())
    assert await outcomes(*tasks) == [None]


async def test_join_cancelled(aio):
    queue = aio.Queue()
    queue.put_nowait(1)
    [task] = spawn(queue.join())
    await settle()
    task.cancel()
    assert await outcomes(task) == [asyncio.CancelledError]
    queue.task_done()
    await queue.join()


async def test_finished_is_kept_up_to_date_once_it_was_seen(aio):
    queue = aio.Queue()
    finished = queue._finished
    assert finished.is_set()
    queue.put_nowait(1)
    assert not finished.is_set()
    queue.task_done()
    assert finished.is_set()
    assert queue._finished is finished


# ------------------------------------------------------------------ shutdown


@needs_shutdown
async def test_shutdown(aio):
    queue = aio.Queue(1)
    queue.put_nowait(1)
    putters = spawn(queue.put(2), queue.put(3))
    await settle()
    queue.shutdown()
    assert await outcomes(*putters) == [aio.QueueShutDown] * 2
    assert shown(queue) == '<Queue maxsize=1 _queue=[1] tasks=1 shutdown>'
    await refused(aio.QueueShutDown, queue.put(4))
    with pytest.raises(aio.QueueShutDown):
        queue.put_nowait(4)
    assert await queue.get() == 1
    await refused(aio.QueueShutDown, queue.get())
    with pytest.raises(aio.QueueShutDown):
        queue.get_nowait()
    queue.task_done()
    await queue.join()


@needs_shutdown
async def test_shutdown_at_once(aio):
    queue = aio.Queue()
    queue.put_nowait(1)
    [join] = spawn(queue.join())
    await settle()
    queue.shutdown(immediate=True)
    await join
    assert queue.empty()
    queue = aio.Queue()
    getters = spawn(queue.get(), queue.get())
    await settle()
    queue.shutdown(immediate=True)
    assert await outcomes(*getters) == [aio.QueueShutDown] * 2


# ------------------------------------------------------------------ overriding


async def test_hooks_of_a_subclass(aio):
    calls = []

    class Hooked(aio.Queue):
        def _init(self, maxsize):
            calls.append(('init', maxsize))
            self._queue = {}

        def _put(self, item):
            calls.append('put')
            self._queue[item] = item

        def _get(self):
            calls.append('get')
            return self._queue.popitem()[0]

        def _qsize(self):
            return len(self._queue)

    queue = Hooked(2)
    assert queue._maxsize == 2
    await queue.put('a')
    queue.put_nowait('b')
    assert queue.full()
    [task] = spawn(queue.put('c'))
    await settle()
    assert await queue.get() == 'b'
    await task
    assert queue.get_nowait() == 'c'
    assert calls == [('init', 2), 'put', 'put', 'get', 'put', 'get']


async def test_a_subclass_that_calls_ours(aio):
    class Unique(aio.Queue):
        def _init(self, maxsize):
            super()._init(maxsize)
            self.seen = set()

        def _put(self, item):
            if item not in self.seen:
                self.seen.add(item)
                super()._put(item)

    queue = Unique()
    for item in (1, 1, 2):
        await queue.put(item)
    assert [queue.get_nowait(), queue.get_nowait(), queue.empty()] == [1, 2, True]


@each_kind
async def test_a_subclass_that_adds_only(aio, kind):
    class Named(getattr(aio, kind)):
        __slots__ = ('name',)

        def __init__(self, name):
            super().__init__(maxsize=1)
            self.name = name

    queue = Named('x')
    assert queue.maxsize == 1
    assert str(queue) == '<Named maxsize=1>'
    [task] = spawn(queue.get())
    await settle()
    await queue.put(1)
    assert await task == 1


async def test_overridden_full_and_empty(aio):
    class Picky(aio.Queue):
        closed = False

        def full(self):
            return self.closed

    queue = Picky()
    queue.closed = True
    [task] = spawn(queue.put(1))
    await settle()
    assert not task.done()
    queue.closed = False
    queue._wakeup_next(queue._putters)
    await task
    assert await queue.get() == 1


async def test_overridden_put_nowait(aio):
    class Doubles(aio.Queue):
        def put_nowait(self, item):
            super().put_nowait(2 * item)

    queue = Doubles()
    await queue.put(1)
    assert await queue.get() == 2


async def test_overridden_on_the_instance(aio):
    queue = aio.Queue()
    queue.empty = lambda: False
    with pytest.raises(IndexError, match='pop from an empty deque'):
        await queue.get()
    with pytest.raises(IndexError):
        queue.get_nowait()


async def test_attributes_that_are_assigned(aio):
    queue = aio.Queue()
    queue._queue = [1, 2, 3]
    queue._maxsize = 3
    assert queue.qsize() == 3
    assert queue.full()
    queue._queue = collections.deque([4])
    assert await queue.get() == 4
    queue._unfinished_tasks = 1
    queue.task_done()
    queue._unfinished_tasks = 1.5
    queue.put_nowait(1)
    assert queue._unfinished_tasks == 2.5
    waiter = asyncio.get_running_loop().create_future()
    queue._getters = collections.deque([waiter])
    queue.put_nowait(2)
    assert waiter.result() is None
    queue._finished = asyncio.Event()
    queue._unfinished_tasks = 1
    queue.task_done()
    assert queue._finished.is_set()
    del queue._queue
    assert shown(queue) == '<Queue maxsize=3>'
    with pytest.raises(AttributeError):
        queue.qsize()


async def test_comparisons_that_raise(aio):
    queue = aio.PriorityQueue()
    queue.put_nowait(1)
    with pytest.raises(TypeError):
        queue.put_nowait('a')
    assert queue._unfinished_tasks == 1
    await refused(TypeError, queue.put(None))
    assert sorted(map(str, queue._queue)) == ['1', 'None', 'a']


async def test_a_comparison_that_puts_and_gets(aio):
    class Item:
        def __init__(self, n):
            self.n = n

        def __lt__(self, other):
            if queue.qsize() < 10:
                queue.put_nowait(Item(self.n))
            else:
                queue.get_nowait()
            return self.n < other.n

    queue = aio.PriorityQueue()
    for n in range(20):
        try:
            await queue.put(Item(n))
        except (IndexError, RuntimeError):
            pass
    queue._queue.clear()


async def test_a_destructor_that_uses_the_queue(aio):
    queue = aio.Queue()

    class Item:
        def __del__(self):
            queue.put_nowait('last words')

    await queue.put(Item())
    await queue.get()
    assert await queue.get() == 'last words'


def test_bound_to_one_loop(aio, loop):
    queue = aio.Queue()

    async def here():
        [task] = spawn(queue.get())
        await settle()
        await queue.put(1)
        await task

    loop.run_until_complete(here())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        error = await refused(RuntimeError, queue.get())
        assert str(error) == f'{queue!r} is bound to a different event loop'

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()


async def test_memory_errors(aio):
    """An allocation that fails is an exception, and leaves nobody among the waiters."""
    testcapi = pytest.importorskip('_testcapi')
    if aio is asyncio or not hasattr(testcapi, 'set_nomemory'):
        pytest.skip('of no use here')
    queue, lock = aio.Queue(1), aio.Lock()
    await lock.acquire()
    failures = 0
    for make in (queue.get, lock.acquire, queue.join, lambda: queue.put(1)):
        for start in range(12):
            coroutine = make()
            testcapi.set_nomemory(start, start + 1)
            try:
                coroutine.send(None)
            except MemoryError:
                failures += 1
            except StopIteration:
                pass
            finally:
                testcapi.remove_mem_hooks()
            coroutine.close()
            assert not queue._getters and not queue._putters and not lock._waiters
        assert queue.qsize() == queue._unfinished_tasks
    assert failures
