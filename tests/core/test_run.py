"""Running a loop: run_forever, run_until_complete, stop, close, and what they leave behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import re
import sys
import threading
import warnings
import weakref

import pytest
import support


async def answer(value=None):
    return value


class TestRunUntilComplete:
    def test_coroutine(self, loop):
        assert loop.run_until_complete(answer(1)) == 1

    def test_task_and_future(self, loop):
        assert loop.run_until_complete(loop.create_task(answer(1))) == 1
        fut = loop.create_future()
        loop.call_soon(fut.set_result, 2)
        assert loop.run_until_complete(fut) == 2

    def test_awaitable(self, loop):
        class Awaitable:
            def __await__(self):
                yield
                return 3

        assert loop.run_until_complete(Awaitable()) == 3

    def test_done_future(self, loop):
        fut = loop.create_future()
        fut.set_result(4)
        assert loop.run_until_complete(fut) == 4

    def test_exception(self, loop):
        async def fails():
            raise KeyError('k')

        with pytest.raises(KeyError, match=r'k') as caught:
            loop.run_until_complete(fails())
        caught.value.__traceback__ = None

    def test_again_and_again(self, loop):
        assert [loop.run_until_complete(answer(n)) for n in range(10)] == list(range(10))

    @pytest.mark.parametrize('bad', [None, 1, 'x', answer], ids=repr)
    def test_something_else(self, loop, bad):
        with pytest.raises(TypeError):
            loop.run_until_complete(bad)

    def test_stopped_too_early(self, loop):
        fut = loop.create_future()
        loop.call_soon(loop.stop)
        with pytest.raises(RuntimeError, match=r'^Event loop stopped before Future completed\.$'):
            loop.run_until_complete(fut)
        assert not fut._callbacks

    def test_future_of_another_loop(self, impl, loop):
        other = impl.new_event_loop()
        try:
            with pytest.raises(ValueError, match=r'belong|different loop'):
                loop.run_until_complete(other.create_future())
        finally:
            other.close()

    def test_does_not_report_the_exception_it_raises(self, loop):
        def fails():
            raise SystemExit

        # The task's own exception is not "never retrieved" when the loop is left otherwise.
        fut = loop.create_future()
        loop.call_soon(fails)
        with pytest.raises(SystemExit):
            loop.run_until_complete(fut)

    @pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
    def test_out_of_the_coroutine(self, loop, kind):
        async def leaves():
            raise kind

        with pytest.raises(kind) as caught:
            loop.run_until_complete(leaves())
        # The loop is usable still.
        assert loop.run_until_complete(answer(1)) == 1
        caught.value.__traceback__ = None


class TestStop:
    def test_what_is_ready_still_runs(self, loop):
        order = []
        loop.call_soon(order.append, 1)
        loop.call_soon(loop.stop)
        loop.call_soon(order.append, 2)
        loop.run_forever()
        assert order == [1, 2]

    def test_what_is_scheduled_later_waits_for_the_next_run(self, loop):
        order = []

        def callback():
            order.append('first')
            loop.call_soon(order.append, 'second')

        loop.call_soon(loop.stop)
        loop.call_soon(callback)
        loop.run_forever()
        assert order == ['first']
        support.run_once(loop)
        assert order == ['first', 'second']

    def test_before_run(self, loop):
        order = []
        loop.call_soon(order.append, 1)
        loop.stop()
        loop.run_forever()
        assert order == [1]
        # The wish is spent.
        loop.call_soon(order.append, 2)
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert order == [1, 2]

    def test_before_run_polls_once(self, loop):
        loop.stop()
        loop.call_later(60, pytest.fail).cancel()
        loop.run_forever()

    def test_twice(self, loop):
        loop.call_soon(loop.stop)
        loop.call_soon(loop.stop)
        loop.run_forever()

    def test_from_a_timer(self, loop):
        loop.call_later(0.001, loop.stop)
        loop.run_forever()

    def test_due_timers_run_before_it_takes_effect(self, loop):
        order = []
        loop.call_later(0, order.append, 'timer')
        loop.stop()
        loop.run_forever()
        assert order == ['timer']

    def test_from_another_thread(self, loop):
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(loop.stop,))
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()

    def test_flag(self, loop):
        assert loop._stopping is False
        loop.stop()
        assert loop._stopping is True
        loop.run_forever()
        assert loop._stopping is False

    def test_returns_none(self, loop):
        assert loop.stop() is None
        assert loop.run_forever() is None


def skip_if_stock_forgets_the_outer_loop(impl):
    if not impl.ours and sys.version_info[:3] == (3, 13, 0):
        pytest.skip('3.13.0 itself forgets the running loop when it refuses a second run')


def refusals(running, refused):
    """What the run methods of one loop say when they are called while another (or itself) runs."""
    errors = []
    fut = refused.create_future()

    def callback():
        for run in (refused.run_forever, lambda: refused.run_until_complete(fut)):
            with pytest.raises(RuntimeError) as caught:
                run()
            errors.append(str(caught.value))

    running.call_soon(callback)
    support.run_once(running)
    return errors


class TestRunning:
    def test_is_running(self, loop):
        seen = []

        def callback():
            seen.append((loop.is_running(), asyncio.get_running_loop() is loop))
            loop.stop()

        assert loop.is_running() is False
        loop.call_soon(callback)
        loop.run_forever()
        assert seen == [(True, True)]
        assert loop.is_running() is False
        with pytest.raises(RuntimeError, match=r'^no running event loop$'):
            asyncio.get_running_loop()

    def test_thread_id(self, loop):
        seen = []
        assert loop._thread_id is None
        loop.call_soon(lambda: seen.append(loop._thread_id))
        support.run_once(loop)
        assert seen == [threading.get_ident()]
        assert loop._thread_id is None

    def test_run_inside_itself(self, impl, loop):
        skip_if_stock_forgets_the_outer_loop(impl)
        assert refusals(loop, loop) == ['This event loop is already running'] * 2
        assert loop.reports == []

    def test_run_inside_another(self, impl, loop):
        skip_if_stock_forgets_the_outer_loop(impl)
        other = impl.new_event_loop()
        reason = 'Cannot run the event loop while another loop is running'
        assert refusals(loop, other) == [reason] * 2
        other.close()

    def test_inside_a_stock_loop(self, loop):
        stock = asyncio.SelectorEventLoop()

        async def main():
            with pytest.raises(
                RuntimeError, match=r'^Cannot run the event loop while another loop is running$'
            ):
                loop.run_forever()

        stock.run_until_complete(main())
        stock.close()

    def test_coroutine_of_a_refused_run_can_be_closed(self, impl, loop):
        skip_if_stock_forgets_the_outer_loop(impl)

        async def main():
            coro = answer()
            with pytest.raises(RuntimeError):
                loop.run_until_complete(coro)
            coro.close()

        # Stock leaves a warning of a never-awaited coroutine out only if one closes it.
        loop.run_until_complete(main())

    def test_two_loops_in_turn(self, impl, loop):
        other = impl.new_event_loop()
        for _ in range(3):
            assert loop.run_until_complete(answer(1)) == 1
            assert other.run_until_complete(answer(2)) == 2
        other.close()

    def test_repr(self, impl, loop):
        assert re.fullmatch(r'<\w+ running=False closed=False debug=False>', repr(loop))
        loop.set_debug(True)
        assert repr(loop).endswith(' running=False closed=False debug=True>')
        seen = []
        loop.call_soon(lambda: seen.append(repr(loop)))
        support.run_once(loop)
        assert seen[0].endswith(' running=True closed=False debug=True>')

    def test_loop_is_alive_while_it_runs(self, impl):
        loop = impl.new_event_loop()
        ref = weakref.ref(loop)
        run, close = loop.run_forever, loop.close
        loop.call_soon(loop.stop)
        del loop
        gc.collect()
        run()
        close()
        del run, close
        gc.collect()
        assert ref() is None


class TestExceptions:
    @pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
    def test_out_of_a_callback(self, loop, kind):
        order = []

        def leaves():
            raise kind('out')

        loop.call_soon(order.append, 1)
        loop.call_soon(leaves)
        loop.call_soon(order.append, 2)
        with pytest.raises(kind, match=r'out'):
            loop.run_forever()
        assert order == [1]
        assert not loop.is_running()
        support.run_once(loop)
        assert order == [1, 2]

    def test_others_are_reported(self, loop):
        class Odd(BaseException):
            pass

        def fails():
            raise Odd

        loop.call_soon(fails)
        loop.call_later(0, fails)
        support.run_until(loop, lambda: len(loop.reports) == 2)
        assert [type(report['exception']) for report in loop.reports] == [Odd, Odd]
        loop.reports.clear()

    def test_state_is_restored(self, loop):
        hooks = sys.get_asyncgen_hooks()

        def leaves():
            raise SystemExit

        loop.call_soon(leaves)
        with pytest.raises(SystemExit):
            loop.run_forever()
        assert asyncio._get_running_loop() is None
        assert loop._thread_id is None
        assert sys.get_asyncgen_hooks() == hooks


class TestClose:
    def test_flag(self, impl):
        loop = impl.new_event_loop()
        assert loop.is_closed() is False
        assert loop.close() is None
        assert loop.is_closed() is True
        assert loop.close() is None
        assert repr(loop).endswith(' closed=True debug=False>')

    @pytest.mark.parametrize(
        'use',
        [
            lambda loop: loop.call_soon(print),
            lambda loop: loop.call_soon_threadsafe(print),
            lambda loop: loop.call_later(1, print),
            lambda loop: loop.call_at(1, print),
            lambda loop: loop.run_forever(),
            lambda loop: loop.run_until_complete(loop.create_future()),
            lambda loop: loop.run_in_executor(None, print),
            lambda loop: loop.add_signal_handler(10, print),
            lambda loop: loop.add_reader(0, print),
            lambda loop: loop.add_writer(1, print),
        ],
        ids=[
            'call_soon',
            'call_soon_threadsafe',
            'call_later',
            'call_at',
            'run_forever',
            'run_until_complete',
            'run_in_executor',
            'add_signal_handler',
            'add_reader',
            'add_writer',
        ],
    )
    def test_refuses(self, impl, use):
        loop = impl.new_event_loop()
        loop.close()
        with pytest.raises(RuntimeError, match=r'^Event loop is closed$'):
            use(loop)

    def test_allows(self, impl):
        loop = impl.new_event_loop()
        loop.close()
        assert loop.remove_reader(0) is False
        assert loop.remove_writer(1) is False
        assert loop.remove_signal_handler(10) is False
        assert isinstance(loop.time(), float)
        assert isinstance(loop.create_future(), asyncio.Future)
        loop.stop()
        loop.set_debug(True)
        assert loop.get_debug() is True
        assert not loop.is_running()

    def test_while_running(self, loop):
        errors = []

        def callback():
            with pytest.raises(RuntimeError) as caught:
                loop.close()
            errors.append(str(caught.value))

        loop.call_soon(callback)
        support.run_once(loop)
        assert errors == ['Cannot close a running event loop']
        assert not loop.is_closed()

    def test_drops_what_is_pending(self, impl):
        class Thing:
            def __call__(self):
                raise AssertionError

        loop = impl.new_event_loop()
        things = [Thing() for _ in range(4)]
        refs = [weakref.ref(thing) for thing in things]
        loop.call_soon(things[0])
        loop.call_later(0, things[1])
        loop.call_later(60, things[2])
        loop.call_soon_threadsafe(things[3])
        del things
        loop.close()
        gc.collect()
        assert [ref() for ref in refs] == [None] * 4

    def test_drops_readers(self, impl):
        import socket

        class Thing:
            def __call__(self):
                raise AssertionError

        left, right = socket.socketpair()
        loop = impl.new_event_loop()
        thing = Thing()
        ref = weakref.ref(thing)
        loop.add_reader(left, thing)
        loop.add_writer(right, thing)
        del thing
        loop.close()
        left.close()
        right.close()
        del loop
        gc.collect()
        assert ref() is None

    def test_unclosed_loop_warns(self, impl):
        loop = impl.new_event_loop()
        shown = re.escape(repr(loop))
        with pytest.warns(ResourceWarning, match=rf'^unclosed event loop {shown}$'):
            loop.__del__()
        assert loop.is_closed()

    def test_unclosed_loop_warns_when_collected(self, impl):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            loop = impl.new_event_loop()
            loop.call_later(60, print)
            del loop
            gc.collect()
        assert any(
            item.category is ResourceWarning and 'unclosed event loop' in str(item.message)
            for item in caught
        )

    def test_fds_are_given_back(self, impl):
        before = support.open_fds()
        loops = [impl.new_event_loop() for _ in range(10)]
        for loop in loops:
            support.run_once(loop)
        assert len(support.open_fds()) > len(before)
        for loop in loops:
            loop.close()
        assert support.open_fds() == before

    def test_shuts_the_default_executor_down(self, impl):
        loop = impl.new_event_loop()
        executor = concurrent.futures.ThreadPoolExecutor(1)
        loop.set_default_executor(executor)
        assert loop._default_executor is executor
        loop.run_until_complete(loop.run_in_executor(None, int))
        loop.close()
        assert loop._default_executor is None
        assert loop._executor_shutdown_called is True
        with pytest.raises(RuntimeError, match=r'cannot schedule new futures after shutdown'):
            executor.submit(int)
        executor.shutdown()

    def test_task_of_a_closed_loop_dies_quietly_enough(self, impl):
        loop = impl.new_event_loop()
        reports = []
        loop.set_exception_handler(lambda loop, context: reports.append(context['message']))

        async def forever():
            await loop.create_future()

        task = loop.create_task(forever())
        support.run_once(loop)
        loop.close()
        del task
        gc.collect()
        assert reports == ['Task was destroyed but it is pending!']


class TestAsyncGenerators:
    def test_hooks_are_set_while_running_and_restored(self, loop):
        before = sys.get_asyncgen_hooks()
        seen = []
        loop.call_soon(lambda: seen.append(sys.get_asyncgen_hooks()))
        support.run_once(loop)
        assert seen[0].firstiter is not None
        assert seen[0].finalizer is not None
        assert sys.get_asyncgen_hooks() == before

    def test_hooks_of_others_are_put_back(self, loop):
        def firstiter(generator):
            pass

        def finalizer(generator):
            pass

        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=firstiter, finalizer=finalizer)
        try:
            support.run_once(loop)
            assert sys.get_asyncgen_hooks() == (firstiter, finalizer)
        finally:
            sys.set_asyncgen_hooks(*before)

    def test_shutdown_closes_them(self, loop):
        order = []

        async def generator():
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                order.append('closed')

        async def main():
            made = generator()
            async for _ in made:
                return made

        made = loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        assert order == ['closed']
        assert loop._asyncgens_shutdown_called
        assert made is not None

    def test_collected_one_is_closed_by_the_loop(self, loop):
        closed = asyncio.Event()

        async def generator():
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                closed.set()

        async def main():
            async for _ in generator():
                break
            gc.collect()
            await closed.wait()

        loop.run_until_complete(main())

    def test_error_in_shutdown_is_reported(self, loop):
        async def generator():
            try:
                yield 1
            finally:
                raise KeyError('k')

        async def main():
            made = generator()
            async for _ in made:
                return made

        made = loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        [report] = loop.reports
        assert report['asyncgen'] is made
        assert report['message'].startswith(
            'an error occurred during closing of asynchronous generator'
        )
        loop.reports.clear()
        report['exception'].__traceback__ = None

    def test_started_after_shutdown_warns(self, loop):
        async def generator():
            yield 1

        async def main():
            await loop.shutdown_asyncgens()
            made = generator()
            with pytest.warns(
                ResourceWarning, match=r'was scheduled after loop.shutdown_asyncgens'
            ):
                await made.__anext__()
            await made.aclose()

        loop.run_until_complete(main())


class TestRunner:
    def test_run(self, impl):
        async def main():
            return asyncio.get_running_loop()

        loop = impl.run(main())
        assert isinstance(loop, impl.EventLoop)
        assert loop.is_closed()

    def test_run_in_debug(self, impl):
        async def main():
            return asyncio.get_running_loop().get_debug()

        assert impl.run(main(), debug=True) is True
        assert impl.run(main(), debug=False) is False

    def test_run_cancels_what_is_left(self, impl):
        order = []

        async def child():
            try:
                await asyncio.sleep(3600)
            finally:
                order.append('cancelled')

        async def main():
            task = asyncio.create_task(child())
            await asyncio.sleep(0)
            assert not task.done()

        impl.run(main())
        assert order == ['cancelled']

    def test_run_inside_run(self, impl):
        async def main():
            coro = answer()
            with pytest.raises(RuntimeError, match=r'cannot be called from a running event loop$'):
                impl.run(coro)
            coro.close()

        impl.run(main())

    def test_runner_keeps_its_loop(self, impl):
        async def main():
            return asyncio.get_running_loop()

        with impl.Runner() as runner:
            first, second = runner.run(main()), runner.run(main())
            assert first is second is runner.get_loop()
        assert first.is_closed()

    def test_stock_runner_on_a_loop_factory(self, impl):
        async def main():
            return type(asyncio.get_running_loop())

        with asyncio.Runner(loop_factory=impl.new_event_loop) as runner:
            assert runner.run(main()) is impl.EventLoop

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='run(loop_factory=) came with 3.12')
    def test_stock_run_on_a_loop_factory(self, impl):
        async def main():
            return type(asyncio.get_running_loop())

        assert asyncio.run(main(), loop_factory=impl.new_event_loop) is impl.EventLoop

    def test_exception(self, impl):
        async def main():
            raise KeyError('k')

        with pytest.raises(KeyError, match=r'k') as caught:
            impl.run(main())
        caught.value.__traceback__ = None
