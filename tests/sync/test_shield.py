"""shield() and ensure_future()."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import weakref

import pytest
from sync.steps import answer, needs_graph, settle


class Awaitable:
    def __await__(self):
        yield
        return 'awaitable'


# ------------------------------------------------------------------ shield


async def test_a_result_goes_through(aio, loop):
    assert await aio.shield(answer(1)) == 1
    assert await aio.shield(Awaitable()) == 'awaitable'
    for make in (loop.create_future, asyncio.Future, lambda: loop.create_task(answer(2))):
        future = make()
        if not isinstance(future, asyncio.Task):
            loop.call_soon(future.set_result, 2)
        outer = aio.shield(future)
        assert outer is not future
        assert isinstance(outer, asyncio.Future)
        assert await outer == 2


async def test_an_exception_goes_through(aio, loop):
    inner, error = loop.create_future(), KeyError()
    outer = aio.shield(inner)
    inner.set_exception(error)
    with pytest.raises(KeyError) as caught:
        await outer
    assert caught.value is error


async def test_what_is_done_is_given_back(aio, loop):
    inner = loop.create_future()
    inner.set_result(1)
    assert aio.shield(inner) is inner


async def test_cancelling_the_outer_one(aio, loop):
    inner = loop.create_task(answer(1, turns=9))
    outer = aio.shield(inner)
    await asyncio.sleep(0)
    assert outer.cancel('x')
    with pytest.raises(asyncio.CancelledError, match='x'):
        await outer
    await settle()
    assert not inner._callbacks
    assert not inner.cancelling()
    assert await inner == 1


async def test_cancelling_who_awaits_it(aio, loop):
    inner = loop.create_future()

    async def wait():
        await aio.shield(inner)

    task = loop.create_task(wait())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not inner.done()
    assert not inner._callbacks


async def test_cancelling_the_inner_one(aio, loop):
    inner = loop.create_future()
    outer = aio.shield(inner)
    inner.cancel('x')
    with pytest.raises(asyncio.CancelledError) as caught:
        await outer
    assert caught.value.args == ()
    assert outer.cancelled()


@pytest.mark.parametrize('how', ['before', 'together'])
async def test_an_exception_that_nobody_hears_of(aio, loop, how):
    """Before 3.14 it is not told where the outer one was cancelled in that very iteration."""
    reports = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reports.append(context['message']))
    inner = loop.create_future()
    outer = aio.shield(inner)
    if how == 'together':
        inner.set_exception(KeyError())
        outer.cancel()
    else:
        outer.cancel()
        await settle()
        inner.set_exception(KeyError())
    await settle()
    del inner, outer
    gc.collect()
    loop.set_exception_handler(handler)
    is_silent = how == 'together' and sys.version_info < (3, 14)
    assert len(reports) == (0 if is_silent else 1)


async def test_an_outer_one_that_others_have_done(aio, loop):
    reports = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reports.append(context))
    inner = loop.create_future()
    outer = aio.shield(inner)
    inner.set_result(1)
    outer.set_result('mine')
    await settle()
    loop.set_exception_handler(handler)
    [context] = reports
    assert isinstance(context['exception'], asyncio.InvalidStateError)
    assert 'shield.<locals>._inner_done_callback' in context['message']
    assert await outer == 'mine'
    reports.clear()


async def test_what_is_seen_of_it(aio, loop):
    shown = []
    for module in (asyncio, aio):
        inner = loop.create_future()
        outer = module.shield(inner)
        shown.append(
            [re.sub('.*cb=', '', repr(outer)), re.sub('.*_inner_done', '_inner_done', repr(inner))]
        )
        inner.cancel()
        await settle()
    assert shown[0] == shown[1]


async def test_both_keep_each_other(aio, loop):
    inner = loop.create_future()
    outer = aio.shield(inner)
    gone = weakref.ref(outer), weakref.ref(inner)
    del outer
    gc.collect()
    assert gone[0]() is not None
    del inner
    gc.collect()
    assert gone[0]() is gone[1]() is None


async def test_bad_arguments(aio, loop):
    with pytest.raises(TypeError, match=r'An asyncio\.Future, a coroutine or an awaitable'):
        aio.shield(3)


@needs_graph
async def test_who_awaits_the_inner_one(aio, loop):
    for inner in (loop.create_future(), asyncio.Future()):

        async def wait(inner=inner):
            await aio.shield(inner)

        task = loop.create_task(wait())
        await settle()
        assert inner._asyncio_awaited_by == frozenset({task})
        task.cancel()
        await settle()
        assert not inner._asyncio_awaited_by


# ------------------------------------------------------------------ ensure_future


async def test_a_future_is_itself(aio, loop):
    for future in (loop.create_future(), asyncio.Future(), loop.create_task(answer())):
        assert aio.ensure_future(future) is future
        assert aio.ensure_future(future, loop=loop) is future
        assert aio.ensure_future(future, loop=None) is future
    await settle()


async def test_a_coroutine_is_made_a_task_of(aio, loop):
    task = aio.ensure_future(answer(1))
    assert isinstance(task, asyncio.Task)
    assert task.get_loop() is loop
    assert await task == 1
    assert await aio.ensure_future(answer(2), loop=loop) == 2


async def test_an_awaitable_is_wrapped(aio, loop):
    shown = []
    for module in (asyncio, aio):
        task = module.ensure_future(Awaitable())
        task.set_name('t')
        shown.append(repr(task))
        assert await task == 'awaitable'
    assert shown[0] == shown[1]


async def test_another_loop(aio, loop):
    other = asyncio.SelectorEventLoop()
    for future in (loop.create_future(), asyncio.Future()):
        with pytest.raises(ValueError, match=r'^The future belongs to a different loop than the '):
            aio.ensure_future(future, loop=other)
    other.close()


@pytest.mark.parametrize('bad', [None, 3, [], 'x', answer, asyncio.Future])
async def test_what_is_not_awaitable(aio, loop, bad):
    with pytest.raises(
        TypeError, match=r'^An asyncio.Future, a coroutine or an awaitable is required$'
    ):
        aio.ensure_future(bad)


def test_a_closed_loop_closes_the_coroutine(aio, loop):
    closed = asyncio.SelectorEventLoop()
    closed.close()
    coroutine = answer()
    with pytest.raises(RuntimeError, match=r'^Event loop is closed$'):
        aio.ensure_future(coroutine, loop=closed)
    with pytest.raises(RuntimeError, match='cannot reuse already awaited coroutine'):
        coroutine.send(None)


async def test_a_loop_that_refuses(aio, loop):
    class Refusing:
        def create_task(self, coro):
            raise self.error

    class Coroutine:
        closed = 0

        def close(self):
            self.closed += 1
            raise KeyError

    asyncio.coroutines._iscoroutine_typecache.add(Coroutine)
    refusing, coroutine = Refusing(), Coroutine()
    refusing.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        aio.ensure_future(coroutine, loop=refusing)
    assert coroutine.closed == 0
    refusing.error = RuntimeError()
    with pytest.raises(KeyError) as caught:
        aio.ensure_future(coroutine, loop=refusing)
    assert coroutine.closed == 1
    assert caught.value.__context__ is refusing.error
    asyncio.coroutines._iscoroutine_typecache.discard(Coroutine)
