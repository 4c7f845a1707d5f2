"""run_in_executor and to_thread: results, exceptions and cancelling, by threads and processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import re
import sys
import threading
import time
import traceback

import pytest
import support

pytestmark = pytest.mark.pollers


class TestThreads:
    def test_result(self, loop):
        async def main():
            return await loop.run_in_executor(None, pow, 2, 10)

        assert loop.run_until_complete(main()) == 1024

    def test_runs_elsewhere(self, loop):
        async def main():
            return await loop.run_in_executor(None, threading.current_thread)

        thread = loop.run_until_complete(main())
        assert thread is not threading.current_thread()
        assert thread.name.startswith('asyncio_')

    def test_exception(self, loop):
        def fails():
            raise KeyError('k')

        async def main():
            with pytest.raises(KeyError, match=r'k') as caught:
                await loop.run_in_executor(None, fails)
            caught.value.__traceback__ = None

        loop.run_until_complete(main())

    def test_many_at_once(self, loop):
        async def main():
            return await asyncio.gather(
                *(loop.run_in_executor(None, int, number) for number in range(500))
            )

        assert loop.run_until_complete(main()) == list(range(500))

    def test_wakes_a_sleeping_loop(self, loop):
        async def main():
            go = threading.Event()
            waiting = loop.run_in_executor(None, go.wait)
            # The loop is about to sleep when the thread goes on.
            threading.Timer(0.005, go.set).start()
            return await waiting

        assert loop.run_until_complete(main()) is True

    def test_own_executor(self, loop):
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='own') as pool:

            async def main():
                return await loop.run_in_executor(pool, threading.current_thread)

            assert loop.run_until_complete(main()).name.startswith('own')

    def test_cancel_before_it_starts(self, loop):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            go, ran = threading.Event(), []

            async def main():
                blocker = loop.run_in_executor(pool, go.wait)
                second = loop.run_in_executor(pool, ran.append, 1)
                second.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await second
                # The executor hears of it in the next iteration.
                await asyncio.sleep(0)
                go.set()
                await blocker

            loop.run_until_complete(main())
        assert ran == []

    def test_cancel_while_it_runs(self, loop):
        go, started = threading.Event(), threading.Event()

        def work():
            started.set()
            go.wait()
            return 'nobody waits for it'

        async def main():
            running = loop.run_in_executor(None, work)
            await loop.run_in_executor(None, started.wait)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            go.set()

        loop.run_until_complete(main())

    def test_finishes_after_the_loop_is_closed(self, impl):
        go = threading.Event()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        loop = impl.new_event_loop()

        async def main():
            loop.run_in_executor(pool, go.wait)

        loop.run_until_complete(main())
        loop.close()
        go.set()
        pool.shutdown()

    def test_shutdown_default_executor(self, loop):
        async def main():
            await loop.run_in_executor(None, int)
            await loop.shutdown_default_executor()
            with pytest.raises(RuntimeError, match=r'^Executor shutdown has been called$'):
                loop.run_in_executor(None, int)

        loop.run_until_complete(main())

    def test_default_executor_must_be_of_threads(self, loop):
        with pytest.raises(TypeError, match=r'^executor must be ThreadPoolExecutor instance$'):
            loop.set_default_executor(object())

    def test_getaddrinfo(self, loop):
        async def main():
            return await loop.getaddrinfo('127.0.0.1', 80)

        assert loop.run_until_complete(main())


class Now(concurrent.futures.Executor):
    """Calls at once, in the thread of who submits; submit() returns what make_future() makes."""

    def __init__(self, make_future=concurrent.futures.Future):
        self.make_future = make_future

    def submit(self, fn, /, *args, **kwargs):
        future = self.make_future()
        if hasattr(future, 'set_result'):
            future.set_result(fn(*args, **kwargs))
        return future


class TestTheCall:
    """What asyncio's own method does before and after the executor's submit()."""

    def test_wrong_arguments(self, loop):
        for args in ((), (None,)):
            with pytest.raises(TypeError, match=r'run_in_executor\(\) missing'):
                loop.run_in_executor(*args)
        with pytest.raises(TypeError, match='unexpected keyword'):
            loop.run_in_executor(None, int, base=2)

    def test_arguments_by_name(self, loop):
        async def main():
            return await loop.run_in_executor(executor=None, func=int)

        assert loop.run_until_complete(main()) == 0

    def test_closed_loop(self, impl):
        loop = impl.new_event_loop()
        loop.close()
        for executor in (None, Now()):
            with pytest.raises(RuntimeError, match=r'^Event loop is closed$'):
                loop.run_in_executor(executor, int)

    def test_debug_mode_checks_the_function(self, loop):
        async def coroutine_function():
            pass

        loop.set_debug(True)
        with pytest.raises(TypeError, match=r'^coroutines cannot be used with run_in_executor\(\)'):
            loop.run_in_executor(None, coroutine_function)
        with pytest.raises(TypeError, match='a callable object was expected by run_in_executor'):
            loop.run_in_executor(None, 3)
        assert loop.run_until_complete(loop.run_in_executor(None, int)) == 0

    def test_many_arguments(self, loop):
        for count in (0, 1, 5, 6, 7, 30):
            args = tuple(range(count))
            future = loop.run_in_executor(Now(), lambda *args: args, *args)
            assert loop.run_until_complete(future) == args

    @pytest.mark.parametrize('executor', [3, object()])
    def test_what_is_no_executor(self, loop, executor):
        with pytest.raises(AttributeError, match='submit'):
            loop.run_in_executor(executor, int)

    def test_submit_may_fail(self, loop):
        class Full(Now):
            def submit(self, fn, /, *args, **kwargs):
                raise KeyError('full')

        with pytest.raises(KeyError, match='full'):
            loop.run_in_executor(Full(), int)

    def test_submit_may_give_a_future_of_the_loop(self, loop):
        future = loop.run_in_executor(Now(loop.create_future), int)
        assert isinstance(future, asyncio.Future)
        assert loop.run_until_complete(future) == 0

    def test_submit_may_not_give_anything_else(self, loop):
        with pytest.raises(AssertionError, match=r'^concurrent.futures.Future is expected, got 3$'):
            loop.run_in_executor(Now(lambda: 3), int)

    def test_a_future_that_is_done_already(self, loop):
        future = loop.run_in_executor(Now(), int)
        assert isinstance(future, asyncio.Future)
        assert loop.run_until_complete(future) == 0

    def test_subclasses_of_the_loop_are_asked(self, impl):
        told = []

        class Loop(impl.EventLoop):
            def _check_default_executor(self):
                told.append('check')
                super()._check_default_executor()

            def create_future(self):
                told.append('create_future')
                return super().create_future()

            def call_soon_threadsafe(self, callback, *args, context=None):
                told.append((callback.__qualname__, len(args)))
                return super().call_soon_threadsafe(callback, *args, context=context)

        loop = Loop()
        for _ in range(2):
            assert loop.run_until_complete(loop.run_in_executor(None, int)) == 0
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        once = ['check', 'create_future', ('_chain_future.<locals>._set_state', 2)]
        assert told[:6] == once * 2

    def test_a_submit_that_somebody_has_replaced_is_called(self, loop, monkeypatch):
        original = concurrent.futures.ThreadPoolExecutor.submit
        told = []

        def submit(self, fn, /, *args, **kwargs):
            told.append((fn, args))
            return original(self, fn, *args, **kwargs)

        def run():
            return loop.run_until_complete(loop.run_in_executor(None, int, '3'))

        run()
        monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, 'submit', submit)
        assert run() == 3
        monkeypatch.undo()
        run()
        loop._default_executor.submit = submit.__get__(loop._default_executor)
        assert run() == 3
        assert told == [(int, ('3',))] * 2

    def test_what_somebody_has_replaced_in_asyncio_is_called(self, loop, monkeypatch):
        told = []

        def spy(original, name):
            def spying(*args, **kwargs):
                told.append(name)
                return original(*args, **kwargs)

            return spying

        def run():
            return loop.run_until_complete(loop.run_in_executor(None, int, '3'))

        run()
        for owner, name in (
            (asyncio.BaseEventLoop, 'run_in_executor'),
            (asyncio.futures, 'wrap_future'),
        ):
            monkeypatch.setattr(owner, name, spy(getattr(owner, name), name))
            assert run() == 3
            monkeypatch.undo()
        run()
        assert told == ['run_in_executor', 'wrap_future']


class TestEndings:
    """The executor ends before its work does."""

    def test_shutdown_cancels(self, loop):
        pool = concurrent.futures.ThreadPoolExecutor(1)
        go = threading.Event()

        async def main():
            running = loop.run_in_executor(pool, go.wait)
            waiting = [loop.run_in_executor(pool, int) for _ in range(3)]
            pool.shutdown(wait=False, cancel_futures=True)
            go.set()
            assert await running
            assert [await asyncio.wait([future]) and future.cancelled() for future in waiting]
            with pytest.raises(RuntimeError, match='cannot schedule new futures after shutdown'):
                loop.run_in_executor(pool, int)

        loop.run_until_complete(main())
        pool.shutdown()

    def test_an_initializer_that_fails(self, loop, caplog):
        pool, go = failing_pool()

        async def main():
            futures = [loop.run_in_executor(pool, int) for _ in range(3)]
            go.set()
            await asyncio.wait(futures)
            return [type(future.exception()) for future in futures]

        broken = concurrent.futures.thread.BrokenThreadPool
        assert loop.run_until_complete(main()) == [broken] * 3
        with pytest.raises(broken, match='not usable anymore'):
            loop.run_in_executor(pool, int)
        pool.shutdown()
        caplog.clear()

    def test_threads_are_made_as_needed(self, loop):
        pool = concurrent.futures.ThreadPoolExecutor(3, thread_name_prefix='three')
        go = threading.Event()
        names = set()

        def work():
            go.wait()
            names.add(threading.current_thread().name)

        async def main():
            futures = [loop.run_in_executor(pool, work) for _ in range(10)]
            assert len(pool._threads) == 3
            go.set()
            await asyncio.wait(futures)

        loop.run_until_complete(main())
        pool.shutdown()
        assert names <= {'three_0', 'three_1', 'three_2'}

    def test_many_threads_and_loops_share_a_pool(self, impl):
        pool = concurrent.futures.ThreadPoolExecutor(4)
        results = []

        async def main():
            loop = asyncio.get_running_loop()
            calls = [loop.run_in_executor(pool, int, number) for number in range(100)]
            for call in calls[::5]:
                call.cancel()
            results.append(await asyncio.gather(*calls, return_exceptions=True))

        def run():
            loop = impl.new_event_loop()
            loop.run_until_complete(main())
            loop.close()

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.shutdown()
        assert len(results) == 4
        for found in results:
            for number, result in enumerate(found):
                is_cancelled = isinstance(result, asyncio.CancelledError)
                assert result == number or (is_cancelled and number % 5 == 0)


class Pool(concurrent.futures.ThreadPoolExecutor):
    """A subclass that changes nothing, and gets its work as any executor does."""


@pytest.fixture(params=[concurrent.futures.ThreadPoolExecutor, Pool], ids=['pool', 'subclass'])
def pool(request):
    """A pool with one thread, which has worked before."""
    pool = request.param(1, thread_name_prefix='own')
    pool.submit(int).result()
    until_idle(pool)
    yield pool
    pool.shutdown()


def failing_pool():
    """A pool of one thread, and the event after which its initializer fails."""
    go = threading.Event()

    def fails():
        go.wait()
        raise KeyError

    return concurrent.futures.ThreadPoolExecutor(1, initializer=fails), go


def until_idle(pool):
    """Until a thread has said that it waits for work: then a loop may give it some by itself."""
    deadline = time.monotonic() + 30
    while not pool._idle_semaphore._value:
        assert time.monotonic() < deadline
        time.sleep(0)


@pytest.fixture
def busy(pool):
    """What lets the pool's thread go on, once it has work. What comes then, waits in the queue."""
    go, started = threading.Event(), threading.Event()
    until_idle(pool)
    pool.submit(lambda: (started.set(), go.wait()))
    started.wait()
    # The pool believes that another thread is idle.
    pool._idle_semaphore.release()
    yield go
    go.set()


def frames(error):
    """Where its traceback leads through in the thread."""
    found = [(f.filename, f.lineno, f.name) for f in traceback.extract_tb(error.__traceback__)]
    return [frame for frame in found if frame[2] in ('run', 'fails')]


class TestAnIdleThread:
    """A loop may give a thread that waits for work its work by itself."""

    def test_result(self, loop, pool):
        async def main():
            for args in ((), ('3',), ('11', 2)):
                until_idle(pool)
                yield await loop.run_in_executor(pool, int, *args)
            yield (await loop.run_in_executor(pool, threading.current_thread)).name

        async def collect():
            return [each async for each in main()]

        assert loop.run_until_complete(collect()) == [0, 3, 3, 'own_0']

    @pytest.mark.parametrize(
        'error',
        [
            KeyError(1),
            SystemExit(2),
            concurrent.futures.CancelledError('c'),
            concurrent.futures.InvalidStateError('i'),
            asyncio.CancelledError('a'),
            ExceptionGroup('g', [KeyError()]),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_exception(self, loop, pool, error):
        def fails():
            raise type(error)(*error.args)

        async def main():
            try:
                await loop.run_in_executor(pool, fails)
            except BaseException as caught:
                return caught

        with pytest.raises(type(error)) as expected:
            pool.submit(fails).result()
        until_idle(pool)
        caught = loop.run_until_complete(main())
        assert type(caught).__name__ == type(error).__name__
        assert caught.args == error.args
        is_copied = isinstance(error, concurrent.futures.InvalidStateError)
        if not is_copied and type(error) is not concurrent.futures.CancelledError:
            assert len(frames(caught)) > 1
            assert frames(caught) == frames(expected.value)
        caught.__traceback__ = expected.value.__traceback__ = None

    def test_stop_iteration(self, loop, pool):
        def fails():
            raise StopIteration(1)

        future = loop.run_in_executor(pool, fails)
        support.run_until(loop, lambda: future.done() or loop.reports)
        if sys.version_info < (3, 13):
            (report,) = loop.reports
            assert isinstance(report['exception'], TypeError)
            assert report['message'].startswith('Exception in callback _chain_future.<locals>._set')
            loop.reports.clear()
            future.cancel()
            support.run_once(loop)
        else:
            assert isinstance(future.exception().__cause__, StopIteration)

    def test_context(self, loop, pool):
        var = contextvars.ContextVar('var', default=0)
        var.set(1)
        assert loop.run_until_complete(loop.run_in_executor(pool, var.get)) == 0

    def test_cancel_before_it_starts(self, loop, pool, busy):
        ran = []
        future = loop.run_in_executor(pool, ran.append, 1)
        assert pool._work_queue.qsize() == 1
        future.cancel('message')
        support.run_once(loop)
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(future)
        busy.set()
        pool.shutdown()
        assert ran == []

    def test_cancel_while_it_runs(self, loop, pool):
        go, started = threading.Event(), threading.Event()
        future = loop.run_in_executor(pool, lambda: (started.set(), go.wait()))
        started.wait()
        future.cancel()
        support.run_once(loop)
        go.set()
        pool.shutdown()
        support.run_once(loop)
        assert future.cancelled()

    def test_shutdown_cancels(self, loop, pool, busy):
        future = loop.run_in_executor(pool, int)
        pool.shutdown(wait=False, cancel_futures=True)
        busy.set()
        support.run_until(loop, future.done)
        assert future.cancelled()
        with pytest.raises(RuntimeError, match=r'^cannot schedule new futures after shutdown$'):
            loop.run_in_executor(pool, int)

    def test_an_initializer_that_fails(self, loop, caplog):
        pool, go = failing_pool()
        pool.submit(int)
        pool._idle_semaphore.release()
        future = loop.run_in_executor(pool, int)
        go.set()
        support.run_until(loop, future.done)
        broken = concurrent.futures.thread.BrokenThreadPool
        assert isinstance(future.exception(), broken)
        pool.shutdown()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(int).result()
        until_idle(pool)
        pool._broken = 'of itself'
        with pytest.raises(broken, match='of itself'):
            loop.run_in_executor(pool, int)
        pool.shutdown()
        caplog.clear()

    def test_the_interpreter_ends(self, loop, pool, monkeypatch):
        monkeypatch.setattr(concurrent.futures.thread, '_shutdown', True)
        with pytest.raises(RuntimeError, match='new futures after interpreter shutdown'):
            loop.run_in_executor(pool, int)
        monkeypatch.undo()

    @pytest.mark.parametrize('cancels', [False, True])
    def test_the_loop_is_closed_before(self, impl, pool, busy, cancels, caplog):
        loop = impl.new_event_loop()
        future = loop.run_in_executor(pool, int)
        if cancels:
            future.cancel()
        loop.close()
        busy.set()
        pool.shutdown()
        assert future.cancelled() == cancels
        assert not caplog.records

    def test_how_it_shows(self, loop, pool, busy):
        future = loop.run_in_executor(pool, int)
        check = re.escape('_chain_future.<locals>._call_check_cancel()')
        assert re.fullmatch(rf'<Future pending cb=\[{check} at .*futures.py:\d+\]>', repr(future))
        source = pool._work_queue.get_nowait()
        shown = repr(source.future)
        assert re.fullmatch(r'<Future at 0x[0-9a-f]+ state=pending>', shown)
        pool._work_queue.put(source)
        busy.set()
        pool.shutdown()
        assert repr(source.future) == shown.replace('pending', 'finished returned int')
        (handle,) = (h for h in loop._ready if '_read_from_self' not in repr(h))
        assert re.fullmatch(
            r'<(_ThreadSafe)?Handle _chain_future.<locals>._set_state\(.*\)'
            r' at .*futures.py:\d+>',
            repr(handle),
        )
        assert loop.run_until_complete(future) == 0

    def test_a_loop_that_cannot_be_told(self, impl, pool, busy, caplog):
        class Loop(impl.EventLoop):
            def call_soon_threadsafe(self, callback, *args, context=None):
                raise KeyError('not now')

        loop = Loop()
        loop.run_in_executor(pool, int)
        busy.set()
        pool.shutdown()
        loop.close()
        (record,) = caplog.records
        assert record.name == 'concurrent.futures'
        assert re.fullmatch(
            r'exception calling callback for <Future at 0x[0-9a-f]+ state=finished returned int>',
            record.message,
        )
        assert record.exc_info[0] is KeyError
        caplog.clear()

    @pytest.mark.parametrize(
        ('owner', 'name'),
        [
            (concurrent.futures.ThreadPoolExecutor, '_adjust_thread_count'),
            (concurrent.futures.Future, 'set_result'),
            (concurrent.futures.Future, 'set_running_or_notify_cancel'),
            (concurrent.futures.Future, 'add_done_callback'),
        ],
    )
    def test_what_somebody_has_replaced_is_called(self, loop, pool, monkeypatch, owner, name):
        original, told = getattr(owner, name), []

        def spy(self, *args):
            told.append(name)
            return original(self, *args)

        def run():
            until_idle(pool)
            return loop.run_until_complete(loop.run_in_executor(pool, int))

        run()
        monkeypatch.setattr(owner, name, spy)
        assert run() == 0
        monkeypatch.undo()
        run()
        assert told == [name]

    @pytest.mark.ours
    def test_this_version_is_known(self, loop, pool, busy):
        """Of a plain pool the work goes without a concurrent.futures.Future."""
        future = loop.run_in_executor(pool, int)
        item = pool._work_queue.get_nowait()
        is_plain = type(pool) is concurrent.futures.ThreadPoolExecutor
        assert isinstance(item.future, concurrent.futures.Future) != is_plain
        pool._work_queue.put(item)
        busy.set()
        assert loop.run_until_complete(future) == 0

    def test_a_version_that_is_not_known(self, impl):
        out, err = support.run_script(
            impl,
            """
            import concurrent.futures.thread as thread
            class Other(thread._WorkItem):
                def run(self, *args):
                    print("run", type(self.future).__name__)
                    super().run(*args)
            thread._WorkItem = Other
            async def main():
                loop = asyncio.get_running_loop()
                for number in range(3):
                    print(await loop.run_in_executor(None, int, str(number)))
                await loop.shutdown_default_executor()
            loop = new_event_loop()
            loop.run_until_complete(main())
            loop.close()
            """,
        )
        assert (out, err) == (''.join(f'run Future\n{number}\n' for number in range(3)), '')


class TestToThread:
    def test_result_and_keywords(self, loop):
        async def main():
            return await asyncio.to_thread(int, 'ff', base=16)

        assert loop.run_until_complete(main()) == 255

    def test_context(self, loop):
        var = contextvars.ContextVar('var', default=0)

        async def main():
            var.set(3)
            return await asyncio.to_thread(var.get)

        assert loop.run_until_complete(main()) == 3

    def test_exception(self, loop):
        def fails():
            raise ZeroDivisionError

        async def main():
            with pytest.raises(ZeroDivisionError) as caught:
                await asyncio.to_thread(fails)
            caught.value.__traceback__ = None

        loop.run_until_complete(main())

    def test_stop_iteration(self, loop):
        # Cannot be set on a future: told as such, instead of a hang.
        def fails():
            raise StopIteration

        async def main():
            await asyncio.wait_for(asyncio.to_thread(fails), 30)

        if sys.version_info < (3, 13):
            pytest.skip('hangs with stock before gh-112182')
        with pytest.raises(RuntimeError, match=r'StopIteration') as caught:
            loop.run_until_complete(main())
        caught.value.__traceback__ = None


def test_processes(impl):
    # In a process of its own: multiprocessing keeps helpers and their fds open.
    out, err = support.run_script(
        impl,
        """
        import concurrent.futures, math, multiprocessing
        async def main():
            loop = asyncio.get_running_loop()
            context = multiprocessing.get_context("fork" if impl.name == "pyasync-poll" else None)
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
                calls = (loop.run_in_executor(pool, math.factorial, n) for n in range(20))
                assert await asyncio.gather(*calls) == [math.factorial(n) for n in range(20)]
                try:
                    await loop.run_in_executor(pool, math.sqrt, -1)
                except ValueError as exc:
                    print("ValueError")
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        """,
        options=('-W', 'ignore'),
    )
    assert (out, err) == ('ValueError\n', '')
