"""gather(): results, exceptions, cancelling, and arguments of every kind."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import re
import sys
import weakref

import pytest
import support
from sync.steps import answer, needs_graph

DONE_AT_ONCE = sys.version_info >= (3, 12)
needs_eager = pytest.mark.skipif(sys.version_info < (3, 12), reason='eager tasks came with 3.12')


async def fail(error, turns=1):
    for _ in range(turns):
        await asyncio.sleep(0)
    raise error


class Awaitable:
    """Equal to any other of the same value."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Awaitable) and self.value == other.value

    def __hash__(self):
        return hash(self.value)

    def __await__(self):
        yield
        return self.value


@functools.cache
def subclass_of(base):
    """A class that lives on: debug builds count the objects of those that do not as alive."""

    class Subclass(base):
        cancels = 0

        def cancel(self, msg=None):
            self.cancels += 1
            return super().cancel(msg)

    return Subclass


class Duck:
    """A future by its methods alone; it calls back at once."""

    _asyncio_future_blocking = False

    def __init__(self, loop, result=None, error=None, cancelled=False):
        self.loop, self.value, self.error, self.is_cancelled = loop, result, error, cancelled
        self.is_done, self.callbacks, self.calls = False, [], []

    def get_loop(self):
        return self.loop

    def done(self):
        return self.is_done

    def cancelled(self):
        return self.is_done and self.is_cancelled

    def exception(self):
        self.calls.append('exception')
        return self.error

    def result(self):
        self.calls.append('result')
        return self.value

    _cancel_message = 'duck'

    def _make_cancelled_error(self):
        return asyncio.CancelledError('quack')

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def cancel(self, msg=None):
        self.calls.append(('cancel', msg))
        return not self.is_done

    def finish(self):
        self.is_done = True
        for callback in self.callbacks:
            self.loop.call_soon(callback, self)


async def test_results_have_the_order_of_the_arguments(aio, loop):
    values = [3, 1, 2, 0]
    assert await aio.gather(*[answer(value, turns=value) for value in values]) == values
    many = list(range(300))
    assert await aio.gather(*[answer(value) for value in many]) == many


async def test_arguments_of_every_kind(aio, loop):
    future, stock = loop.create_future(), asyncio.Future()
    loop.call_soon(future.set_result, 'future')
    loop.call_soon(stock.set_result, 'stock')
    task, stock_task = loop.create_task(answer('task')), asyncio.Task(answer('stock task'))
    subclass = subclass_of(asyncio.Future)()
    ours = subclass_of(aio.Future)(loop=loop)
    subclass.set_result('subclass')
    ours.set_result('ours')
    duck = Duck(loop, 'duck')
    loop.call_soon(duck.finish)
    arguments = [
        future,
        answer('coroutine'),
        stock,
        Awaitable('awaitable'),
        task,
        stock_task,
        subclass,
        ours,
        aio.gather(answer('inner')),
        duck,
    ]
    expected = [
        'future',
        'coroutine',
        'stock',
        'awaitable',
        'task',
        'stock task',
        'subclass',
        'ours',
        ['inner'],
        'duck',
    ]
    assert await aio.gather(*arguments) == expected
    assert duck.calls == ['exception', 'exception', 'result']


async def test_equal_arguments_share_a_future(aio, loop):
    coroutine, future = answer(1), loop.create_future()
    future.set_result(2)
    outer = aio.gather(coroutine, future, coroutine, future, answer(3), coroutine)
    assert len(set(outer._children)) == 3
    assert await outer == [1, 2, 1, 2, 3, 1]
    outer = aio.gather(Awaitable(1), answer(2), Awaitable(1), Awaitable(3))
    assert len(set(outer._children)) == 3
    assert await outer == [1, 2, 1, 3]


async def test_many_equal_arguments(aio, loop):
    coroutines = [answer(number) for number in range(100)] * 3
    assert await aio.gather(*coroutines) == list(range(100)) * 3


async def test_nothing(aio, loop):
    outer = aio.gather()
    assert outer.done()
    assert type(outer).__name__ == 'Future'
    assert await outer == []


def test_nothing_without_a_loop(aio, loop):
    asyncio.set_event_loop(loop)
    try:
        assert loop.run_until_complete(aio.gather()) == []
        future = loop.create_future()
        outer = aio.gather(future)
        assert outer.get_loop() is loop
        future.set_result(1)
        assert loop.run_until_complete(outer) == [1]
    finally:
        asyncio.set_event_loop(None)


def test_coroutines_without_a_loop(aio, loop):
    asyncio.set_event_loop(None)
    coroutine = answer()
    with pytest.raises(RuntimeError, match='There is no current event loop in thread'):
        aio.gather(coroutine)
    coroutine.close()


async def test_what_it_is(aio, loop):
    future = loop.create_future()
    outer = aio.gather(future)
    assert isinstance(outer, asyncio.Future)
    assert isinstance(outer, aio.Future)
    assert asyncio.isfuture(outer)
    assert outer.get_loop() is loop
    assert repr(outer) == '<_GatheringFuture pending>'
    assert (outer._children, outer._cancel_requested) == ([future], False)
    stock = loop.create_future()
    asyncio.gather(stock)
    assert re.sub('.*cb=', '', repr(future)) == re.sub('.*cb=', '', repr(stock))
    [(callback, context)] = future._callbacks
    assert isinstance(context, contextvars.Context)
    assert callback.__qualname__ == 'gather.<locals>._done_callback'
    future.set_result(1)
    assert await outer == [1]
    assert repr(outer) == '<_GatheringFuture finished result=[1]>'
    weakref.ref(outer)


async def test_the_callback_can_be_taken_out(aio, loop):
    future = loop.create_future()
    outer = aio.gather(future)
    [(callback, _)] = future._callbacks
    assert future.remove_done_callback(callback) == 1
    future.set_result(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not outer.done()
    callback(future)
    assert await outer == [1]


async def test_callbacks_are_called_in_their_turn(aio, loop):
    seen = []
    future = loop.create_future()
    future.add_done_callback(lambda future: seen.append('before'))
    outer = aio.gather(future)
    outer.add_done_callback(lambda outer: seen.append('outer'))
    future.add_done_callback(lambda future: seen.append(outer.done()))
    future.set_result(1)
    loop.call_soon(seen.append, 'next')
    assert not outer.done()
    await outer
    assert seen == ['before', True, 'next', 'outer']


async def test_done_arguments(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    for future in futures:
        future.set_result(future)
    outer = aio.gather(*futures)
    assert outer.done() == DONE_AT_ONCE
    assert await outer == futures


async def test_done_arguments_with_an_exception(aio, loop):
    failed, other = loop.create_future(), loop.create_future()
    failed.set_exception(ZeroDivisionError())
    outer = aio.gather(other, failed)
    assert outer.done() == DONE_AT_ONCE
    with pytest.raises(ZeroDivisionError):
        await outer
    other.set_exception(KeyError())  # nobody will hear of it
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_first_exception_ends_it_and_the_others_go_on(aio, loop):
    tasks = [
        loop.create_task(coroutine)
        for coroutine in (
            answer(1, turns=9),
            fail(KeyError('first')),
            fail(ValueError('late'), turns=8),
        )
    ]
    outer = aio.gather(*tasks)
    with pytest.raises(KeyError, match='first'):
        await outer
    assert [task.done() for task in tasks] == [False, True, False]
    assert outer.cancel() is False
    await asyncio.wait(tasks)
    assert tasks[0].result() == 1
    assert isinstance(tasks[2].exception(), ValueError)
    del tasks
    gc.collect()  # the late exception is not told to the handler


async def test_exceptions_as_results(aio, loop):
    errors = [KeyError(1), ValueError(2)]
    cancelled = loop.create_future()
    cancelled.cancel('gone')
    silent = loop.create_future()
    silent.cancel()
    *found, error, no_message = await aio.gather(
        answer(0),
        fail(errors[0]),
        fail(errors[1], turns=3),
        cancelled,
        silent,
        return_exceptions=True,
    )
    assert found == [0, *errors]
    assert (type(error), error.args) == (asyncio.CancelledError, ('gone',))
    assert (type(no_message), no_message.args) == (asyncio.CancelledError, ('',))


@pytest.mark.parametrize('value', [[], [1], None, 'yes'])
async def test_return_exceptions_is_any_truth(aio, loop, value):
    outer = aio.gather(fail(KeyError()), return_exceptions=value)
    if value:
        assert isinstance((await outer)[0], KeyError)
    else:
        with pytest.raises(KeyError):
            await outer


async def test_a_cancelled_child_is_an_exception(aio, loop):
    child, other = loop.create_future(), loop.create_future()
    outer = aio.gather(child, other)
    child.cancel('why')
    with pytest.raises(asyncio.CancelledError, match='why'):
        await outer
    assert not outer.cancelled()
    assert isinstance(outer.exception(), asyncio.CancelledError)
    assert not other.done()


@pytest.mark.parametrize('return_exceptions', [False, True])
async def test_cancelling_it_cancels_the_children(aio, loop, return_exceptions):
    children = [loop.create_task(answer(turns=100)), loop.create_future(), asyncio.Future()]
    done = loop.create_future()
    done.set_result(1)
    outer = aio.gather(*children, done, return_exceptions=return_exceptions)
    assert outer.cancel('message') is True
    assert outer._cancel_requested
    assert not outer.done()
    with pytest.raises(asyncio.CancelledError) as caught:
        await outer
    # With exceptions as results the last child's error is raised, which was not cancelled here.
    assert caught.value.args == (() if return_exceptions else ('message',))
    await asyncio.wait(children)
    assert all(child.cancelled() for child in children)
    assert [child._cancel_message for child in children[1:]] == ['message'] * 2
    assert not outer.cancelled()
    assert outer.cancel() is False


async def test_cancelling_who_awaits_it(aio, loop):
    children = [loop.create_task(answer(turns=100)) for _ in range(3)]

    async def wait():
        await aio.gather(*children)

    task = loop.create_task(wait())
    await asyncio.sleep(0)
    assert type(task._fut_waiter).__name__ == '_GatheringFuture'
    task.cancel('stop')
    with pytest.raises(asyncio.CancelledError, match='stop'):
        await task
    assert task.cancelled()
    assert all(child.cancelled() for child in children)


@pytest.mark.parametrize('gathered', [True, False])
def test_what_the_caller_of_the_loop_handles(aio, loop, gathered):
    # The result() of gather()'s future is called, and so raises; that of a plain one is thrown.
    contexts = []
    future = loop.create_future()

    async def waiter():
        try:
            await (aio.gather(future) if gathered else future)
        except ValueError as exc:
            contexts.append(exc.__context__)

    task = loop.create_task(waiter())
    support.run_once(loop)
    future.set_exception(ValueError())
    handled = support.call_handling(loop.run_until_complete, task)
    assert contexts == [handled if gathered else None]


async def test_children_that_refuse_to_be_cancelled(aio, loop):
    async def stubborn():
        try:
            await loop.create_future()
        except asyncio.CancelledError:
            return 'not me'

    children = [loop.create_task(stubborn()) for _ in range(2)]
    await asyncio.sleep(0)
    outer = aio.gather(*children, return_exceptions=True)
    assert outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert [child.result() for child in children] == ['not me'] * 2


async def test_nothing_to_cancel(aio, loop):
    duck = Duck(loop, 1)
    outer = aio.gather(duck)
    duck.is_done = True
    assert outer.cancel(msg='x') is False
    assert duck.calls == [('cancel', 'x')]
    assert not outer._cancel_requested
    duck.finish()
    assert await outer == [1]


async def test_a_child_whose_cancel_fails(aio, loop):
    duck = Duck(loop)
    duck.cancel = lambda msg=None: 1 / 0
    outer = aio.gather(duck)
    with pytest.raises(ZeroDivisionError):
        outer.cancel()
    duck.finish()
    await outer


async def test_ducks_that_fail_or_are_cancelled(aio, loop):
    for duck, expected in (
        (Duck(loop, error=KeyError()), KeyError),
        (Duck(loop, cancelled=True), asyncio.CancelledError),
    ):
        outer = aio.gather(duck)
        duck.finish()
        with pytest.raises(expected):
            await outer
        outer = aio.gather(duck, return_exceptions=True)
        if not DONE_AT_ONCE:
            duck.finish()
        assert isinstance((await outer)[0], expected)


async def test_a_callback_that_comes_before_gather_returns(aio, loop):
    class Hasty(Duck):
        def add_done_callback(self, callback):
            self.is_done = True
            callback(self)

    outer = aio.gather(Hasty(loop, 1))
    await asyncio.sleep(0)
    assert not outer.done()  # there was no outer future yet
    hasty, future = Hasty(loop, 1), loop.create_future()
    outer = aio.gather(hasty, future)
    future.set_result(2)
    assert await outer == [1, 2]


async def test_futures_of_another_loop(aio, loop):
    other = asyncio.SelectorEventLoop()
    future = other.create_future()
    mine = loop.create_future()
    with pytest.raises(ValueError, match='belongs to a different loop than the one specified'):
        aio.gather(mine, future)
    mine.set_exception(KeyError())  # gather() has failed, but hears of it all the same
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other.close()


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        (None, 'An asyncio.Future, a coroutine or an awaitable is required'),
        ([], "unhashable type: 'list'"),
    ],
)
async def test_what_is_not_awaitable(aio, loop, argument, message):
    coroutine = answer()
    with pytest.raises(TypeError, match=message):
        aio.gather(coroutine, argument)
    [task] = asyncio.all_tasks() - {asyncio.current_task()}
    assert await task is None  # it had begun


async def test_an_argument_whose_hash_or_equality_fails(aio, loop):
    class Bad(Awaitable):
        __hash__ = None

    class Unequal(Awaitable):
        def __hash__(self):
            return 1

        def __eq__(self, other):
            raise ZeroDivisionError

    with pytest.raises(TypeError, match='unhashable'):
        aio.gather(Bad(1))
    with pytest.raises(ZeroDivisionError):
        aio.gather(Unequal(1), Unequal(2))
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


async def test_tasks_of_a_factory(aio, loop):
    made = []

    def factory(loop, coro, **kwargs):
        made.append(asyncio.Task(coro, loop=loop, **kwargs))
        return made[-1]

    loop.set_task_factory(factory)
    assert await aio.gather(answer(1), answer(2)) == [1, 2]
    assert [task.result() for task in made] == [1, 2]
    assert [task._log_destroy_pending for task in made] == [False, False]
    loop.set_task_factory(None)


async def test_a_task_class_of_ones_own(aio, loop):
    tasks = [subclass_of(aio.Task)(answer(turns=9), loop=loop) for _ in range(2)]
    outer = aio.gather(*tasks)
    outer.cancel('x')
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert [task.cancels for task in tasks] == [1, 1]
    await asyncio.wait(tasks)


@needs_eager
async def test_eager_tasks(aio, loop):
    async def immediate():
        return 1

    loop.set_task_factory(asyncio.eager_task_factory)
    outer = aio.gather(immediate(), immediate())
    assert outer.done()
    assert outer.result() == [1, 1]
    outer = aio.gather(immediate(), answer(2))
    assert not outer.done()
    assert await outer == [1, 2]
    loop.set_task_factory(None)


async def test_pending_tasks_of_it_die_silently(aio, loop):
    reports = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reports.append(context))

    async def hang():
        await loop.create_future()

    outer = aio.gather(hang(), hang())
    await asyncio.sleep(0)
    del outer
    gc.collect()
    assert not reports
    loop.set_exception_handler(handler)


async def test_it_dies_with_its_children(aio, loop):
    future = loop.create_future()
    outer = weakref.ref(aio.gather(future, future))
    gc.collect()
    assert outer() is not None
    del future
    gc.collect()
    assert outer() is None


async def test_children_changed_meanwhile(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    outer = aio.gather(*futures)
    outer._children.clear()
    assert outer.cancel() is False
    for future in futures:
        future.set_result(1)
    assert await outer == []


async def test_outer_done_by_others(aio, loop):
    futures = [loop.create_future() for _ in range(3)]
    outer = aio.gather(*futures)
    outer.set_result('mine')
    futures[0].set_exception(KeyError())
    futures[1].cancel()
    futures[2].set_result(1)
    assert await outer == 'mine'
    await asyncio.sleep(0)


async def test_in_debug_mode(aio, loop):
    loop.set_debug(True)
    try:
        outer = aio.gather(answer(1), answer(2))
        assert outer._source_traceback
        assert await outer == [1, 2]
    finally:
        loop.set_debug(False)


async def test_call_soon_that_is_overridden_is_asked(aio, loop, monkeypatch):
    seen = []
    call_soon = type(loop).call_soon

    def spy(self, callback, *args, context=None):
        seen.append(getattr(callback, '__qualname__', None))
        return call_soon(self, callback, *args, context=context)

    monkeypatch.setattr(type(loop), 'call_soon', spy)
    future = loop.create_future()
    outer = aio.gather(future)
    future.set_result(1)
    assert await outer == [1]
    assert 'gather.<locals>._done_callback' in seen


async def test_an_error_of_the_callback_is_told(aio, loop):
    class Liar(Duck):
        def exception(self):
            raise ZeroDivisionError

    reports = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reports.append(context))
    liar, future = Liar(loop), loop.create_future()
    outer = aio.gather(future, liar)
    liar.finish()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop.set_exception_handler(handler)
    [context] = reports
    assert context['message'].startswith('Exception in callback gather.<locals>._done_callback(')
    assert isinstance(context['exception'], ZeroDivisionError)
    assert not outer.done()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer


async def test_what_the_ring_holds_can_be_looked_at(aio, loop):
    future = loop.create_future()
    outer = aio.gather(future)
    future.set_result(1)
    assert 'gather.<locals>._done_callback(' in repr(list(loop._ready))
    assert await outer == [1]


@needs_graph
async def test_who_awaits_the_children(aio, loop):
    children = [loop.create_future(), loop.create_task(answer(turns=3)), asyncio.Future()]

    async def wait():
        return await aio.gather(*children)

    task = loop.create_task(wait())
    await asyncio.sleep(0)
    assert [child._asyncio_awaited_by for child in children] == [frozenset({task})] * 3
    children[0].set_exception(KeyError())
    with pytest.raises(KeyError):
        await task
    assert not any(child._asyncio_awaited_by for child in children)
    children[2].cancel()
    await asyncio.wait(children[1:])


@needs_graph
async def test_who_awaits_a_child_in_two_ways(aio, loop):
    child, first, second = (loop.create_future() for _ in range(3))
    seen = []

    async def wait():
        outers = [aio.gather(child, first), aio.gather(child, second)]
        for outer in outers:
            with pytest.raises(KeyError):
                await outer
            seen.append(bool(child._asyncio_awaited_by))
            if not second.done():
                second.set_exception(KeyError())

    task = loop.create_task(wait())
    await asyncio.sleep(0)
    assert child._asyncio_awaited_by == {task}
    first.set_exception(KeyError())
    await task
    # asyncio forgets it with the first: it keeps a set of who awaits.
    ours = aio is not asyncio and type(child) is not asyncio.Future
    assert seen == [ours, False]
