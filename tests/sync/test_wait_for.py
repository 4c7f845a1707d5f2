"""wait_for(): what may be awaited, deadlines, whose cancellation, hostile use."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import types
import weakref

import pytest
import support
from sync.same import Scenarios, check, plain

BEFORE_312 = sys.version_info < (3, 12)

pytestmark = pytest.mark.usefixtures('loop')


async def answer(value=1):
    return value


async def late(value=1):
    await asyncio.sleep(0)
    return value


async def raises(error):
    await asyncio.sleep(0)
    raise error


async def forever():
    await asyncio.get_running_loop().create_future()


class Awaitable:
    def __init__(self, iterator):
        self.iterator = iterator

    def __await__(self):
        return self.iterator


AWAITABLES = {
    'a coroutine': lambda loop: answer(),
    'one that waits': lambda loop: late(),
    'a task': lambda loop: loop.create_task(late()),
    'a stock task': lambda loop: asyncio.Task(late(), loop=loop),
    'an object': lambda loop: Awaitable(late().__await__()),
    'a generator of types.coroutine': lambda loop: generator(),
    'sleep': lambda loop: asyncio.sleep(0, 1),
    'wait_for': lambda loop: asyncio.wait_for(late(), 60),
    'gather': lambda loop: asyncio.gather(late(), late()),
}


@types.coroutine
def generator():
    yield
    return 1


class TestAnswers:
    @pytest.mark.parametrize('timeout', [None, 60, 60.0, 10**6, True])
    @pytest.mark.parametrize('kind', AWAITABLES)
    async def test_of_awaitables(self, aio, loop, kind, timeout):
        expected = [1, 1] if kind == 'gather' else 1
        assert await aio.wait_for(AWAITABLES[kind](loop), timeout) == expected
        assert not asyncio.current_task().cancelling()

    async def test_of_done_futures(self, aio, loop):
        future = loop.create_future()
        future.set_result([1])
        for timeout in [None, 60, 60.0, 0, -1]:
            assert await aio.wait_for(future, timeout) == [1]
        failed = loop.create_future()
        failed.set_exception(KeyError('x'))
        for timeout in [None, 60, 60.0, 0]:
            with pytest.raises(KeyError, match='x'):
                await aio.wait_for(failed, timeout)
        cancelled = loop.create_future()
        cancelled.cancel('mine')
        with pytest.raises(asyncio.CancelledError, match='mine'):
            await aio.wait_for(cancelled, 60)

    async def test_of_futures_that_are_done_in_time(self, aio, loop):
        for timeout in [None, 60]:
            future = loop.create_future()
            loop.call_soon(future.set_result, 5)
            assert await aio.wait_for(future, timeout) == 5
            failed = loop.create_future()
            loop.call_soon(failed.set_exception, KeyError('x'))
            with pytest.raises(KeyError, match='x'):
                await aio.wait_for(failed, timeout)

    async def test_exception(self, aio):
        error = ValueError('x')
        with pytest.raises(ValueError, match='x') as caught:
            await aio.wait_for(raises(error), 60)
        assert caught.value is error
        assert error.__context__ is None

    async def test_what_a_frame_of_asyncio_keeps_alive(self, aio, loop):
        """A frame in the traceback of an exception keeps what was given to it; ours has none."""
        task = loop.create_task(raises(KeyError('k')))
        ref = weakref.ref(task)
        with pytest.raises(KeyError) as raised:
            await aio.wait_for(task, 60)
        del task
        if aio is asyncio:
            assert ref() is not None
        elif type(loop) is aio.EventLoop:
            assert ref() is None
        raised.value.__traceback__ = None

    async def test_keywords(self, aio):
        assert await aio.wait_for(fut=answer(), timeout=None) == 1
        coroutine = answer()
        with pytest.raises(TypeError):
            aio.wait_for(coroutine)
        with pytest.raises(TypeError):
            aio.wait_for(coroutine, 1, 2)
        coroutine.close()

    @pytest.mark.parametrize('thing', [1, None, answer, 'x'], ids=repr)
    async def test_of_what_is_no_awaitable(self, aio, thing):
        with pytest.raises(TypeError):
            await aio.wait_for(thing, 60)
        with pytest.raises(TypeError):
            await aio.wait_for(thing, None)


class TestDeadlines:
    @pytest.mark.parametrize('timeout', [0, -1, 0.0, 1e-9])
    async def test_passes(self, aio, loop, timeout):
        future = loop.create_future()
        with pytest.raises(TimeoutError) as caught:
            await aio.wait_for(future, timeout)
        assert future.cancelled()
        assert type(caught.value.__cause__) is asyncio.CancelledError
        assert asyncio.current_task().cancelling() == 0

    async def test_coroutine_is_cancelled(self, aio):
        seen = []

        async def waits():
            try:
                await forever()
            finally:
                seen.append('end')

        with pytest.raises(TimeoutError):
            await aio.wait_for(waits(), 1e-9)
        assert seen == ['end']

    async def test_coroutine_never_begins_without_time(self, aio):
        async def begins():
            raise AssertionError

        with pytest.raises(TimeoutError):
            await aio.wait_for(begins(), 0)

    async def test_cancellation_is_refused(self, aio):
        async def stays():
            try:
                await forever()
            except asyncio.CancelledError:
                return 'stayed'

        assert await aio.wait_for(stays(), 1e-9) == 'stayed'

    async def test_shield(self, aio, loop):
        future = loop.create_future()
        with pytest.raises(TimeoutError):
            await aio.wait_for(asyncio.shield(future), 1e-9)
        assert not future.done()

    async def test_timer_is_cancelled(self, aio, loop):
        def call_at(*args, **kwargs):
            handles.append(type(loop).call_at(loop, *args, **kwargs))
            return handles[-1]

        handles = []
        loop.call_at = call_at
        await aio.wait_for(late(), 60)
        del loop.call_at
        assert [handle.cancelled() for handle in handles] == [True]


SCENARIOS = Scenarios()
case = SCENARIOS.case


@case('cancelled from outside')
async def outside(tell_):
    future = tell_.loop.create_future()
    for awaitable, timeout in [(future, 60), (forever(), 60), (forever(), None)]:
        task = asyncio.ensure_future(tell_.aio.wait_for(awaitable, timeout))
        await tell_.turns()
        tell_(task.cancel('mine'))
        await tell_.attempt(task)
        tell_(task.cancelling(), future.cancelled())


@case('cancelled and done at once')
async def races(tell_):
    for first, second in [(0, 1), (1, 0)]:
        future = tell_.loop.create_future()
        task = asyncio.ensure_future(tell_.aio.wait_for(future, 60))
        await tell_.turns()
        steps = [lambda future=future: future.done() or future.set_result(7), task.cancel]
        steps[first]()
        steps[second]()
        await tell_.attempt(task)
        tell_(task.cancelling(), repr(future.cancelled()))


@case('what is awaited raises as it is cancelled')
async def raises_late(tell_):
    async def fails():
        try:
            await forever()
        finally:
            raise ValueError('late')

    for timeout in [0, 1e-9]:
        await tell_.attempt(tell_.aio.wait_for(fails(), timeout))
        tell_.task()


@case('the deadline passes while an exception is handled')
async def handled(tell_):
    try:
        raise KeyError('outer')
    except KeyError:
        await tell_.attempt(tell_.aio.wait_for(forever(), 1e-9))


@case('within another timeout')
async def nested(tell_):
    async def outer():
        async with tell_.aio.timeout(1e-9):
            await tell_.aio.wait_for(forever(), 60)

    await tell_.attempt(outer())
    await tell_.attempt(tell_.aio.wait_for(tell_.aio.wait_for(forever(), 1e-9), 60))
    await tell_.attempt(tell_.aio.wait_for(tell_.aio.wait_for(forever(), 60), 1e-9))
    tell_.task()


@case('awaited by two')
async def two(tell_):
    coroutine = late()
    first = asyncio.ensure_future(tell_.aio.wait_for(coroutine, 60))
    await asyncio.sleep(0)
    if not BEFORE_312:
        await tell_.attempt(tell_.aio.wait_for(coroutine, 60))
    await tell_.attempt(first)


@case('awaitables whose iterators are odd')
async def odd(tell_):
    class Plain:
        """Neither throw() nor close() nor send()."""

        def __iter__(self):
            return self

        def __next__(self):
            return None

    async def plain():
        return await tell_.aio.wait_for(Awaitable(Plain()), 60)

    for wrong in [3, None, [1]]:
        try:
            await tell_.aio.wait_for(Awaitable(wrong), 60)
        except TypeError as error:
            tell_(str(error))
    task = asyncio.ensure_future(plain())
    await tell_.turns()
    task.cancel('stop')
    await tell_.attempt(task)


@case('a future of another loop')
async def other_loop(tell_):
    other = asyncio.SelectorEventLoop()
    future = other.create_future()
    try:
        await tell_.aio.wait_for(future, 60)
    except (RuntimeError, ValueError) as error:
        tell_(type(error), str(error).startswith(('Task <Task', 'The future belongs')))
    other.close()


@case('a delay that compares as it likes')
async def delays(tell_):
    class Delay(float):
        def __le__(self, other):
            tell_('asked')
            return super().__le__(other)

    await tell_.attempt(tell_.aio.wait_for(late(), Delay(60)))
    await tell_.attempt(tell_.aio.wait_for(forever(), Delay(-1)))
    for wrong in ['x', [], 1j]:
        coroutine = late()
        await tell_.attempt(tell_.aio.wait_for(coroutine, wrong))
        coroutine.close()


@case('cancelled again while what was cancelled goes on')
async def cancelled_again(tell_):
    async def slow():
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            tell_('cleaned up')
            raise

    for timeout in [60, 1e-9, 0]:
        for turns in range(6):
            task = asyncio.ensure_future(tell_.aio.wait_for(slow(), timeout))
            await tell_.turns(1)
            task.cancel('first')
            await tell_.turns(turns)
            tell_(task.cancel('second'))
            await tell_.attempt(task)
            tell_(task.cancelling())
            await tell_.turns(5)


@case('a future that refuses')
async def refusing(tell_):
    class Refusing(asyncio.Future):
        def cancel(self, msg=None):
            raise KeyError('cancel')

    class Clinging(asyncio.Future):
        def remove_done_callback(self, callback):
            raise IndexError('remove')

    for kind in [Refusing, Clinging]:
        for timeout in [60, 1e-9, 0]:
            if kind is Refusing and timeout == 1e-9 and not BEFORE_312:
                continue  # its task waits for ever: it is not cancelled
            future = kind(loop=tell_.loop)
            task = asyncio.ensure_future(tell_.aio.wait_for(future, timeout))
            await tell_.turns(1)
            if timeout == 60:
                try:
                    task.cancel('why')
                except KeyError as error:
                    tell_(str(error))
                    future.set_result(1)
            await tell_.attempt(task)


@case('closed while it waits')
async def closed(tell_):
    for timeout in [None, 60]:
        future = tell_.loop.create_future()
        coroutine = tell_.aio.wait_for(future, timeout)
        coroutine.send(None)
        tell_(plain(repr(future)))
        tell_(coroutine.close(), plain(repr(future)))
    for error in [asyncio.CancelledError, ValueError]:
        future = tell_.loop.create_future()
        coroutine = tell_.aio.wait_for(future, 60)
        coroutine.send(None)
        await tell_.attempt(throw(coroutine, error('thrown')))
        tell_(plain(repr(future)))
        coroutine.close()


async def throw(coroutine, error):
    return coroutine.throw(error) is not None


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_same_as_stock(aio, loop, scenario):
    check(aio, loop, SCENARIOS[scenario])


class TestCoroutine:
    def test_function(self, aio):
        assert inspect.iscoroutinefunction(aio.wait_for)
        assert list(inspect.signature(aio.wait_for).parameters) == ['fut', 'timeout']
        assert aio.wait_for.__name__ == aio.wait_for.__qualname__ == 'wait_for'

    async def test_nothing_happens_before_it_is_awaited(self, aio):
        inner = answer()
        coroutine = aio.wait_for(inner, 60)
        assert asyncio.iscoroutine(coroutine)
        assert inspect.getcoroutinestate(inner) == 'CORO_CREATED'
        assert await coroutine == 1
        with pytest.raises(RuntimeError, match='cannot reuse already awaited coroutine'):
            await coroutine

    async def test_never_awaited(self, aio):
        inner = answer()
        with pytest.warns(RuntimeWarning, match="coroutine 'wait_for' was never awaited"):
            aio.wait_for(inner, 60)
            gc.collect()
        inner.close()

    def test_stepped_by_hand(self, aio, loop):
        sent = []

        @types.coroutine
        def talks():
            try:
                sent.append((yield 'first'))
            except KeyError:
                sent.append('thrown')
            try:
                yield 'second'
            except GeneratorExit:
                sent.append('closed')
                raise

        async def inner():
            await talks()

        async def main():
            coroutine = aio.wait_for(inner(), 60)
            assert coroutine.send(None) == 'first'
            assert coroutine.throw(KeyError('x')) == 'second'
            coroutine.close()
            coroutine = aio.wait_for(inner(), 60)
            assert coroutine.send(None) == 'first'
            assert coroutine.send('hello') == 'second'
            with pytest.raises(StopIteration):
                coroutine.send(None)

        if BEFORE_312:
            pytest.skip('it makes a task of a coroutine')
        loop.run_until_complete(main())
        assert sent == ['thrown', 'closed', 'hello']

    def test_closed_while_inner_refuses_to(self, aio, loop):
        @types.coroutine
        def refuses():
            while True:
                try:
                    yield
                except GeneratorExit:
                    if asked:
                        raise
                    asked.append(1)

        async def inner():
            await refuses()

        async def main():
            coroutine = aio.wait_for(inner(), 60)
            coroutine.send(None)
            with pytest.raises(RuntimeError, match=r'(coroutine|generator) ignored GeneratorExit'):
                coroutine.close()
            inner_error.append(1)

        asked, inner_error = [], []
        if BEFORE_312:
            pytest.skip('it makes a task of a coroutine')
        loop.run_until_complete(main())
        assert inner_error == [1]

    def test_outside_a_loop(self, aio):
        inner = answer()
        coroutine = aio.wait_for(inner, 60)
        with pytest.raises(RuntimeError, match='no running event loop'):
            coroutine.send(None)
        inner.close()

    def test_outside_a_task(self, aio, loop):
        if BEFORE_312:
            pytest.skip('it needs no task')
        seen = []

        def callback():
            done = loop.create_future()
            done.set_result(1)
            for what in [done, loop.create_future()]:
                for timeout in [None, 60]:
                    try:
                        aio.wait_for(what, timeout).send(None)
                    except RuntimeError as error:
                        seen.append(str(error))

        loop.call_soon(callback)
        support.run_once(loop)
        assert seen == ['Timeout should be used inside a task'] * 4

    def test_forgotten_while_it_waits(self, aio, loop):
        async def main():
            future = loop.create_future()
            waiting = aio.wait_for(future, 60)
            waiting.send(None)

        loop.run_until_complete(main())
        gc.collect()

    async def test_debug(self, aio, loop):
        loop.set_debug(True)
        assert await aio.wait_for(late(), 60) == 1
        with pytest.raises(TimeoutError):
            await aio.wait_for(forever(), 1e-9)
        loop.set_debug(False)


def test_a_future_that_was_yielded_to_nobody(aio, loop):
    async def main():
        future = loop.create_future()
        left = aio.wait_for(future, None)
        assert left.send(None) is future
        left.close()
        with pytest.raises(RuntimeError, match=r"^await wasn't used with future$"):
            await aio.wait_for(future, None)
        future._asyncio_future_blocking = False
        loop.call_soon(future.set_result, 1)
        return await aio.wait_for(future, None)

    assert loop.run_until_complete(main()) == 1
