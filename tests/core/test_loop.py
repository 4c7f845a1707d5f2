"""The loop itself: call_soon, exception handlers, its attributes, subclasses and mocks."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import logging
import re
import signal
import sys
from unittest import mock

import pytest
import support
from hypothesis import given
from hypothesis import strategies as st


async def answer(value=None):
    return value


class TestCallSoon:
    def test_order(self, loop):
        order = []
        for number in range(100):
            loop.call_soon(order.append, number)
        support.run_once(loop)
        assert order == list(range(100))

    def test_scheduled_in_a_callback_runs_in_the_next_iteration(self, loop):
        order = []

        def callback(depth):
            order.append(depth)
            if depth < 3:
                loop.call_soon(callback, depth + 1)

        loop.call_soon(callback, 0)
        for expected in range(4):
            support.run_once(loop)
            assert order == list(range(expected + 1))

    def test_many(self, loop):
        # The ready queue grows, wraps and shrinks.
        seen = []
        for size in (1, 5, 5000, 3, 70, 20_000, 2):
            seen.clear()
            for number in range(size):
                loop.call_soon(seen.append, number)
            support.run_once(loop)
            assert seen == list(range(size))

    @given(st.lists(st.lists(st.integers(0, 5), max_size=5), max_size=20))
    def test_generations(self, plan):
        """Callbacks that schedule callbacks: breadth first, as a queue has it."""
        for impl in support.implementations():
            loop = impl.new_event_loop()
            try:
                order, expected = [], []

                def callback(path, loop=loop, order=order):
                    order.append(path)
                    if len(path) < len(plan):
                        for child in plan[len(path)][:2]:
                            loop.call_soon(callback, (*path, child))

                loop.call_soon(callback, (0,))
                queue = [(0,)]
                while queue and len(expected) < 500:
                    path = queue.pop(0)
                    expected.append(path)
                    if len(path) < len(plan):
                        queue += [(*path, child) for child in plan[len(path)][:2]]
                while len(order) < len(expected):
                    support.run_once(loop)
                assert order[: len(expected)] == expected
            finally:
                loop.close()

    @pytest.mark.parametrize('bad', [None, 1, 'text'], ids=repr)
    def test_not_callable_is_reported_when_run(self, loop, bad):
        loop.call_soon(bad)
        support.run_once(loop)
        [report] = loop.reports
        assert isinstance(report['exception'], TypeError)
        assert str(report['exception']) == f"'{type(bad).__name__}' object is not callable"
        loop.reports.clear()

    def test_context_must_be_one(self, loop):
        loop.call_soon(int, context=None)
        support.run_once(loop)

    def test_return_value_is_dropped(self, loop):
        loop.call_soon(lambda: 'nobody wants it')
        support.run_once(loop)


class TestExceptionHandler:
    def test_get_and_set(self, impl):
        loop = impl.new_event_loop()
        try:
            assert loop.get_exception_handler() is None

            def handler(loop, context):
                pass

            loop.set_exception_handler(handler)
            assert loop.get_exception_handler() is handler
            loop.set_exception_handler(None)
            assert loop.get_exception_handler() is None
            for bad in (1, 'x'):
                with pytest.raises(
                    TypeError, match=rf'^A callable object or None is expected, got {bad!r}$'
                ):
                    loop.set_exception_handler(bad)
        finally:
            loop.close()

    def test_default_logs(self, loop, caplog):
        error = ZeroDivisionError('z')

        def fails():
            raise error

        loop.set_exception_handler(None)
        loop.call_soon(fails)
        support.run_once(loop)
        [record] = caplog.records
        assert record.name == 'asyncio'
        assert record.levelno == logging.ERROR
        assert record.exc_info[1] is error
        shown = f'{re.escape("TestExceptionHandler.test_default_logs.<locals>.fails()")} at .*'
        assert re.fullmatch(
            rf'Exception in callback {shown}\nhandle: <Handle {shown}>', record.message
        )
        caplog.clear()
        error.__traceback__ = None

    def test_call_exception_handler(self, loop):
        context = {'message': 'm', 'extra': 1}
        loop.call_exception_handler(context)
        assert loop.reports == [context]
        assert loop.reports[0] is context
        loop.reports.clear()

    def test_that_raises(self, loop, caplog):
        def handler(loop, context):
            raise KeyError('in handler')

        loop.set_exception_handler(handler)
        loop.call_exception_handler({'message': 'm'})
        [record] = caplog.records
        assert record.message == "Unhandled error in exception handler\ncontext: {'message': 'm'}"
        assert record.exc_info[0] is KeyError
        caplog.clear()

    @pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
    def test_that_leaves(self, loop, kind):
        def handler(loop, context):
            raise kind

        def fails():
            raise ValueError

        loop.set_exception_handler(handler)
        loop.call_soon(fails)
        with pytest.raises(kind):
            loop.run_forever()

    def test_finds_the_exception_of_a_callback_as_handled(self, loop):
        error = ValueError('of the callback')
        seen = []

        def handler(loop, context):
            seen.append(sys.exc_info()[1])
            try:
                raise KeyError('of the handler')
            except KeyError as exc:
                seen.append(exc.__context__)

        def fails(*args):
            raise error

        loop.set_exception_handler(handler)
        try:
            raise OSError('outside')
        except OSError as outside:
            loop.call_soon(fails)
            support.run_once(loop)
            future = loop.create_future()
            future.add_done_callback(fails)
            future.set_result(None)
            support.run_once(loop)
            assert sys.exc_info()[1] is outside
        assert sys.exc_info()[1] is None
        assert seen == [error] * 4
        loop.set_exception_handler(None)
        error.__traceback__ = None
        seen.clear()

    def test_overridden_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def call_exception_handler(self, context):
                calls.append(context)

        def fails():
            raise KeyError

        async def fails_too():
            raise KeyError

        loop = Mine()
        try:
            loop.call_soon(fails)
            support.run_once(loop)
            assert [context['message'][:21] for context in calls] == ['Exception in callback']
            loop.create_task(fails_too())
            support.run_once(loop)
            support.run_once(loop)
            assert calls[1]['message'] == 'Task exception was never retrieved'
            calls[0]['exception'].__traceback__ = None
        finally:
            loop.close()

    def test_default_overridden_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def default_exception_handler(self, context):
                calls.append(context['message'])

        loop = Mine()
        loop.call_exception_handler({'message': 'm'})
        loop.close()
        assert calls == ['m']

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='contexts for handlers since 3.12')
    def test_runs_in_the_context_of_the_handle(self, loop):
        import contextvars

        var = contextvars.ContextVar('var', default='outside')
        seen = []
        loop.set_exception_handler(lambda loop, context: seen.append(var.get()))

        def fails():
            raise KeyError

        context = contextvars.copy_context()
        context.run(var.set, 'inside')
        loop.call_soon(fails, context=context)
        support.run_once(loop)
        assert seen == ['inside']


class TestAttributes:
    def test_is_a_stock_loop(self, impl, loop):
        assert isinstance(loop, asyncio.AbstractEventLoop)
        assert isinstance(loop, asyncio.SelectorEventLoop)
        assert isinstance(loop, impl.EventLoop)

    def test_slow_callback_duration(self, loop):
        assert loop.slow_callback_duration == 0.1
        loop.slow_callback_duration = 5
        assert loop.slow_callback_duration == 5

    def test_debug(self, loop):
        assert loop.get_debug() is sys.flags.dev_mode
        loop.set_debug(True)
        assert loop.get_debug() is True
        assert loop._debug is True
        loop.set_debug(False)
        assert loop.get_debug() is False

    def test_state_that_libraries_read(self, loop):
        assert loop._closed is False
        assert loop._stopping is False
        assert loop._thread_id is None
        assert loop._task_factory is None
        assert loop._default_executor is None
        assert loop._executor_shutdown_called is False
        assert loop._asyncgens_shutdown_called is False
        assert len(loop._asyncgens) == 0
        assert loop._clock_resolution > 0
        assert loop._current_handle is None

    def test_ready_and_scheduled(self, loop):
        assert len(loop._ready) == 0
        assert len(loop._scheduled) == 0
        loop.call_soon(int)
        loop.call_soon(int)
        handle = loop.call_later(60, int)
        assert len(loop._ready) == 2
        assert len(loop._scheduled) == 1
        assert list(loop._scheduled) == [handle]
        support.run_once(loop)
        assert len(loop._ready) == 0
        handle.cancel()

    def test_signatures_are_stocks(self, impl, loop):
        # By name and kind of parameter, where the implementation tells them; self is always
        # positional-only in C.
        stock = asyncio.SelectorEventLoop
        for name in (
            'run_forever',
            'run_until_complete',
            'stop',
            'close',
            'call_exception_handler',
            'set_task_factory',
            'run_in_executor',
            'set_exception_handler',
        ):
            try:
                found = inspect.signature(getattr(type(loop), name))
            except ValueError:
                continue
            expected = inspect.signature(getattr(stock, name))
            shown, wanted = (
                [(parameter.name, parameter.kind) for parameter in made.parameters.values()][1:]
                for made in (found, expected)
            )
            assert shown == wanted, name

    def test_methods_have_docstrings(self, impl):
        for name in ('call_soon', 'call_later', 'create_future', 'create_task', 'stop', 'time'):
            assert getattr(impl.EventLoop, name).__doc__

    def test_all_of_the_interface_is_there(self, impl, loop):
        for name in dir(asyncio.AbstractEventLoop):
            assert hasattr(loop, name), name

    def test_hashable_and_comparable(self, impl, loop):
        other = impl.new_event_loop()
        assert loop == loop
        assert loop != other
        assert len({loop, other}) == 2
        other.close()

    def test_create_future(self, impl, loop):
        fut = loop.create_future()
        assert type(fut) is impl.Future
        assert fut.get_loop() is loop

    def test_is_not_an_async_iterator(self, loop):
        assert not isinstance(loop, collections.abc.Awaitable)

    @pytest.mark.skipif(support.STOCK_ONLY, reason='ours')
    def test_no_attribute_of_asyncio_is_in_the_dict(self):
        # A loop whose __dict__ is empty has its methods found faster: __slots__ names them all.
        loop = support.implementations()[-1].new_event_loop()
        loop.run_until_complete(loop.run_in_executor(None, int))
        loop.add_signal_handler(signal.SIGUSR1, int)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        assert vars(loop) == {}


class TestOverriding:
    """Subclasses of ours, and attributes set on an instance, are honoured."""

    def test_call_soon_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def call_soon(self, callback, *args, context=None):
                calls.append(callback)
                return super().call_soon(callback, *args, context=context)

        loop = Mine()
        try:
            fut = loop.create_future()
            fut.add_done_callback(print)
            fut.remove_done_callback(print)
            fut.add_done_callback(id)
            fut.set_result(None)
            assert calls == [id]
            assert loop.run_until_complete(answer(1)) == 1
            # The task's first step, and its done callback.
            assert len(calls) == 3
            assert loop.run_until_complete(asyncio.sleep(0, 2)) == 2
            assert len(calls) == 6
        finally:
            loop.close()

    def test_call_soon_on_the_instance(self, loop):
        original = loop.call_soon
        calls = []

        def call_soon(callback, *args, context=None):
            calls.append(callback)
            return original(callback, *args, context=context)

        loop.call_soon = call_soon
        try:
            task = loop.create_task(answer(1))
            assert len(calls) == 1
            assert loop.run_until_complete(task) == 1
            assert len(calls) == 2
        finally:
            del loop.call_soon

    def test_call_soon_mocked(self, loop):
        with mock.patch.object(loop, 'call_soon') as call_soon:
            fut = loop.create_future()
            fut.add_done_callback(print)
            fut.set_result(1)
            call_soon.assert_called_once_with(print, fut, context=mock.ANY)
        assert loop.run_until_complete(answer(1)) == 1

    def test_call_soon_mocked_on_the_class(self, impl, loop):
        with mock.patch.object(type(loop), 'call_soon') as call_soon:
            fut = loop.create_future()
            fut.add_done_callback(print)
            fut.set_result(1)
            assert call_soon.call_count == 1
        assert loop.run_until_complete(answer(1)) == 1

    def test_create_task_replaced_in_asyncios_class(self, loop):
        """As programs do that trace tasks."""
        original = asyncio.BaseEventLoop.create_task
        made = []

        def create_task(self, coro, **kwargs):
            made.append(coro.__name__)
            return original(self, coro, **kwargs)

        with mock.patch.object(asyncio.BaseEventLoop, 'create_task', create_task):
            assert loop.run_until_complete(answer(1)) == 1

            async def main():
                return await asyncio.gather(answer(2), asyncio.create_task(answer(3), name='x'))

            assert loop.run_until_complete(main()) == [2, 3]
        assert made[0] == 'answer'
        assert sorted(made) == ['answer', 'answer', 'answer', 'main']
        made.clear()
        assert loop.run_until_complete(answer(4)) == 4
        assert made == []

    @pytest.mark.parametrize(
        ('name', 'args'),
        [('call_soon', [print]), ('call_at', [1e9, print]), ('time', []), ('is_running', [])],
    )
    def test_other_methods_replaced_in_asyncios_class(self, impl, loop, name, args):
        """They are not called by ours, which has its own."""
        with mock.patch.object(asyncio.BaseEventLoop, name, autospec=True) as method:
            getattr(loop, name)(*args)
        assert method.called is not impl.ours

    def test_class_changed_more_often_than_the_interpreter_counts(self, impl):
        """It has 1000 versions for a class since 3.13."""

        class Mine(impl.EventLoop):
            pass

        loop = Mine()
        for number in range(1100):
            Mine.attribute = number
            assert loop.attribute == number
            loop.call_soon(print).cancel()
        with mock.patch.object(Mine, 'call_soon') as call_soon:
            future = loop.create_future()
            future.add_done_callback(print)
            future.set_result(1)
            assert call_soon.call_count == 1
        loop.close()

    def test_call_at_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def call_at(self, when, callback, *args, context=None):
                calls.append(when)
                return super().call_at(when, callback, *args, context=context)

        loop = Mine()
        try:
            handle = loop.call_later(60, print)
            assert calls == [handle.when()]
            handle.cancel()
        finally:
            loop.close()

    def test_call_later_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def call_later(self, delay, callback, *args, context=None):
                calls.append(delay)
                return super().call_later(delay, callback, *args, context=context)

        loop = Mine()
        try:
            loop.run_until_complete(asyncio.sleep(0.0001))
            assert calls == [0.0001]
        finally:
            loop.close()

    def test_create_future_and_task_in_a_subclass(self, impl):
        made = []

        class Mine(impl.EventLoop):
            def create_future(self):
                made.append('future')
                return super().create_future()

            def create_task(self, coro, **kwargs):
                made.append('task')
                return super().create_task(coro, **kwargs)

        loop = Mine()
        try:
            loop.run_until_complete(asyncio.sleep(0.0001))
            assert made == ['task', 'future']
        finally:
            loop.close()

    def test_stop_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def stop(self):
                calls.append('stop')
                super().stop()

        loop = Mine()
        try:
            loop.run_until_complete(answer())
            assert calls == ['stop']
        finally:
            loop.close()

    def test_close_in_a_subclass(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def close(self):
                calls.append('close')
                super().close()

        Mine().close()
        assert calls == ['close']

    def test_get_debug_on_the_instance(self, loop):
        loop.get_debug = lambda: True
        try:
            assert loop.create_future()._source_traceback
        finally:
            del loop.get_debug

    def test_init_in_a_subclass(self, impl):
        class Mine(impl.EventLoop):
            def __init__(self):
                super().__init__()
                self.extra = 1

        loop = Mine()
        assert loop.extra == 1
        assert loop.run_until_complete(answer(1)) == 1
        loop.close()

    def test_subclass_without_init(self, impl):
        class Broken(impl.EventLoop):
            def __init__(self):
                pass

            def __del__(self):
                pass

        loop = Broken()
        for use in (loop.run_forever, lambda: loop.call_soon(print), loop.close):
            try:
                use()
            except (AttributeError, RuntimeError):
                pass
            if not impl.ours:
                break

    def test_any_attribute_can_be_set(self, loop):
        loop.some_attribute = 1
        assert loop.some_attribute == 1
        del loop.some_attribute

    def test_current_handle_in_debug(self, loop):
        # Stock keeps it in debug mode only.
        seen = []
        loop.set_debug(True)
        handle = loop.call_soon(lambda: seen.append(loop._current_handle))
        support.run_once(loop)
        assert seen == [handle]
        assert loop._current_handle is None
