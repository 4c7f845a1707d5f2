"""sleep(): turns, timers, results, and what ends it early."""

from __future__ import annotations

import asyncio
import decimal
import fractions
import math
import sys

import pytest
import support

HAS_NAN_CHECK = sys.version_info >= (3, 13)


@pytest.mark.parametrize('delay', [0, 0.0, -1, -0.5, False, -(10**30), decimal.Decimal(0)])
async def test_no_delay_is_one_turn(aio, loop, delay):
    turns = []
    loop.call_soon(turns.append, 1)
    loop.call_soon(lambda: loop.call_soon(turns.append, 2))
    assert await aio.sleep(delay, 'result') == 'result'
    assert turns == [1]
    assert await aio.sleep(delay) is None
    assert turns == [1, 2]


async def test_tasks_take_turns(aio, loop):
    seen = []

    async def child(name):
        for number in range(3):
            seen.append((name, number))
            await aio.sleep(0)

    await asyncio.gather(child('a'), child('b'))
    assert seen == [(name, number) for number in range(3) for name in 'ab']


@pytest.mark.parametrize(
    'delay', [1e-9, 0.001, True / 1000, decimal.Decimal('0.001'), fractions.Fraction(1, 1000)]
)
async def test_delay(aio, loop, delay):
    result = object()
    start = loop.time()
    if isinstance(delay, decimal.Decimal):  # the loop's clock is a float
        with pytest.raises(TypeError):
            await aio.sleep(delay, result)
        return
    assert await aio.sleep(delay, result=result) is result
    assert loop.time() >= start + delay


async def test_sleepers_wake_in_the_order_of_their_times(aio, loop):
    seen = []

    async def child(delay):
        seen.append(await aio.sleep(delay, delay))

    now = loop.time()
    loop.time = lambda: now  # they begin at the same time
    tasks = [loop.create_task(child(delay)) for delay in (0.003, 0.001, 0.002)]
    await asyncio.sleep(0)
    del loop.time
    await asyncio.gather(*tasks)
    assert seen == [0.001, 0.002, 0.003]


async def test_what_it_waits_for(aio, loop):
    task = loop.create_task(aio.sleep(3600))
    await asyncio.sleep(0)
    future = task._fut_waiter
    assert isinstance(future, asyncio.Future)
    [timer] = [timer for timer in loop._scheduled if timer._args and timer._args[0] is future]
    assert timer._args == (future, None)
    assert timer._callback.__name__ == '_set_result_unless_cancelled'
    assert 'sleep() running at' in repr(task)
    task.cancel('why')
    with pytest.raises(asyncio.CancelledError, match='why'):
        await task
    assert timer.cancelled()
    assert future.cancelled()


@pytest.mark.parametrize('delay', [0, 3600])
async def test_cancelled_at_once_and_while_it_sleeps(aio, loop, delay):
    for turns in (0, 1):
        task = loop.create_task(aio.sleep(delay))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@pytest.mark.parametrize('delay', [0, 1000])
def test_what_the_caller_of_the_loop_handles(aio, loop, delay):
    # A turn is thrown into, which gives no context; the future of a timer is asked for its result.
    contexts = []

    async def sleeper():
        try:
            await aio.sleep(delay)
        except asyncio.CancelledError as exc:
            contexts.append(exc.__context__)

    task = loop.create_task(sleeper())
    support.run_once(loop)
    task.cancel()
    handled = support.call_handling(loop.run_until_complete, task)
    assert contexts == [handled if delay else None]


async def test_the_future_may_be_cancelled_or_done_by_others(aio, loop):
    for finish in (lambda future: future.cancel(), lambda future: future.set_result('early')):
        task = loop.create_task(aio.sleep(3600))
        await asyncio.sleep(0)
        finish(task._fut_waiter)
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == 'early'


@pytest.mark.parametrize('delay', ['1', None, [], object()])
async def test_what_is_no_number(aio, loop, delay):
    messages = []
    for module in (asyncio, aio):
        coroutine = module.sleep(delay)
        with pytest.raises(TypeError) as caught:
            await coroutine
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.skipif(not HAS_NAN_CHECK, reason='refused since 3.13')
async def test_nan(aio, loop):
    with pytest.raises(ValueError, match=r'^Invalid delay: NaN \(not a number\)$'):
        await aio.sleep(math.nan)


async def test_comparing_a_delay_may_fail(aio, loop):
    class Delay:
        def __le__(self, other):
            raise ZeroDivisionError(other)

    with pytest.raises(ZeroDivisionError, match=r'^0$'):
        await aio.sleep(Delay())


def test_without_a_loop(aio, loop):
    with pytest.raises(StopIteration) as caught:
        coroutine = aio.sleep(0, 5)
        assert coroutine.send(None) is None
        coroutine.send(None)
    assert caught.value.value == 5
    coroutine = aio.sleep(1)
    with pytest.raises(RuntimeError, match=r'^no running event loop$'):
        coroutine.send(None)


async def test_driven_by_hand(aio, loop):
    coroutine = aio.sleep(3600, 'result')
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        coroutine.send(1)
    future = coroutine.send(None)
    assert future._asyncio_future_blocking
    assert coroutine.cr_await is not None
    with pytest.raises(ZeroDivisionError):
        coroutine.throw(ZeroDivisionError())
    assert not [
        timer
        for timer in loop._scheduled
        if not timer.cancelled() and timer._args and timer._args[0] is future
    ]
    coroutine = aio.sleep(3600)
    future = coroutine.send(None)
    coroutine.close()
    assert not [
        timer
        for timer in loop._scheduled
        if not timer.cancelled() and timer._args and timer._args[0] is future
    ]


async def test_it_asks_the_loop_that_runs(aio, loop, monkeypatch):
    asked = []
    call_later = loop.call_later
    fake = lambda delay, *args: asked.append(delay) or call_later(0, *args)  # noqa: E731
    monkeypatch.setattr(type(loop), 'call_later', lambda self, *args: fake(*args))
    await aio.sleep(3600)
    assert asked == [3600]


async def test_a_timer_that_cannot_be_cancelled(aio, loop, monkeypatch):
    class Timer:
        def cancel(self):
            raise ZeroDivisionError

    def call_later(self, delay, callback, future, result):
        self.call_soon(callback, future, result)
        return Timer()

    monkeypatch.setattr(type(loop), 'call_later', call_later)
    with pytest.raises(ZeroDivisionError):
        await aio.sleep(1)
    task = loop.create_task(aio.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ZeroDivisionError) as caught:
        await task
    assert isinstance(caught.value.__context__, asyncio.CancelledError)


async def test_in_debug_mode(aio, loop):
    loop.set_debug(True)
    try:
        assert await aio.sleep(0.001, 1) == 1
        assert await aio.sleep(0, 2) == 2
        task = loop.create_task(aio.sleep(3600))
        await asyncio.sleep(0)
        assert '_set_result_unless_cancelled(' in repr(loop._scheduled)
        task.cancel()
        await asyncio.wait([task])
    finally:
        loop.set_debug(False)


async def test_many_come_and_go(aio, loop):
    """The memory of a dead one is that of the next: none may see what was in it."""
    for round_ in range(3):
        sleeps = [aio.sleep(0, number) for number in range(200)]
        assert await asyncio.gather(*sleeps) == list(range(200)), round_
    await asyncio.gather(*[aio.sleep(1e-6) for _ in range(200)])
    assert await aio.sleep(0) is None


@pytest.mark.skipif(support.STOCK_ONLY, reason='stock only')
async def test_memory_of_what_was_never_awaited_warns_again(aio, loop):
    for _ in range(3):
        with pytest.warns(RuntimeWarning, match='never awaited'):
            aio.sleep(0)
