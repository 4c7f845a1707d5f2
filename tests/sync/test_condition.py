"""Condition: notifications, and the lock that is given up and taken back."""

from __future__ import annotations

import asyncio
import random

import pytest
from sync.steps import outcomes, refused, settle, shown, spawn

pytestmark = pytest.mark.usefixtures('loop')

passes_on = hasattr(asyncio.Condition, '_notify')  # 3.13 and newer


async def wait(condition, seen=None, name=None):
    async with condition:
        result = await condition.wait()
        if seen is not None:
            seen.append(name)
        return result


async def notify(condition, n=1):
    async with condition:
        condition.notify(n)


async def test_its_lock(aio):
    condition = aio.Condition()
    assert isinstance(condition, asyncio.Condition)
    assert type(condition._lock) is aio.Lock
    assert condition.acquire == condition._lock.acquire
    assert condition.acquire is condition.acquire
    assert not condition.locked()
    assert shown(condition) == '[unlocked]'
    assert await condition.acquire() is True
    assert condition._lock.locked()
    assert shown(condition) == '[locked]'
    condition.release()
    lock = aio.Lock()
    for condition in (aio.Condition(lock), aio.Condition(lock=lock)):
        assert condition._lock is lock
        async with condition as nothing:
            assert nothing is None
            assert lock.locked()
        assert not lock.locked()


async def test_without_the_lock(aio):
    condition = aio.Condition()
    error = await refused(RuntimeError, condition.wait())
    assert str(error) == 'cannot wait on un-acquired lock'
    for method in (condition.notify, condition.notify_all, lambda: condition.notify(3)):
        with pytest.raises(RuntimeError, match=r'^cannot notify on un-acquired lock$'):
            method()


async def test_notified_in_order(aio):
    condition, seen = aio.Condition(), []
    tasks = spawn(*(wait(condition, seen, name) for name in 'abcde'))
    await settle()
    assert shown(condition) == '[unlocked, waiters:5]'
    await notify(condition)
    await settle()
    assert seen == ['a']
    await notify(condition, 2)
    await settle()
    assert seen == ['a', 'b', 'c']
    await notify(condition, 0)
    await notify(condition, -1)
    await settle()
    assert len(seen) == 3
    async with condition:
        assert condition.notify_all() is None
    assert await outcomes(*tasks) == [True] * 5
    assert seen == list('abcde')
    assert shown(condition) == '[unlocked]'


@pytest.mark.parametrize('n', [True, 1.5, 10**30])
async def test_odd_numbers(aio, n):
    condition = aio.Condition()
    tasks = spawn(*(wait(condition) for _ in range(3)))
    await settle()
    async with condition:
        condition.notify(n=n)
    await settle()
    expected = min(3, 2 if n == 1.5 else n)
    assert [task.done() for task in tasks].count(True) == expected
    async with condition:
        condition.notify_all()
    await asyncio.gather(*tasks)


async def test_wait_for(aio):
    condition, value, seen = aio.Condition(), 0, []

    async def until(wanted):
        async with condition:
            seen.append(await condition.wait_for(lambda: value == wanted and 'yes'))

    [task] = spawn(until(2))
    for value in (1, 2):  # noqa: B007
        await settle()
        await notify(condition)
    await task
    assert seen == ['yes']


async def test_cancelled_while_it_waits_it_has_the_lock(aio):
    condition = aio.Condition()

    async def waits():
        async with condition:
            try:
                await condition.wait()
            finally:
                assert condition.locked()

    [task] = spawn(waits())
    await settle()
    task.cancel('why')
    error = await refused(asyncio.CancelledError, task)
    assert error.args == ('why',)
    assert shown(condition) == '[unlocked]'


async def test_cancelled_while_it_waits_for_the_lock(aio):
    condition = aio.Condition()
    [task] = spawn(wait(condition))
    await settle()
    await condition.acquire()
    condition.notify()
    await settle()
    for _ in range(3):
        task.cancel('again')
        await settle()
        assert not task.done()  # it has to have the lock first
    condition.release()
    error = await refused(asyncio.CancelledError, task)
    assert shown(condition) == '[unlocked]'
    if passes_on:
        assert error.args == ('again',)


async def test_cancelled_twice_the_errors_are_chained(aio):
    condition, seen = aio.Condition(), []

    async def waits():
        async with condition:
            try:
                await condition.wait()
            except asyncio.CancelledError as error:
                seen.append(error)
                raise

    [task] = spawn(waits())
    await settle()
    await condition.acquire()
    for number in range(3):
        task.cancel(number)
        await settle()
    condition.release()
    await refused(asyncio.CancelledError, task)
    [error] = seen
    first = error.__context__
    assert type(first) is asyncio.CancelledError
    assert first.args == (0,)
    assert first.__context__ is None
    assert error.args == ((2,) if passes_on else ())


@pytest.mark.skipif(not passes_on, reason='3.13 and newer')
async def test_a_notification_that_met_a_cancellation_is_passed_on(aio):
    condition = aio.Condition()
    first, second = spawn(wait(condition), wait(condition))
    await settle()
    async with condition:
        condition.notify()
        first.cancel()
    assert await outcomes(first) == [asyncio.CancelledError]
    assert await second is True


async def test_a_random_schedule_as_asyncio_has_it(aio):
    """The same notifications and cancellations on asyncio's own: the same is seen."""

    async def play(namespace, seed):
        choose, seen = random.Random(seed), []
        condition, tasks = namespace.Condition(), []

        async def waits(number):
            async with condition:
                seen.append(('in', number))
                seen.append(('woken', number, await condition.wait()))
                await settle(choose.randrange(2))

        for number in range(80):
            action = choose.randrange(7)
            if action < 3:
                tasks += spawn(waits(number))
            elif action == 3 and tasks:
                choose.choice(tasks).cancel()
            elif action == 4:
                await notify(condition, choose.randrange(4))
            else:
                await settle(1)
            seen.append(shown(condition))
        async with condition:
            condition.notify_all()
        await settle(300)
        for task in tasks:
            task.cancel()
        seen.append(await outcomes(*tasks))
        seen.append(shown(condition))
        return seen

    for seed in range(30):
        assert await play(aio, seed) == await play(asyncio, seed)


async def test_closed_while_it_waits(aio):
    condition = aio.Condition()
    await condition.acquire()
    coroutine = condition.wait()
    coroutine.send(None)
    assert shown(condition) == '[unlocked, waiters:1]'
    coroutine.close()
    assert shown(condition) == '[locked]'
    condition.release()


async def test_closed_while_the_lock_is_taken(aio):
    condition = aio.Condition()
    await condition.acquire()
    coroutine = condition.wait()
    coroutine.send(None)
    await condition.acquire()
    with pytest.raises(RuntimeError, match='coroutine ignored GeneratorExit'):
        coroutine.close()
    condition.release()
    with pytest.raises(GeneratorExit):
        coroutine.send(None)
    assert shown(condition) == '[locked]'


class ForeignLock:
    """A lock of somebody else."""

    def __init__(self):
        self.held = False
        self.calls = []

    def locked(self):
        return self.held

    async def acquire(self):
        self.calls.append('acquire')
        self.held = True
        return True

    def release(self):
        self.calls.append('release')
        self.held = False


async def test_a_lock_of_somebody_else(aio):
    lock = ForeignLock()
    condition = aio.Condition(lock)
    [task] = spawn(wait(condition))
    await settle()
    await notify(condition)
    assert await task is True
    assert lock.calls == ['acquire', 'release'] * 3
    with pytest.raises(AttributeError):
        aio.Condition(object())


async def test_stocks_lock(aio):
    lock = asyncio.Lock()
    condition = aio.Condition(lock)
    [task] = spawn(wait(condition))
    await settle()
    await notify(condition)
    assert await task is True


async def test_a_lock_with_a_method_replaced(aio):
    condition, calls = aio.Condition(), []
    release = condition._lock.release
    condition.release = lambda: (calls.append(1), release())
    [task] = spawn(wait(condition))
    await settle()
    await notify(condition)
    assert await task is True
    assert len(calls) == 3


async def test_another_lock_assigned(aio):
    condition = aio.Condition()
    first = condition._lock
    condition._lock = aio.Lock()
    await condition.acquire()
    assert first.locked()
    condition.release()


async def test_overridden(aio):
    class Spy(aio.Condition):
        def notify(self, n=1):
            calls.append(n)
            super().notify(n)

    calls, condition = [], Spy()
    assert type(condition._lock) is aio.Lock
    tasks = spawn(wait(condition), wait(condition))
    await settle()
    async with condition:
        condition.notify_all()
    assert calls == [2]
    await asyncio.gather(*tasks)


def test_bound_to_one_loop(aio, loop):
    condition = aio.Condition()

    async def here():
        [task] = spawn(wait(condition))
        await settle()
        await notify(condition)
        await task

    loop.run_until_complete(here())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        async with condition:
            error = await refused(RuntimeError, condition.wait())
            assert 'is bound to a different event loop' in str(error)
            assert condition.locked()

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()
