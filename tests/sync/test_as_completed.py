"""as_completed(): the order, who gets what, timeouts, and both kinds of iteration."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import weakref

import pytest
from sync.steps import answer, needs_graph, settle

IS_ITERATOR = sys.version_info >= (3, 13)
needs_async = pytest.mark.skipif(not IS_ITERATOR, reason='async iteration came with 3.13')


async def test_in_the_order_of_completion(aio, loop):
    coroutines = [answer(turns, turns) for turns in (5, 1, 3, 2, 4)]
    assert [await first for first in aio.as_completed(coroutines)] == [1, 2, 3, 4, 5]


async def test_many(aio, loop):
    coroutines = [answer(number, number % 7) for number in range(300)]
    found = [await first for first in aio.as_completed(coroutines)]
    assert sorted(found) == list(range(300))


async def test_futures_of_every_kind_and_duplicates(aio, loop):
    future, stock = loop.create_future(), asyncio.Future()
    task, coroutine = loop.create_task(answer('task')), answer('coroutine')
    future.set_result('future')
    stock.set_result('stock')
    arguments = [future, task, coroutine, stock, future, coroutine]
    found = [await first for first in aio.as_completed(arguments)]
    assert sorted(found) == ['coroutine', 'future', 'stock', 'task']


async def test_nothing(aio, loop):
    assert list(aio.as_completed([])) == []


async def test_what_it_gives(aio, loop):
    future = loop.create_future()
    iterator = aio.as_completed([future])
    assert iter(iterator) is iterator
    first = next(iterator)
    assert asyncio.iscoroutine(first)
    assert first.__name__ == '_wait_for_one'
    with pytest.raises(StopIteration):
        next(iterator)
    with pytest.raises(StopIteration):
        next(iterator)
    future.set_result(1)
    assert await first == 1
    weakref.ref(iterator)


async def test_exceptions_and_cancellations(aio, loop):
    futures = [loop.create_future() for _ in range(2)]
    futures[0].set_exception(KeyError('key'))
    futures[1].cancel('message')
    seen = []
    for first in aio.as_completed(futures):
        try:
            await first
        except (KeyError, asyncio.CancelledError) as error:
            seen.append(repr(error))
    assert sorted(seen) == ["CancelledError('message')", "KeyError('key')"]


@pytest.mark.parametrize('argument', ['future', 'coroutine'])
async def test_a_single_one_is_refused(aio, loop, argument):
    single = loop.create_future() if argument == 'future' else answer()
    messages = []
    for module in (asyncio, aio):
        with pytest.raises(TypeError) as caught:
            next(module.as_completed(single))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    if argument == 'coroutine':
        single.close()


async def test_it_begins_when_it_is_called_or_when_it_is_first_asked(aio, loop):
    iterator = aio.as_completed([answer(1)])
    assert len(asyncio.all_tasks()) == 1 + IS_ITERATOR
    assert inspect.isgenerator(iterator) != IS_ITERATOR
    for first in iterator:
        assert await first == 1


@pytest.mark.parametrize('bad', [3, [3], [[]]])
async def test_what_is_no_iterable_of_awaitables(aio, loop, bad):
    with pytest.raises(TypeError):
        next(aio.as_completed(bad))


async def test_a_timeout(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    futures[0].set_result(1)
    seen = []
    for first in aio.as_completed(futures, timeout=0.001):
        try:
            seen.append(await first)
        except TimeoutError as error:
            seen.append(error.args)
    assert seen == [1, (), ()]
    assert not any(future._callbacks for future in futures)
    for future in futures[1:]:
        future.set_result('late')
    await settle()


async def test_a_timeout_that_is_not_needed(aio, loop):
    timers = len(loop._scheduled)
    for first in aio.as_completed([answer(), answer()], timeout=3600):
        await first
    assert len([timer for timer in loop._scheduled if not timer.cancelled()]) == timers


async def test_done_after_the_timeout_but_before_it_was_told(aio, loop):
    future, others = loop.create_future(), list(loop._scheduled)
    iterator = aio.as_completed([future], timeout=3600)
    first = next(iterator)
    [timer] = [timer for timer in loop._scheduled if timer not in others]
    future.set_result(1)
    timer._callback()
    timer.cancel()
    with pytest.raises(TimeoutError):
        await first
    await settle()


async def test_waiters_take_turns(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    tasks = [loop.create_task(first) for first in aio.as_completed(futures)]
    await settle()
    for value, future in enumerate(futures):
        future.set_result(value)
    assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_a_cancelled_waiter_passes_its_turn_on(aio, loop):
    futures = [loop.create_future() for _ in range(2)]
    tasks = [loop.create_task(first) for first in aio.as_completed(futures)]
    await settle()
    futures[0].set_result('first')
    await asyncio.sleep(0)
    tasks[0].cancel()  # it has been woken already
    await settle()
    assert tasks[0].cancelled()
    assert tasks[1].result() == 'first'


async def test_waiters_that_are_cancelled(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    tasks = [loop.create_task(first) for first in aio.as_completed(futures)]
    await settle()
    tasks[0].cancel('x')
    await settle()
    futures[2].set_result(1)
    futures[0].set_result(2)
    assert await asyncio.gather(*tasks[1:]) == [1, 2]
    with pytest.raises(asyncio.CancelledError, match='x'):
        await tasks[0]


async def test_whoever_comes_between_may_take_it(aio, loop):
    futures = [loop.create_future() for _ in range(2)]
    iterator = aio.as_completed(futures)
    early, late = next(iterator), next(iterator)
    task = loop.create_task(early)
    await settle()
    futures[0].add_done_callback(lambda future: loop.create_task(steal()))
    stolen = []

    async def steal():
        stolen.append(await late)

    futures[0].set_result('a')
    await asyncio.sleep(0)
    loop.call_soon(futures[1].set_result, 'b')
    assert {await task, *stolen} <= {'a', 'b'}
    await settle()
    assert len(stolen) == 1


@needs_async
async def test_async_iteration_gives_the_futures(aio, loop):
    tasks = [loop.create_task(answer(turns, turns)) for turns in (3, 1, 2)]
    iterator = aio.as_completed(tasks)
    assert aiter(iterator) is iterator
    seen = [task async for task in iterator]
    assert seen == [tasks[1], tasks[2], tasks[0]]
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)


@needs_async
async def test_async_iteration_with_a_timeout(aio, loop):
    futures = [loop.create_future() for _ in range(2)]
    futures[0].set_result(1)
    seen = []
    with pytest.raises(TimeoutError):
        async for future in aio.as_completed(futures, timeout=0.001):
            seen.append(future)
    assert seen == futures[:1]


@needs_async
async def test_both_kinds_of_iteration_share_the_count(aio, loop):
    iterator = aio.as_completed([answer(1), answer(2)])
    assert (await anext(iterator)).done()
    await next(iterator)
    with pytest.raises(StopIteration):
        next(iterator)


@needs_async
async def test_a_turn_that_was_given_up(aio, loop):
    """From 3.14 on it can be taken again."""
    future = loop.create_future()
    iterator = aio.as_completed([future])
    task = loop.create_task(next(iterator))
    await settle()
    task.cancel()
    await settle()
    future.set_result(1)
    if sys.version_info >= (3, 14):
        assert await next(iterator) == 1
    else:
        with pytest.raises(StopIteration):
            next(iterator)


async def test_forgotten_coroutines_warn(aio, loop):
    future = loop.create_future()
    iterator = aio.as_completed([future])
    with pytest.warns(RuntimeWarning, match='_wait_for_one. was never awaited'):
        next(iterator)
        gc.collect()


async def test_on_two_loops(aio, loop):
    future = loop.create_future()
    future.set_result(1)
    iterator = aio.as_completed([future, loop.create_future()])
    task = loop.create_task(next(iterator))
    assert await task == 1
    waiting = loop.create_task(next(iterator))
    await settle()
    waiting.cancel()
    await settle()


async def test_it_is_collected(aio, loop):
    future, others = loop.create_future(), list(loop._scheduled)
    iterator = aio.as_completed([future], timeout=3600)
    first = next(iterator)
    task = loop.create_task(first)
    await settle()
    task.cancel()
    await settle()
    for timer in list(loop._scheduled):
        if timer not in others:
            timer.cancel()
    gone = weakref.ref(future)
    del iterator, first, task, future, timer
    gc.collect()
    assert gone() is None


@needs_graph
async def test_who_awaits_the_futures(aio, loop):
    futures = [loop.create_future(), asyncio.Future()]

    async def wait():
        for first in aio.as_completed(futures):
            await first

    task = loop.create_task(wait())
    await settle()
    assert [future._asyncio_awaited_by for future in futures] == [frozenset({task})] * 2
    for future in futures:
        future.set_result(1)
    await task
    assert not any(future._asyncio_awaited_by for future in futures)
