"""Lock: who gets it, when, and what is seen of it."""

from __future__ import annotations

import asyncio
import collections
import gc
import itertools
import weakref

import pytest
import support
from sync.steps import outcomes, refused, settle, shown, spawn

pytestmark = pytest.mark.usefixtures('loop')


async def test_it_is_an_asyncio_lock(aio):
    lock = aio.Lock()
    assert isinstance(lock, asyncio.Lock)
    assert type(lock) is aio.Lock
    assert aio.locks.Lock is aio.Lock
    assert not lock.locked()
    assert (lock._waiters, lock._locked, lock._loop) == (None, False, None)
    assert (type(lock).__name__, type(lock).__qualname__) == ('Lock', 'Lock')
    weakref.ref(lock)
    lock.name = 'free'  # as any Python object
    assert lock.name == 'free'


async def test_reprs_name_asyncio(aio):
    """Of a lock and its kin: whoever reads a log sees no other module than with asyncio."""
    for name in ('Lock', 'Event', 'Condition', 'Semaphore', 'BoundedSemaphore'):
        assert repr(getattr(aio, name)()).startswith(f'<asyncio.locks.{name} object at 0x')
    assert repr(aio.Barrier(1)).startswith('<asyncio.locks.Barrier object at 0x')
    Mine = type('Mine', (aio.Lock,), {'__module__': 'elsewhere'})
    assert repr(Mine()).startswith('<elsewhere.Mine object at 0x')


async def test_acquire_and_release(aio):
    lock = aio.Lock()
    assert await lock.acquire() is True
    assert lock.locked() is True
    assert lock.release() is None
    assert lock.locked() is False
    assert lock._loop is None  # nobody had to wait


async def test_release_of_a_free_lock_is_refused(aio):
    lock = aio.Lock()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r'^Lock is not acquired\.$'):
            lock.release()


async def test_context_manager(aio):
    lock = aio.Lock()
    async with lock as nothing:
        assert nothing is None
        assert lock.locked()
    assert not lock.locked()
    with pytest.raises(ZeroDivisionError):
        async with lock:
            1 / 0  # noqa: B018
    assert not lock.locked()


async def test_with_is_refused(aio):
    with pytest.raises(TypeError), aio.Lock():
        pass


async def test_acquire_is_a_coroutine(aio):
    lock = aio.Lock()
    for make in (lock.acquire, lock.__aenter__):
        coroutine = make()
        assert asyncio.iscoroutine(coroutine)
        assert not lock.locked()  # not begun
        with pytest.warns(RuntimeWarning, match=f'{coroutine.__qualname__}.* was never awaited'):
            del coroutine
            gc.collect()
    coroutine = lock.acquire()
    coroutine.close()
    assert not lock.locked()


async def test_waiters_get_it_in_their_order(aio):
    lock, order = aio.Lock(), []

    async def take(name):
        async with lock:
            order.append(name)
            await asyncio.sleep(0)

    async with lock:
        tasks = spawn(*map(take, 'abcd'))
        await settle()
        assert order == []
        assert shown(lock) == '[locked, waiters:4]'
        assert lock._loop is asyncio.get_running_loop()
        assert [type(w) for w in lock._waiters] == [
            type(asyncio.get_running_loop().create_future())
        ] * 4
    await asyncio.gather(*tasks)
    assert order == list('abcd')
    assert shown(lock) == '[unlocked]'
    assert not lock._waiters


async def test_a_released_lock_is_kept_for_the_one_that_was_woken(aio):
    lock, order = aio.Lock(), []

    async def take(name):
        async with lock:
            order.append(name)

    await lock.acquire()
    first = spawn(take('first'))
    await settle()
    lock.release()
    assert not lock.locked()
    await take('late')  # has to queue behind
    assert order == ['first', 'late']
    await asyncio.gather(*first)


async def test_who_finds_only_cancelled_waiters_takes_it_at_once(aio):
    lock = aio.Lock()
    await lock.acquire()
    [task] = spawn(lock.acquire())
    await settle()
    lock._waiters[0].cancel()
    lock.release()
    assert shown(lock) == '[unlocked, waiters:1]'
    coroutine = lock.acquire()
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value is True
    assert await outcomes(task) == [asyncio.CancelledError]
    assert shown(lock) == '[locked]'
    lock.release()


async def test_a_cancelled_waiter_leaves(aio):
    lock = aio.Lock()
    await lock.acquire()
    tasks = spawn(*(lock.acquire() for _ in range(3)))
    await settle()
    tasks[1].cancel('why')
    error = await refused(asyncio.CancelledError, tasks[1])
    assert error.args == ('why',)
    assert shown(lock) == '[locked, waiters:2]'
    lock.release()
    assert await tasks[0] is True
    lock.release()
    assert await tasks[2] is True
    lock.release()
    assert shown(lock) == '[unlocked]'


@pytest.mark.parametrize('cancel_first', [False, True])
async def test_cancelled_in_the_iteration_in_which_it_was_woken(aio, cancel_first):
    lock = aio.Lock()
    await lock.acquire()
    woken, second = spawn(lock.acquire(), lock.acquire())
    await settle()
    if cancel_first:
        woken.cancel()
        lock.release()
    else:
        lock.release()
        woken.cancel()
    assert await outcomes(woken, second) == [asyncio.CancelledError, True]
    assert shown(lock) == '[locked]'
    lock.release()


async def test_all_waiters_cancelled_at_once(aio):
    lock = aio.Lock()
    await lock.acquire()
    tasks = spawn(*(lock.acquire() for _ in range(5)))
    await settle()
    lock.release()
    for task in tasks:
        task.cancel()
    assert await outcomes(*tasks) == [asyncio.CancelledError] * 5
    assert shown(lock) == '[unlocked]'
    assert await lock.acquire()


async def test_another_exception_thrown_in_wakes_nobody(aio):
    lock = aio.Lock()
    await lock.acquire()
    coroutine = lock.acquire()
    coroutine.send(None)
    [behind] = spawn(lock.acquire())
    await settle()
    lock.release()  # wakes the coroutine
    with pytest.raises(KeyError):
        coroutine.throw(KeyError())
    assert shown(lock) == '[unlocked, waiters:1]'
    await settle()
    assert not behind.done()
    behind.cancel()
    await settle()
    assert await lock.acquire()


async def test_a_coroutine_closed_while_it_waits_leaves(aio):
    lock = aio.Lock()
    await lock.acquire()
    coroutine = lock.acquire()
    coroutine.send(None)
    assert shown(lock) == '[locked, waiters:1]'
    coroutine.close()
    assert shown(lock) == '[locked]'


async def test_a_coroutine_forgotten_while_it_waits_leaves(aio):
    lock = aio.Lock()
    await lock.acquire()
    coroutine = lock.acquire()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert shown(lock) == '[locked]'


async def test_a_waiter_that_somebody_took_out(aio):
    lock = aio.Lock()
    await lock.acquire()
    [task] = spawn(lock.acquire())
    await settle()
    waiter = lock._waiters.popleft()
    waiter.set_result(True)
    error = await refused(ValueError, task)
    assert error.__context__ is None
    waiters = list(lock._waiters)
    assert waiters == []


async def test_the_context_of_an_error_is_the_cancellation(aio):
    lock = aio.Lock()
    await lock.acquire()
    [task] = spawn(lock.acquire())
    await settle()
    lock._waiters.clear()
    task.cancel()
    error = await refused(ValueError, task)
    assert type(error.__context__) is asyncio.CancelledError


async def test_a_chain_of_contexts_that_is_a_cycle(aio):
    """Whoever made it: it is no endless way for what is raised on top of it."""
    lock = aio.Lock()
    await lock.acquire()
    for length in range(1, 6):
        coroutine = lock.acquire()
        coroutine.send(None)
        lock._waiters.clear()
        errors = [KeyError(number) for number in range(length)]
        for error, following in itertools.pairwise(errors):
            error.__context__ = following
        for error in errors[: length - 1]:
            errors[-1].__context__ = error
            with pytest.raises(ValueError, match='not in deque') as caught:
                coroutine.throw(errors[0])
            assert caught.value.__context__ is errors[0]
            caught.value.__context__ = None
            coroutine = lock.acquire()
            coroutine.send(None)
            lock._waiters.clear()
        for error in errors:
            error.__context__ = None
        with pytest.raises(ValueError, match='not in deque'):
            coroutine.close()


def test_bound_to_one_loop(aio, loop):
    lock = aio.Lock()

    async def contend():
        await lock.acquire()
        [task] = spawn(lock.acquire())
        await settle()
        assert lock._get_loop() is asyncio.get_running_loop()
        lock.release()
        await task

    loop.run_until_complete(contend())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        await refused(RuntimeError, lock.acquire())
        with pytest.raises(RuntimeError, match=r'\[locked\]> is bound to a different event loop'):
            await lock.acquire()

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()
    lock.release()


def test_waiting_without_a_running_loop(aio):
    lock = aio.Lock()
    with pytest.raises(StopIteration):
        lock.acquire().send(None)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'create_future'"):
        lock.acquire().send(None)
    assert not lock._waiters


def test_woken_on_a_closed_loop(aio, loop):
    lock = aio.Lock()
    coroutine = lock.acquire()

    async def wait():
        await lock.acquire()
        coroutine.send(None)
        lock._waiters[0].add_done_callback(print)

    loop.run_until_complete(wait())
    loop.close()
    with pytest.raises(RuntimeError, match='Event loop is closed'):
        lock.release()
    assert not lock.locked()
    coroutine.close()


async def test_arguments_are_refused(aio):
    for arguments, keywords in (((1,), {}), ((), {'loop': None})):
        with pytest.raises(TypeError) as ours:
            aio.Lock(*arguments, **keywords)
        with pytest.raises(TypeError) as stock:
            asyncio.Lock(*arguments, **keywords)
        assert str(ours.value) == str(stock.value)
    with pytest.raises(TypeError):
        aio.Lock().acquire(1)


# ------------------------------------------------------------------ overriding


async def test_a_subclass_that_overrides_what_is_called(aio):
    calls = []

    class Spy(aio.Lock):
        async def acquire(self):
            calls.append('acquire')
            return await super().acquire()

        def release(self):
            calls.append('release')
            super().release()

        def _wake_up_first(self):
            calls.append('wake')
            super()._wake_up_first()

    lock = Spy()
    async with lock:
        assert lock.locked()
        tasks = spawn(lock.acquire(), lock.acquire())
        await settle()
        tasks[0].cancel()
    assert calls == ['acquire'] * 3 + ['release', 'wake']
    await settle()
    assert tasks[1].result() is True
    lock.release()
    assert await outcomes(tasks[0]) == [asyncio.CancelledError]


async def test_a_subclass_that_adds_only(aio):
    class Named(aio.Lock):
        def __init__(self, name):
            super().__init__()
            self.name = name

    lock = Named('x')
    async with lock:
        [task] = spawn(lock.acquire())
        await settle()
        assert repr(lock).startswith('<') and 'Named object' in repr(lock)
    assert await task
    assert vars(lock).get('name') == 'x'


async def test_attributes_of_the_instance_override(aio):
    lock, calls = aio.Lock(), []
    release = lock.release
    lock.release = lambda: (calls.append('release'), release())
    async with lock:
        pass
    assert calls == ['release']


async def test_a_class_patched_later(aio, monkeypatch):
    lock, calls = aio.Lock(), []
    async with lock:
        pass
    release = aio.Lock.release
    monkeypatch.setattr(aio.Lock, 'release', lambda self: (calls.append(1), release(self)))
    async with lock:
        pass
    monkeypatch.undo()
    async with lock:
        pass
    assert calls == [1]


async def test_attributes_that_are_assigned(aio):
    lock = aio.Lock()
    lock._locked = True
    assert lock.locked()
    lock._locked = False
    lock._waiters = None
    assert await lock.acquire()
    lock._loop = asyncio.get_running_loop()
    [task] = spawn(lock.acquire())
    await settle()
    lock._waiters[0].set_result(True)  # as if released
    await task
    assert lock.locked()


async def test_waiters_of_another_kind(aio):
    """Any container with the methods, and futures that are not the loop's."""

    class Future(asyncio.Future):
        pass

    lock = aio.Lock()
    await lock.acquire()
    foreign = Future(loop=asyncio.get_running_loop())
    lock._waiters = [foreign]
    [task] = spawn(lock.acquire())
    await settle()
    assert len(lock._waiters) == 2
    lock.release()
    assert foreign.result() is True
    await settle()
    assert not task.done()
    lock._waiters.remove(foreign)
    lock._wake_up_first()
    assert await task


async def test_a_waiter_whose_methods_raise(aio):
    class Bad(asyncio.Future):
        def done(self):
            raise ZeroDivisionError

        def cancelled(self):
            raise KeyError

    lock = aio.Lock()
    await lock.acquire()
    [task] = spawn(lock.acquire())
    await settle()
    lock._waiters.appendleft(Bad(loop=asyncio.get_running_loop()))
    with pytest.raises(ZeroDivisionError):
        lock.release()
    assert not lock.locked()
    await refused(KeyError, lock.acquire())
    task.cancel()
    await refused(ZeroDivisionError, task)
    lock._waiters.clear()


async def test_a_waiter_that_takes_the_others_away(aio):
    """Who is asked whether it is cancelled may change what is asked."""

    class Taking(asyncio.Future):
        def cancelled(self):
            owner._waiters = None
            return True

    for owner in (aio.Lock(), aio.Semaphore()):
        owner._waiters = collections.deque(
            Taking(loop=asyncio.get_running_loop()) for _ in range(3)
        )
        assert await owner.acquire() is True
        assert owner._waiters is None


async def test_waiters_whose_length_takes_them_away(aio):
    class Taking(list):
        def __len__(self):
            lock._waiters = None
            return 1

    lock = aio.Lock()
    await lock.acquire()
    lock._waiters = Taking([asyncio.get_running_loop().create_future()])
    with pytest.raises(TypeError, match=r"^'NoneType' object "):
        lock.release()
    assert not lock.locked()


async def test_release_from_a_destructor(aio):
    """Whatever a release runs finds the lock in order."""
    lock = aio.Lock()
    await lock.acquire()

    class Last:
        def __del__(self):
            lock.release()

    async def take_and_drop():
        await lock.acquire()
        lock._locked = True
        last = Last()
        del last

    tasks = spawn(take_and_drop(), take_and_drop())
    await settle()
    lock.release()
    await asyncio.gather(*tasks)
    assert shown(lock) == '[unlocked]'


def test_in_debug_mode(aio, loop):
    loop.set_debug(True)
    order = []

    async def take(lock, name):
        async with lock:
            order.append(name)
            await asyncio.sleep(0)

    async def main():
        lock = aio.Lock()
        await asyncio.gather(*(take(lock, name) for name in 'abc'))

    loop.run_until_complete(main())
    assert order == list('abc')


@pytest.mark.skipif(support.STOCK_ONLY, reason='stock only')
def test_in_a_cycle_it_is_collected(aio):
    lock = aio.Lock()
    lock.me = lock
    found = weakref.ref(lock)
    del lock
    gc.collect()
    assert found() is None
