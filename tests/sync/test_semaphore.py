"""Semaphore and BoundedSemaphore: how many, in which order, and what a cancellation gives back."""

from __future__ import annotations

import asyncio

import pytest
from sync.steps import outcomes, refused, settle, shown, spawn

pytestmark = pytest.mark.usefixtures('loop')


async def test_counting(aio):
    semaphore = aio.Semaphore(2)
    assert isinstance(semaphore, asyncio.Semaphore)
    assert (semaphore._value, semaphore._waiters, semaphore._loop) == (2, None, None)
    assert shown(semaphore) == '[unlocked, value:2]'
    assert await semaphore.acquire() is True
    assert semaphore.locked() is False
    assert await semaphore.acquire() is True
    assert semaphore.locked() is True
    assert shown(semaphore) == '[locked]'
    assert semaphore.release() is None
    assert shown(semaphore) == '[unlocked, value:1]'


async def test_initial_values(aio):
    assert aio.Semaphore()._value == 1
    assert aio.Semaphore(value=3)._value == 3
    assert aio.Semaphore(True)._value is True
    assert aio.Semaphore(10**30)._value == 10**30
    assert aio.BoundedSemaphore(4)._bound_value == 4
    assert aio.BoundedSemaphore()._bound_value == 1
    for cls in (aio.Semaphore, aio.BoundedSemaphore):
        with pytest.raises(ValueError, match=r'^Semaphore initial value must be >= 0$'):
            cls(-1)
        with pytest.raises(TypeError) as ours:
            cls(1, 2)
        with pytest.raises(TypeError) as stock:
            getattr(asyncio, cls.__name__)(1, 2)
        assert str(ours.value) == str(stock.value)
        with pytest.raises(TypeError, match="'<' not supported"):
            cls('1')


@pytest.mark.parametrize('value', [1.5, True, 10**30])
async def test_odd_values(aio, value):
    semaphore = aio.Semaphore(value)
    assert await semaphore.acquire()
    assert semaphore._value == value - 1
    semaphore.release()
    async with semaphore:
        assert semaphore._value == value - 1
    assert semaphore._value == value


async def test_bounded(aio):
    semaphore = aio.BoundedSemaphore(1)
    assert isinstance(semaphore, aio.Semaphore)
    assert isinstance(semaphore, asyncio.BoundedSemaphore)
    async with semaphore as nothing:
        assert nothing is None
    with pytest.raises(ValueError, match=r'^BoundedSemaphore released too many times$'):
        semaphore.release()
    assert semaphore._value == 1
    semaphore._bound_value = 2
    semaphore.release()
    assert semaphore._value == 2


async def test_order_and_number(aio):
    semaphore, order, inside = aio.Semaphore(2), [], []

    async def enter(name):
        async with semaphore:
            order.append(name)
            inside.append(name)
            assert len(inside) <= 2
            await settle(3)
            inside.remove(name)

    await asyncio.gather(*spawn(*map(enter, 'abcdefg')))
    assert order == list('abcdefg')
    assert shown(semaphore) == '[unlocked, value:2]'


async def test_locked_while_somebody_waits_for_a_turn(aio):
    semaphore = aio.Semaphore(0)
    first, second = spawn(semaphore.acquire(), semaphore.acquire())
    await settle()
    assert shown(semaphore) == '[locked, waiters:2]'
    semaphore.release()
    semaphore.release()
    semaphore.release()
    assert semaphore._value == 1
    assert semaphore.locked()  # two are about to go
    late = spawn(semaphore.acquire())
    assert await outcomes(first, second, *late) == [True, True, True]
    assert shown(semaphore) == '[locked]'


@pytest.mark.parametrize('cancel_first', [False, True])
async def test_cancelled_in_the_iteration_in_which_it_was_woken(aio, cancel_first):
    semaphore = aio.Semaphore(1)
    await semaphore.acquire()
    woken, second = spawn(semaphore.acquire(), semaphore.acquire())
    await settle()
    if cancel_first:
        woken.cancel()
        semaphore.release()
    else:
        semaphore.release()
        woken.cancel()
    assert await outcomes(woken, second) == [asyncio.CancelledError, True]
    assert shown(semaphore) == '[locked]'


async def test_all_cancelled_at_once(aio):
    semaphore = aio.Semaphore(2)
    await semaphore.acquire()
    await semaphore.acquire()
    tasks = spawn(*(semaphore.acquire() for _ in range(4)))
    await settle()
    semaphore.release()
    semaphore.release()
    for task in tasks:
        task.cancel()
    assert await outcomes(*tasks) == [asyncio.CancelledError] * 4
    assert shown(semaphore) == '[unlocked, value:2]'


async def test_a_random_schedule_as_asyncio_has_it(aio):
    """The same cancellations and releases, step by step, on asyncio's own: the same is seen."""
    import random

    async def play(namespace, seed):
        choose, seen = random.Random(seed), []
        semaphore = namespace.Semaphore(2)
        tasks = []

        async def enter(number):
            async with semaphore:
                seen.append(('in', number))
                await settle(choose.randrange(3))
            seen.append(('out', number))

        for number in range(60):
            action = choose.randrange(4)
            if action < 2:
                tasks += spawn(enter(number))
            elif action == 2 and tasks:
                choose.choice(tasks).cancel()
            else:
                await settle(1)
            seen.append((semaphore._value, semaphore.locked(), shown(semaphore)))
        seen.append(await outcomes(*tasks))
        seen.append(shown(semaphore))
        return seen

    for seed in range(30):
        assert await play(aio, seed) == await play(asyncio, seed)


async def test_thrown_in_while_it_waits(aio):
    semaphore = aio.Semaphore(0)
    coroutine = semaphore.acquire()
    coroutine.send(None)
    with pytest.raises(KeyError):
        coroutine.throw(KeyError())
    assert shown(semaphore) == '[locked]'
    coroutine = semaphore.acquire()
    coroutine.send(None)
    coroutine.close()
    assert shown(semaphore) == '[locked]'


async def test_overridden(aio):
    class Spy(aio.Semaphore):
        def locked(self):
            calls.append('locked')
            return super().locked()

        def release(self):
            calls.append('release')
            super().release()

        def _wake_up_next(self):
            calls.append('wake')
            return super()._wake_up_next()

    calls, semaphore = [], Spy()
    async with semaphore:
        pass
    assert calls == ['locked', 'release', 'wake']
    assert semaphore._value == 1


async def test_assigned_value(aio):
    semaphore = aio.Semaphore(0)
    semaphore._value = 2
    assert not semaphore.locked()
    await semaphore.acquire()
    semaphore._value = 1.0
    await semaphore.acquire()
    assert semaphore._value == 0.0
    assert semaphore.locked()


def test_bound_to_one_loop(aio, loop):
    semaphore = aio.Semaphore(0)

    async def wait():
        [task] = spawn(semaphore.acquire())
        await settle()
        semaphore.release()
        await task

    loop.run_until_complete(wait())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        error = await refused(RuntimeError, semaphore.acquire())
        assert 'is bound to a different event loop' in str(error)

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()
