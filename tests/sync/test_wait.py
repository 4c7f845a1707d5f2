"""wait(): when it ends, what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re

import pytest
from sync.steps import answer, needs_graph, settle


@functools.cache
def noisy_future(base):
    class Future(base):
        added = removed = 0

        def add_done_callback(self, callback, *, context=None):
            self.added += 1
            super().add_done_callback(callback, context=context)

        def remove_done_callback(self, callback):
            self.removed += 1
            return super().remove_done_callback(callback)

    return Future


async def test_all(aio, loop):
    tasks = [loop.create_task(answer(turns=turns)) for turns in (1, 3, 2)]
    stock = asyncio.Future()
    loop.call_soon(stock.set_result, 1)
    done, pending = await aio.wait([*tasks, stock, tasks[0]])
    assert (done, pending) == ({*tasks, stock}, set())
    assert type(done) is type(pending) is set


@pytest.mark.parametrize('kind', [list, tuple, set, frozenset, dict.fromkeys])
async def test_collections_of_every_kind(aio, loop, kind):
    tasks = [loop.create_task(answer()) for _ in range(3)]
    fs = kind(tasks)
    assert await aio.wait(fs) == (set(tasks), set())
    assert len(fs) == 3


async def test_any_iterable(aio, loop):
    tasks = [loop.create_task(answer()) for _ in range(3)]
    assert await aio.wait(iter(tasks)) == (set(tasks), set())
    assert await aio.wait(map(lambda task: task, tasks)) == (set(tasks), set())  # noqa: C417
    with pytest.raises(AssertionError, match=r'^Set of Futures is empty\.$'):
        await aio.wait(iter(()))


async def test_first_completed(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    task = loop.create_task(aio.wait(futures, return_when=aio.FIRST_COMPLETED))
    await settle()
    assert not task.done()
    futures[1].set_result(1)
    futures[2].cancel()
    done, pending = await task
    assert (done, pending) == ({futures[1], futures[2]}, {futures[0]})
    assert futures[0]._callbacks in ([], None)


async def test_first_exception(aio, loop):
    futures = [loop.create_future() for _ in range(4)]
    task = loop.create_task(aio.wait(futures, return_when=aio.FIRST_EXCEPTION))
    futures[0].set_result(1)
    await settle()
    futures[1].cancel()
    await settle()
    assert not task.done()
    futures[2].set_exception(KeyError())
    done, pending = await task
    assert (done, pending) == (set(futures[:3]), {futures[3]})


async def test_all_done_before(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    for future in futures:
        future.set_result(1)
    assert await aio.wait(futures) == (set(futures), set())
    assert await aio.wait(futures[:1], return_when='FIRST_COMPLETED') == ({futures[0]}, set())


async def test_a_timeout(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    futures[0].set_result(1)
    done, pending = await aio.wait(futures, timeout=0.001)
    assert (done, pending) == ({futures[0]}, set(futures[1:]))
    assert all(future._callbacks in ([], None) for future in futures[1:])
    assert await aio.wait(futures[1:], timeout=0) == (set(), set(futures[1:]))


async def test_a_timeout_that_is_not_needed(aio, loop):
    before = len(loop._scheduled)
    task = loop.create_task(answer())
    assert await aio.wait([task], timeout=3600) == ({task}, set())
    assert len([timer for timer in loop._scheduled if not timer.cancelled()]) == before


async def test_cancelled(aio, loop):
    futures = [loop.create_future(), asyncio.Future()]
    task = loop.create_task(aio.wait(futures, timeout=3600))
    await settle()
    assert [len(future._callbacks) for future in futures] == [1, 1]
    [timer] = [timer for timer in loop._scheduled if timer._args == (task._fut_waiter,)]
    task.cancel('why')
    with pytest.raises(asyncio.CancelledError, match='why'):
        await task
    assert timer.cancelled()
    assert all(future._callbacks in ([], None) for future in futures)
    assert not any(future.done() for future in futures)


@pytest.mark.parametrize(
    ('make', 'kind', 'message'),
    [
        (lambda loop: [], ValueError, r'^Set of Tasks/Futures is empty\.$'),
        (lambda loop: loop.create_future(), TypeError, '^expect a list of futures, not .*Future$'),
        (lambda loop: 3, TypeError, "^'int' object is not iterable$"),
        (lambda loop: [3], AttributeError, "'int' object has no attribute 'add_done_callback'"),
        (lambda loop: [[]], TypeError, 'unhashable type'),
    ],
)
async def test_what_is_no_collection_of_futures(aio, loop, make, kind, message):
    with pytest.raises(kind, match=message):
        await aio.wait(make(loop))


async def test_coroutines_are_refused(aio, loop):
    coroutine = answer()
    with pytest.raises(TypeError, match=r'^expect a list of futures, not coroutine$'):
        await aio.wait(coroutine)
    with pytest.raises(
        TypeError, match=r'^Passing coroutines is forbidden, use tasks explicitly\.$'
    ):
        await aio.wait([coroutine])
    coroutine.close()


@pytest.mark.parametrize('condition', ['x', None, 0, 'first_completed'])
async def test_conditions_that_are_none(aio, loop, condition):
    with pytest.raises(ValueError, match=f'^Invalid return_when value: {condition}$'):
        await aio.wait([loop.create_future()], return_when=condition)


async def test_a_condition_that_is_equal(aio, loop):
    class Condition:
        def __eq__(self, other):
            return other == 'FIRST_COMPLETED'

    futures = [loop.create_future(), loop.create_future()]
    futures[0].set_result(1)
    done, pending = await aio.wait(futures, return_when=Condition())
    assert (done, pending) == ({futures[0]}, {futures[1]})


async def test_futures_of_a_class_of_ones_own(aio, loop):
    for base in (asyncio.Future, aio.Future):
        futures = [noisy_future(base)(loop=loop) for _ in range(2)]
        futures[0].set_result(1)
        await aio.wait(futures, return_when='FIRST_COMPLETED')
        assert [(future.added, future.removed) for future in futures] == [(1, 1), (1, 1)]
        assert not futures[1]._callbacks


async def test_what_a_future_shows(aio, loop):
    shown = []
    for module in (asyncio, aio):
        future = loop.create_future()
        task = loop.create_task(module.wait([future], timeout=3600))
        await settle()
        shown.append(re.sub('.*cb=', '', repr(future)))
        assert 'wait() running at' in repr(task)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert shown[0] == shown[1]


async def test_late_exceptions_count_as_retrieved_as_far_as_they_were_looked_at(aio, loop):
    futures = [loop.create_future() for _ in range(4)]
    task = loop.create_task(aio.wait(futures, return_when='FIRST_EXCEPTION'))
    await settle()
    for future in futures[:3]:
        future.set_exception(KeyError())
    done, pending = await task
    assert (len(done), len(pending)) == (3, 1)
    assert [future._log_traceback for future in futures] == [False] * 4


async def test_driven_by_hand(aio, loop):
    future = loop.create_future()
    for is_closed in (False, True):
        coroutine = aio.wait([future], timeout=3600)
        coroutine.send(None)
        assert len(future._callbacks) == 1
        if is_closed:
            coroutine.close()
        else:
            with pytest.raises(KeyError):
                coroutine.throw(KeyError())
        assert not future._callbacks


async def test_in_debug_mode(aio, loop):
    loop.set_debug(True)
    try:
        task = loop.create_task(answer())
        assert await aio.wait([task], timeout=3600) == ({task}, set())
    finally:
        loop.set_debug(False)


async def test_many(aio, loop):
    tasks = [loop.create_task(answer(turns=turns % 5)) for turns in range(500)]
    assert await aio.wait(tasks) == (set(tasks), set())


def test_without_a_loop(aio, loop):
    coroutine = aio.wait([loop.create_future()])
    with pytest.raises(RuntimeError, match=r'^no running event loop$'):
        coroutine.send(None)


@needs_graph
async def test_who_awaits_the_futures(aio, loop):
    futures = [loop.create_future(), asyncio.Future()]

    async def wait():
        return await aio.wait(futures, return_when='FIRST_COMPLETED')

    task = loop.create_task(wait())
    await settle()
    assert [future._asyncio_awaited_by for future in futures] == [frozenset({task})] * 2
    names = [entry.frame.f_code.co_name for entry in asyncio.capture_call_graph(task).call_stack]
    assert names == ['_wait', 'wait', 'wait']
    futures[0].set_result(1)
    await task
    assert not any(future._asyncio_awaited_by for future in futures)
