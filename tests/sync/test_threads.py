"""wrap_future(), run_coroutine_threadsafe() and to_thread(): futures between threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import re
import sys
import threading
import traceback
import warnings

import pytest
from sync import same
from sync.same import plain

THREADS = 4
CALLS = 200


def elsewhere(function, *args):
    """Call it in another thread, and wait for that to end."""
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def raised(error):
    """The error, with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def frames(error):
    """The functions of its traceback; a coroutine in C has no frame."""
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return [name for name in names if name not in ('to_thread', 'run')]


def beside(t):
    """Another loop of the same kind, which nobody runs yet."""
    return type(t.loop)()


def callbacks(future):
    """What is to be called when it is done, as it shows."""
    if isinstance(future, concurrent.futures.Future):
        return [callback.__qualname__ for callback in future._done_callbacks]
    return re.sub(r'Task-\d+', 'Task', plain(repr(future)))


def ready(loop):
    shown = [plain(repr(handle)) for handle in loop._ready]
    return [handle for handle in shown if '_read_from_self' not in handle]


ERRORS = [
    KeyError('k'),
    concurrent.futures.CancelledError('c'),
    concurrent.futures.TimeoutError('t'),
    concurrent.futures.InvalidStateError('i', 2),
    asyncio.CancelledError('a'),
    StopIteration(3),
    SystemExit(4),
    KeyboardInterrupt('k'),
    ExceptionGroup('g', [KeyError()]),
]


# ------------------------------------------------------------------ wrap_future


@pytest.mark.parametrize('early', [True, False])
def test_a_result_goes_through(aio, loop, early):
    async def scenario(t):
        source = concurrent.futures.Future()
        if early:
            source.set_result([1])
        wrapper = t.aio.wrap_future(source)
        t(isinstance(wrapper, asyncio.Future), wrapper.get_loop() is t.loop, wrapper.done())
        if not early:
            elsewhere(source.set_result, [1])
            t(wrapper.done())
        t(await wrapper, callbacks(source))

    same.check(aio, loop, scenario)


@pytest.mark.parametrize('number', range(len(ERRORS)))
def test_an_exception_goes_through(aio, loop, number):
    async def scenario(t):
        error = raised(type(ERRORS[number])(*ERRORS[number].args))
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source)
        elsewhere(source.set_exception, error)
        await t.turns()
        t(wrapper.done(), same.tell(wrapper.done() and wrapper.exception()))
        if wrapper.done():
            found = wrapper.exception()
            t(found is error, frames(found))
            try:
                await wrapper
            except BaseException as caught:
                t(caught is found, frames(caught))

    same.check(aio, loop, scenario)


def test_a_cancelled_source_cancels(aio, loop):
    async def scenario(t):
        for cancel in (lambda source: source.cancel(), lambda source: elsewhere(source.cancel)):
            source = concurrent.futures.Future()
            wrapper = t.aio.wrap_future(source)
            cancel(source)
            t(wrapper.cancelled())
            await t.attempt(wrapper)
            t(wrapper.cancelled(), callbacks(source))

    same.check(aio, loop, scenario)


def test_cancelling_reaches_the_source(aio, loop):
    async def scenario(t):
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source)
        wrapper.cancel('message')
        t(source.cancelled())
        await t.turns(1)
        t(source.cancelled())
        await t.attempt(wrapper)
        running = concurrent.futures.Future()
        running.set_running_or_notify_cancel()
        wrapper = t.aio.wrap_future(running)
        wrapper.cancel()
        await t.turns(2)
        t(running.cancelled(), running.running())
        elsewhere(running.set_result, 1)
        await t.turns()

    same.check(aio, loop, scenario)


def test_a_wrapper_that_is_done_before(aio, loop):
    async def scenario(t):
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source)
        wrapper.set_result(1)
        elsewhere(source.set_result, 2)
        await t.turns()
        t(await wrapper)

    same.check(aio, loop, scenario)


def test_a_loops_future_is_given_back(aio, loop):
    async def scenario(t):
        for future in (t.loop.create_future(), asyncio.Future(), asyncio.Task(asyncio.sleep(0))):
            t(t.aio.wrap_future(future) is future)
            t(t.aio.wrap_future(future, loop=t.loop) is future)
            if isinstance(future, asyncio.Task):
                await future

    same.check(aio, loop, scenario)


def test_of_another_loop(aio, loop):
    async def scenario(t):
        other = beside(t)
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source, loop=other)
        t(wrapper.get_loop() is other, callbacks(wrapper), callbacks(source))
        source.set_result(1)
        t(wrapper.done(), ready(other))
        elsewhere(other.run_until_complete, wrapper)
        t(wrapper.result())
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source, loop=other)
        wrapper.cancel()
        t(ready(other), source.cancelled())
        elsewhere(other.run_until_complete, asyncio.wait([wrapper]))
        t(source.cancelled())
        other.close()

    same.check(aio, loop, scenario)


def test_of_a_loop_that_is_closed(aio, loop):
    async def scenario(t):
        for cancels in (False, True):
            other = beside(t)
            source, late = concurrent.futures.Future(), concurrent.futures.Future()
            wrapper = t.aio.wrap_future(source, loop=other)
            if cancels:
                wrapper.cancel()
            other.close()
            elsewhere(source.set_result, 1)
            t(wrapper.done(), callbacks(source))
            t(callbacks(t.aio.wrap_future(late, loop=other)))

    same.check(aio, loop, scenario)


def test_the_running_loop_is_asked_for(aio, loop):
    source = concurrent.futures.Future()

    async def scenario(t):
        t(t.aio.wrap_future(source).get_loop() is t.loop)
        t(t.aio.wrap_future(source, loop=None).get_loop() is t.loop)
        t(t.aio.wrap_future(future=source, loop=t.loop).get_loop() is t.loop)

    same.check(aio, loop, scenario)
    asyncio.set_event_loop(loop)
    try:
        assert aio.wrap_future(source).get_loop() is loop
    finally:
        asyncio.set_event_loop(None)


def test_reprs(aio, loop):
    async def scenario(t):
        other = beside(t)
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source, loop=other)
        t(callbacks(wrapper), callbacks(source))
        source.set_result(1)
        t(ready(other))
        elsewhere(other.run_until_complete, wrapper)
        future = t.aio.run_coroutine_threadsafe(asyncio.sleep(0), other)
        t(ready(other), callbacks(future))
        other.call_soon(other.stop)
        elsewhere(other.run_forever)
        t([callbacks(task) for task in asyncio.all_tasks(other)], callbacks(future))
        for task in asyncio.all_tasks(other):
            elsewhere(other.run_until_complete, task)
        other.close()

    same.check(aio, loop, scenario)


def test_slow_callbacks_in_debug_mode(aio, loop, caplog):
    """They tell where asyncio's own functions are. A future of ours is made in another line."""

    def shown(message):
        without_arguments = re.sub(r'\(<Future .*>\) at', '() at', plain(message))
        return without_arguments.split(' took')[0]

    async def scenario(t):
        other = beside(t)
        other.set_debug(True)
        other.slow_callback_duration = 0.0
        source = concurrent.futures.Future()
        wrapper = t.aio.wrap_future(source, loop=other)
        source.set_result(1)
        caplog.clear()
        with caplog.at_level('WARNING', 'asyncio'):
            elsewhere(other.run_until_complete, wrapper)
        told = [shown(record.message) for record in caplog.records]
        t(*(message for message in told if '_read_from_self' not in message))
        other.close()

    same.check(aio, loop, scenario)


@pytest.mark.parametrize('method', ['done', 'cancelled', 'exception', 'result', '_get_snapshot'])
def test_methods_that_somebody_has_replaced_are_asked(aio, loop, method, monkeypatch):
    original = getattr(concurrent.futures.Future, method, None)
    if original is None:
        pytest.skip('not in this version')
    asked = []

    def replaced(self):
        asked.append(method)
        return original(self)

    async def scenario(t):
        for patches in (True, False, True):
            if patches:
                monkeypatch.setattr(concurrent.futures.Future, method, replaced)
            source = concurrent.futures.Future()
            wrapper = t.aio.wrap_future(source)
            elsewhere(source.set_result, 1)
            t(await wrapper, asked.copy())
            asked.clear()
            monkeypatch.undo()

    same.check(aio, loop, scenario)


def test_subclasses_are_asked(aio, loop):
    async def scenario(t):
        class Source(concurrent.futures.Future):
            def result(self, timeout=None):
                t('result')
                return super().result(timeout)

            def cancel(self):
                t('cancel')
                return super().cancel()

            def add_done_callback(self, fn):
                t('add_done_callback', fn.__qualname__)
                super().add_done_callback(fn)

        class Wrapper(asyncio.Future):
            def set_result(self, result):
                t('set_result', result)
                super().set_result(result)

            def cancelled(self):
                t('cancelled')
                return super().cancelled()

        class Other(type(t.loop)):
            def create_future(self):
                return Wrapper(loop=self)

            def call_soon_threadsafe(self, callback, *args, context=None):
                t('call_soon_threadsafe', callback.__qualname__, len(args))
                return super().call_soon_threadsafe(callback, *args, context=context)

            def is_closed(self):
                if self.is_telling:
                    t('is_closed')
                return super().is_closed()

        for make in (Source, concurrent.futures.Future):
            other = Other()
            other.is_telling = True
            source = make()
            wrapper = t.aio.wrap_future(source, loop=other)
            t('is', type(wrapper).__name__)
            source.set_result(1)
            other.is_telling = False
            elsewhere(other.run_until_complete, wrapper)
            other.is_telling = True
            source = make()
            wrapper = t.aio.wrap_future(source, loop=other)
            wrapper.cancel()
            other.is_telling = False  # its own methods ask, each in their way
            elsewhere(other.run_until_complete, asyncio.wait([wrapper]))
            other.close()

    same.check(aio, loop, scenario)


def test_an_instance_that_schedules_its_own_way(aio, loop):
    async def scenario(t):
        other = beside(t)
        schedule = other.call_soon_threadsafe

        def call_soon_threadsafe(callback, *args):
            t(callback.__qualname__, len(args))
            return schedule(callback, *args)

        for _ in range(2):
            other.call_soon_threadsafe = call_soon_threadsafe
            source = concurrent.futures.Future()
            wrapper = t.aio.wrap_future(source, loop=other)
            source.set_result(1)
            elsewhere(other.run_until_complete, wrapper)
            del other.call_soon_threadsafe
        other.close()

    same.check(aio, loop, scenario)


def test_what_is_no_future_is_refused(aio, loop):
    async def scenario(t):
        chain = t.aio.futures._chain_future
        future, source = t.loop.create_future(), concurrent.futures.Future()
        calls = [
            lambda: t.aio.wrap_future(3),
            lambda: t.aio.wrap_future(),
            lambda: t.aio.wrap_future(source, t.loop),
            lambda: t.aio.wrap_future(source, loop=3),
            lambda: chain(3, future),
            lambda: chain(source, 3),
            lambda: chain(source),
            lambda: t.aio.run_coroutine_threadsafe(3, t.loop),
            lambda: t.aio.run_coroutine_threadsafe(future, t.loop),
            lambda: t.aio.run_coroutine_threadsafe(future),
            lambda: t.aio.to_thread(),
            lambda: t.aio.to_thread(func=3),
        ]
        for call in calls:
            try:
                call()
            except Exception as error:
                t(same.tell(error))

    same.check(aio, loop, scenario)


@pytest.mark.parametrize('kind', ['loop', 'other loop', 'concurrent'])
def test_chains_of_all_kinds(aio, loop, kind):
    """_chain_future() itself, which libraries call."""

    async def scenario(t):
        other = beside(t)
        for each in (t.loop, other):  # 3.15's refuses the futures of loops, by their types
            each.set_exception_handler(lambda _, context: t(type(context['exception']).__name__))
        makes = {
            'loop': t.loop.create_future,
            'other loop': other.create_future,
            'concurrent': concurrent.futures.Future,
        }
        for how in (
            lambda source, destination: source.set_result(1),
            lambda source, destination: source.set_exception(KeyError(1)),
            lambda source, destination: source.cancel(),
            lambda source, destination: destination.cancel(),
        ):
            for name, make in makes.items():
                source, destination = makes[kind](), make()
                t(kind, name, t.aio.futures._chain_future(source, destination))
                how(source, destination)
                await t.turns()
                other.call_soon(other.stop)
                elsewhere(other.run_forever)
                await t.turns()
                for future in (source, destination):
                    t(future.done(), future.cancelled(), callbacks(future))
                    if future.done() and not future.cancelled():
                        t(same.tell(future.exception()))
        other.close()

    same.check(aio, loop, scenario)


def test_a_chain_is_no_cycle(aio, loop):
    """What is done is freed without the collector."""

    async def main():
        for outcome in ('result', 'exception', 'cancel'):
            source = concurrent.futures.Future()
            wrapper = aio.wrap_future(source)
            if outcome == 'cancel':
                source.cancel()
            else:
                error = KeyError() if outcome == 'exception' else 1
                elsewhere(getattr(source, f'set_{outcome}'), error)
            await asyncio.wait([wrapper])
            if outcome == 'exception':
                wrapper.exception()
            held = sys.getrefcount(source)
            del wrapper
            assert len([o for o in gc.get_referrers(source) if type(o) is tuple]) == 0
            assert sys.getrefcount(source) == held

    gc.collect()
    gc.disable()
    try:
        loop.run_until_complete(main())
        assert not [
            o for o in gc.get_objects() if type(o) is concurrent.futures.Future and o.done()
        ]
    finally:
        gc.enable()


def test_threads_hammering(aio, loop):
    """Each result goes to its own wrapper, whoever sets it and when."""

    def work(sources):
        for number, source in sources:
            if source.set_running_or_notify_cancel():
                source.set_result(number)

    async def main():
        wrappers, shares = [], [[] for _ in range(THREADS)]
        for number in range(CALLS):
            source = concurrent.futures.Future()
            wrappers.append(aio.wrap_future(source))
            shares[number % THREADS].append((number, source))
        threads = [threading.Thread(target=work, args=(share,)) for share in shares]
        for thread in threads:
            thread.start()
        for wrapper in wrappers[::7]:
            wrapper.cancel()
        results = await asyncio.gather(*wrappers, return_exceptions=True)
        for thread in threads:
            thread.join()
        return results

    for number, result in enumerate(loop.run_until_complete(main())):
        assert result == number or isinstance(result, asyncio.CancelledError)
        assert (number % 7 == 0) or result == number


# ------------------------------------------------------------------ run_coroutine_threadsafe


async def answer(value=None, turns=1):
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


async def fail(error):
    await asyncio.sleep(0)
    raise error


def outcome(future):
    """How a concurrent future ended."""
    try:
        return 'returned', future.result(30)
    except BaseException as error:
        return 'raised', same.tell(error), [n for n in frames(error) if n in ('fail', 'outcome')]


async def until_done(future):
    while not future.done():
        await asyncio.sleep(0)


def test_a_coroutine_of_another_thread(aio, loop):
    async def scenario(t):
        for make in (
            answer,
            lambda: answer(1, 0),
            lambda: fail(KeyError('k')),
            lambda: fail(asyncio.CancelledError('c')),
            lambda: fail(asyncio.InvalidStateError('i')),
            lambda: fail(StopAsyncIteration(1)),
        ):
            found = []

            def submit(make=make, found=found):
                found.append(t.aio.run_coroutine_threadsafe(make(), t.loop))

            elsewhere(submit)
            t(type(found[0]).__name__, found[0].done())
            await until_done(found[0])
            t(*outcome(found[0]))

    same.check(aio, loop, scenario)


def test_it_is_waited_for_in_the_other_thread(aio, loop):
    told = []

    def other():
        for number in range(20):
            told.append(aio.run_coroutine_threadsafe(answer(number), loop).result(30))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other)
    thread.start()
    loop.run_forever()
    thread.join()
    assert told == list(range(20))


def test_cancelling_from_both_sides(aio, loop):
    async def scenario(t):
        future = t.aio.run_coroutine_threadsafe(answer(1, 100), t.loop)
        await t.turns(2)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()} - set(t.kept)
        elsewhere(future.cancel)
        await t.turns()
        t(task.cancelled(), future.cancelled())
        future = t.aio.run_coroutine_threadsafe(answer(1, 100), t.loop)
        await t.turns(2)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()} - set(t.kept)
        task.cancel()
        await t.turns()
        t(task.cancelled(), future.cancelled(), callbacks(future), ready(t.loop))
        future = t.aio.run_coroutine_threadsafe(answer(1, 0), t.loop)
        future.cancel()
        await t.turns()
        t(*outcome(future))

    def with_others(t):
        t.kept = asyncio.all_tasks()
        return scenario(t)

    same.check(aio, loop, with_others)


@pytest.mark.parametrize('error', [KeyError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_task_that_cannot_be_made(aio, loop, error):
    async def scenario(t):
        def factory(loop, coro, **kwargs):
            coro.close()
            raise error('no task')

        t.loop.set_task_factory(factory)
        future = t.aio.run_coroutine_threadsafe(answer(), t.loop)
        try:
            await t.turns()
        finally:
            t.loop.set_task_factory(None)
        t(future.done())
        t(*outcome(future) if future.done() else ())

    same.check(aio, loop, scenario)


def test_a_task_that_cannot_be_made_for_who_has_cancelled(aio, loop):
    async def scenario(t):
        def factory(loop, coro, **kwargs):
            coro.close()
            raise KeyError('no task')

        t.loop.set_task_factory(factory)
        future = t.aio.run_coroutine_threadsafe(answer(), t.loop)
        future.cancel()
        again = t.aio.run_coroutine_threadsafe(answer(), t.loop)
        again.set_running_or_notify_cancel()
        await t.turns()
        t.loop.set_task_factory(None)
        t(future.cancelled(), again.running())

    same.check(aio, loop, scenario)


def test_a_coroutine_for_a_closed_loop(aio, loop):
    async def scenario(t):
        other = beside(t)
        other.close()
        coroutine = answer()
        try:
            t.aio.run_coroutine_threadsafe(coroutine, other)
        except RuntimeError as error:
            t(same.tell(error))
        t(inspect.getcoroutinestate(coroutine))
        coroutine.close()

    same.check(aio, loop, scenario)


def test_a_loop_that_ends_before(aio, loop):
    async def scenario(t):
        other = beside(t)
        futures = [t.aio.run_coroutine_threadsafe(answer(), other) for _ in range(2)]
        other.call_soon(other.stop)
        elsewhere(other.run_forever)
        tasks = asyncio.all_tasks(other)
        for task in tasks:
            task.cancel()
        elsewhere(other.run_until_complete, asyncio.wait(tasks))
        t(*(future.cancelled() for future in futures))
        other.close()

    same.check(aio, loop, scenario)


# ------------------------------------------------------------------ to_thread

variable = contextvars.ContextVar('variable', default='unset')


def test_a_call_in_a_thread(aio, loop):
    def call(*args, **kwargs):
        variable.set('set there')
        thread = threading.current_thread()
        return args, kwargs, thread is threading.main_thread(), thread.name.split('_')[0]

    async def scenario(t):
        variable.set('set here')
        t(await t.aio.to_thread(call))
        t(await t.aio.to_thread(call, 1, 2, a=3, func=4, self=5))
        t(await t.aio.to_thread(variable.get), variable.get())
        await t.attempt(t.aio.to_thread(3))
        await t.attempt(t.aio.to_thread(call, loop=1))
        await t.loop.shutdown_default_executor()
        await t.attempt(t.aio.to_thread(call))

    same.check(aio, loop, scenario)


def test_an_error_in_a_thread(aio, loop):
    def inner(error):
        raise error

    async def scenario(t):
        for error in (KeyError(1), SystemExit(2), asyncio.CancelledError(3)):
            try:
                await t.aio.to_thread(inner, type(error)(*error.args))
            except BaseException as caught:
                t(same.tell(caught), frames(caught))
        await t.loop.shutdown_default_executor()

    same.check(aio, loop, scenario)


def test_cancelling_who_waits_for_a_thread(aio, loop):
    async def scenario(t):
        go, started = threading.Event(), threading.Event()
        task = t.loop.create_task(t.aio.to_thread(lambda: (started.set(), go.wait())))
        await t.aio.to_thread(started.wait)
        task.cancel('message')
        await t.attempt(task)
        go.set()
        await t.loop.shutdown_default_executor()

    same.check(aio, loop, scenario)


def test_loops_that_run_it_their_own_way(aio, loop):
    async def scenario(t):
        class Other(type(t.loop)):
            def run_in_executor(self, executor, func, *args):
                t(executor, type(func).__name__, len(func.args), args)
                return answers.pop(0)(self, func)

        async def later(self, func):
            return func()

        def done(self, func):
            future = self.create_future()
            future.set_result(func())
            return future

        def foreign(self, func):
            future = asyncio.Future(loop=self)
            self.call_soon(future.set_result, func())
            return future

        def failed(self, func):
            future = self.create_future()
            future.set_exception(KeyError(1))
            return future

        answers = [later, done, foreign, failed, lambda self, func: 3, lambda self, func: 1 / 0]
        other = Other()
        for _ in range(len(answers)):
            told = []

            async def main(told=told):
                try:
                    told.append(await t.aio.to_thread(answer_now))
                except Exception as error:
                    told.append(same.tell(error))

            elsewhere(other.run_until_complete, main())
            t(*told)
        other.close()

    def answer_now():
        return 'now'

    same.check(aio, loop, scenario)


@pytest.mark.parametrize('end', ['close', 'del', 'throw', 'exit'])
@pytest.mark.parametrize('error', [None, KeyError])
async def test_what_it_awaits_is_closed_with_it(aio, loop, monkeypatch, end, error):
    """The loop's awaitable may be of any kind: it hears of each end as from `await`."""

    class Awaited:
        def __await__(self):
            return self

        __iter__ = __await__

        def __next__(self):
            told.append('next')

        def close(self):
            told.append('close')
            if error:
                raise error(1)

        def throw(self, thrown):
            told.append('throw')
            raise thrown

    told, unraisable = [], []
    monkeypatch.setattr(loop, 'run_in_executor', lambda *args: Awaited(), raising=False)
    monkeypatch.setattr(sys, 'unraisablehook', lambda info: unraisable.append(info.exc_type))
    coroutine = aio.to_thread(int)
    coroutine.send(None)
    caught = None
    try:
        if end == 'close':
            coroutine.close()
        elif end != 'del':
            coroutine.throw(ValueError(2) if end == 'throw' else GeneratorExit())
    except BaseException as raised:
        caught = type(raised)
    del coroutine
    gc.collect()
    assert told == ['next', 'throw' if end == 'throw' else 'close']
    expected = ValueError if end == 'throw' else GeneratorExit if end == 'exit' else None
    if error and end in ('close', 'exit'):
        expected = error
    assert caught is expected
    assert unraisable == ([error] if error and end == 'del' else [])


async def test_it_begins_when_it_is_awaited(aio, loop):
    called = []
    coroutine = aio.to_thread(called.append, 1)
    await asyncio.sleep(0)
    assert called == []
    with pytest.warns(RuntimeWarning, match="coroutine 'to_thread' was never awaited"):
        del coroutine
        gc.collect()
    coroutine = aio.to_thread(called.append, 2)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        coroutine.close()
    assert called == []
    await aio.to_thread(called.append, 3)
    assert called == [3]
    await loop.shutdown_default_executor()
