"""Handle and TimerHandle: what call_soon and call_later answer."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import socket
import sys
import weakref

import pytest
import support
from hypothesis import given
from hypothesis import strategies as st

HERE = __file__


def callback(*args):
    pass


class Callable:
    def __call__(self):
        pass

    def method(self):
        pass

    def __repr__(self):
        return '<a callable>'


CALLBACKS = [
    callback,
    print,
    functools.partial(callback, 1, b=2),
    functools.partial(functools.partial(callback, 1), 2),
    Callable(),
    Callable().method,
    Callable,
    lambda: None,
    [].append,
]


class TestHandle:
    def test_is_a_stock_handle(self, impl, loop):
        handle = loop.call_soon(callback)
        assert isinstance(handle, asyncio.Handle)
        assert isinstance(handle, impl.Handle)
        assert not isinstance(handle, asyncio.TimerHandle)
        assert not isinstance(handle, impl.TimerHandle)
        handle.cancel()
        support.run_once(loop)

    @pytest.mark.parametrize('func', CALLBACKS, ids=str)
    @pytest.mark.parametrize('args', [(), (1,), ('a', 'b' * 500), tuple(range(20))], ids=len)
    @pytest.mark.parametrize('debug', [False, True])
    def test_repr_is_stocks(self, loop, func, args, debug):
        loop.set_debug(debug)
        ours = loop.call_soon(func, *args)
        stock = asyncio.Handle(func, args, loop)
        if debug:  # made on different lines
            made = ours._source_traceback[-1]
            shown = repr(stock)
            assert shown.startswith('<Handle ')
            here = stock._source_traceback[-1]
            shown = shown.replace(
                f'created at {here.filename}:{here.lineno}',
                f'created at {made.filename}:{made.lineno}',
            )
            assert repr(ours) == shown
        else:
            assert repr(ours) == repr(stock)
        ours.cancel()
        stock.cancel()
        if not debug:
            assert repr(ours) == repr(stock) == '<Handle cancelled>'
        else:
            assert repr(ours).startswith('<Handle cancelled ')
        support.run_once(loop)

    def test_debug_tells_where_it_was_made(self, loop):
        loop.set_debug(True)
        handle = loop.call_soon(callback)
        line = sys._getframe().f_lineno - 1
        assert handle._source_traceback[-1].filename == HERE
        assert handle._source_traceback[-1].lineno == line
        assert repr(handle).endswith(f' created at {HERE}:{line}>')
        handle.cancel()
        assert repr(handle).startswith('<Handle cancelled callback() at ')
        support.run_once(loop)

    def test_no_traceback_without_debug(self, loop):
        assert loop.call_soon(callback)._source_traceback is None
        support.run_once(loop)

    def test_cancel(self, loop):
        seen = []
        handle = loop.call_soon(seen.append, 1)
        assert handle.cancelled() is False
        assert handle.cancel() is None
        assert handle.cancelled() is True
        assert handle.cancel() is None
        support.run_once(loop)
        assert seen == []

    def test_cancel_after_it_ran(self, loop):
        seen = []
        handle = loop.call_soon(seen.append, 1)
        support.run_once(loop)
        assert not handle.cancelled()
        handle.cancel()
        assert handle.cancelled()
        assert seen == [1]

    def test_attributes(self, loop):
        handle = loop.call_soon(callback, 1, 2)
        assert handle._callback is callback
        assert tuple(handle._args) == (1, 2)
        assert handle._loop is loop
        assert handle._cancelled is False
        assert isinstance(handle._context, contextvars.Context)
        handle.cancel()
        assert handle._cancelled is True
        assert handle._callback is None
        assert handle._args is None
        support.run_once(loop)

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='get_context() came with 3.12')
    def test_get_context(self, loop):
        context = contextvars.copy_context()
        handle = loop.call_soon(callback, context=context)
        assert handle.get_context() is context
        assert isinstance(loop.call_soon(callback).get_context(), contextvars.Context)
        support.run_once(loop)

    def test_cancel_lets_go_of_callback_and_arguments(self, loop):
        argument, func = Callable(), Callable()
        refs = weakref.ref(argument), weakref.ref(func)
        handle = loop.call_soon(func, argument)
        handle.cancel()
        del argument, func
        assert [ref() for ref in refs] == [None, None]
        support.run_once(loop)

    def test_loop_lets_go_of_handles_that_ran(self, loop):
        argument = Callable()
        ref = weakref.ref(argument)
        loop.call_soon(callback, argument)
        loop.call_soon(callback, argument, 2, 3, 4, 5)
        loop.call_later(0, callback, argument)
        del argument
        support.run_until(loop, lambda: ref() is None)

    def test_weak_reference(self, loop):
        handle = loop.call_soon(callback)
        ref = weakref.ref(handle)
        assert ref() is handle
        support.run_once(loop)
        del handle
        support.run_once(loop)
        assert ref() is None

    def test_context_argument(self, loop):
        var = contextvars.ContextVar('var', default='outer')
        context = contextvars.copy_context()
        context.run(var.set, 'inner')
        seen = []
        loop.call_soon(lambda: seen.append(var.get()), context=context)
        loop.call_soon(lambda: seen.append(var.get()))
        loop.call_later(0, lambda: seen.append(var.get()), context=context)
        support.run_until(loop, lambda: len(seen) == 3)
        assert sorted(seen) == ['inner', 'inner', 'outer']

    def test_context_is_copied_when_scheduled(self, loop):
        var = contextvars.ContextVar('var')
        seen = []

        def setting():
            var.set('in callback')
            seen.append(var.get())

        var.set('before')
        loop.call_soon(lambda: seen.append(var.get()))
        loop.call_soon(setting)
        var.set('after')
        support.run_once(loop)
        assert seen == ['before', 'in callback']
        assert var.get() == 'after'

    def test_runs_in_a_context_that_is_entered_already(self, loop, caplog):
        # The callback fails, the loop reports it and goes on.  From 3.12 on the exception handler
        # runs in the handle's context, so it fails too, and that is logged.
        context = contextvars.copy_context()
        context.run(self._run_inside, loop, context)
        if sys.version_info >= (3, 12):
            [record] = caplog.records
            assert record.message.startswith('Unhandled error in exception handler\n')
            assert record.exc_info[0] is RuntimeError
            caplog.clear()
        else:
            [report] = loop.reports
            assert isinstance(report['exception'], RuntimeError)
            assert str(report['exception']).endswith('is already entered')
            loop.reports.clear()

    @staticmethod
    def _run_inside(loop, context):
        loop.call_soon(callback, context=context)
        support.run_once(loop)

    def test_any_number_of_arguments(self, loop):
        seen = []
        for count in range(12):
            loop.call_soon(lambda *args: seen.append(args), *range(count))
        support.run_once(loop)
        assert seen == [tuple(range(count)) for count in range(12)]

    def test_keywords_are_refused(self, loop):
        with pytest.raises(TypeError):
            loop.call_soon(callback, key=1)
        with pytest.raises(TypeError):
            loop.call_soon()


@pytest.mark.ours
@pytest.mark.parametrize('name', ['_callback', '_args', '_context', '_loop', '_cancelled', '_repr'])
def test_what_asyncio_keeps_for_itself_is_only_read(loop, name):
    for handle in (loop.call_soon(callback, 1), loop.call_later(0, callback, 1)):
        value = getattr(handle, name)
        with pytest.raises(AttributeError, match='not writable'):
            setattr(handle, name, value)
        with pytest.raises(TypeError, match='pickle'):
            copy.copy(handle)
        handle.cancel()


class TestTimerHandle:
    def test_is_a_stock_timer_handle(self, impl, loop):
        handle = loop.call_later(60, callback)
        assert isinstance(handle, asyncio.TimerHandle)
        assert isinstance(handle, asyncio.Handle)
        assert isinstance(handle, impl.TimerHandle)
        assert isinstance(handle, impl.Handle)
        handle.cancel()

    def test_when(self, loop):
        before = loop.time()
        handle = loop.call_later(60, callback)
        assert before + 60 <= handle.when() <= loop.time() + 60
        handle.cancel()
        handle = loop.call_at(12345678.5, callback)
        assert handle.when() == 12345678.5
        handle.cancel()
        assert handle.when() == 12345678.5

    @given(st.floats(allow_nan=False, min_value=1e9))
    def test_when_is_what_was_given(self, when):
        for impl in support.implementations():
            loop = impl.new_event_loop()
            try:
                handle = loop.call_at(when, callback)
                assert handle.when() == when
                assert handle._when == when
                handle.cancel()
            finally:
                loop.close()

    def test_repr(self, loop):
        handle = loop.call_at(1e9, callback)
        line = callback.__code__.co_firstlineno
        assert repr(handle) == f'<TimerHandle when=1000000000.0 callback() at {HERE}:{line}>'
        handle.cancel()
        assert repr(handle) == '<TimerHandle cancelled when=1000000000.0>'

    def test_repr_in_debug(self, loop):
        loop.set_debug(True)
        handle = loop.call_at(1e9, callback)
        created = sys._getframe().f_lineno - 1
        line = callback.__code__.co_firstlineno
        assert repr(handle) == (
            f'<TimerHandle when=1000000000.0 callback() at {HERE}:{line}'
            f' created at {HERE}:{created}>'
        )
        handle.cancel()
        assert repr(handle).startswith('<TimerHandle cancelled when=1000000000.0 ')

    def test_scheduled_attribute(self, loop):
        handle = loop.call_later(0, callback)
        later = loop.call_later(3600, callback)
        assert handle._scheduled
        support.run_until(loop, lambda: not handle._scheduled)
        assert later._scheduled
        later.cancel()

    def test_order_and_equality(self, loop):
        early, late = loop.call_at(1e9, callback, 1), loop.call_at(2e9, callback, 1)
        same = loop.call_at(1e9, callback, 1)
        other = loop.call_at(1e9, callback, 2)
        assert early < late
        assert late > early
        assert early <= late
        assert late >= early
        assert early == same
        assert early <= same
        assert early >= same
        assert not early < same
        assert not early > same
        assert early != late
        assert early != other
        assert early != 1e9
        with pytest.raises(TypeError):
            early < 1e9  # noqa: B015
        assert hash(early) == hash(same) == hash(1e9)
        same.cancel()
        assert early != same
        for handle in (early, late, other):
            handle.cancel()

    def test_cancel_lets_go_of_the_callback(self, loop):
        argument = Callable()
        ref = weakref.ref(argument)
        handle = loop.call_later(3600, callback, argument)
        del argument
        assert ref() is not None
        handle.cancel()
        assert ref() is None

    def test_cancel_twice_and_after_close(self, impl):
        loop = impl.new_event_loop()
        first, second = loop.call_later(3600, callback), loop.call_later(3600, callback)
        first.cancel()
        first.cancel()
        loop.close()
        second.cancel()
        assert second.cancelled()
        gc.collect()


class TestConstructed:
    """Libraries make handles of their own (anyio, aiohttp's tests, fake loops)."""

    def test_handle(self, impl, loop):
        seen = []
        handle = impl.Handle(seen.append, (1,), loop)
        handle._run()
        assert seen == [1]
        assert not handle.cancelled()
        handle.cancel()
        assert handle.cancelled()

    def test_handle_with_context(self, impl, loop):
        var = contextvars.ContextVar('var', default=0)
        context = contextvars.copy_context()
        context.run(var.set, 1)
        seen = []
        impl.Handle(lambda: seen.append(var.get()), (), loop, context)._run()
        impl.Handle(lambda: seen.append(var.get()), (), loop, context=context)._run()
        impl.Handle(lambda: seen.append(var.get()), (), loop)._run()
        assert seen == [1, 1, 0]

    def test_timer_handle(self, impl, loop):
        handle = impl.TimerHandle(5.0, callback, (), loop)
        assert handle.when() == 5.0
        assert repr(handle).startswith('<TimerHandle when=5.0 callback() at ')
        assert handle < impl.TimerHandle(6.0, callback, (), loop)
        assert handle == impl.TimerHandle(5.0, callback, (), loop)
        handle.cancel()
        assert handle.cancelled()

    def test_run_that_raises_is_reported(self, impl, loop):
        error = KeyError('k')

        def fails():
            raise error

        handle = impl.Handle(fails, (), loop)
        handle._run()
        [report] = loop.reports
        assert report['exception'] is error
        assert report['handle'] is handle
        assert report['message'] == f'Exception in callback {repr(handle)[len("<Handle ") : -1]}'
        loop.reports.clear()
        error.__traceback__ = None

    def test_stock_handle_on_our_loop(self, impl, loop):
        seen = []
        handle = asyncio.Handle(seen.append, (1,), loop)
        handle._run()
        assert seen == [1]
        timer = asyncio.TimerHandle(5.0, seen.append, (2,), loop)
        timer.cancel()
        assert timer.cancelled()


class TestReport:
    def test_of_a_callback_that_raises(self, loop):
        error = KeyError('k')

        def fails(*args):
            raise error

        handle = loop.call_soon(fails, 1)
        shown = repr(asyncio.Handle(fails, (1,), loop))[len('<Handle ') : -1]
        support.run_once(loop)
        [report] = loop.reports
        assert report == {
            'message': f'Exception in callback {shown}',
            'exception': error,
            'handle': handle,
        }
        loop.reports.clear()
        error.__traceback__ = None

    def test_in_debug_tells_where_it_was_made(self, loop):
        loop.set_debug(True)
        error = KeyError('k')

        def fails():
            raise error

        handle = loop.call_soon(fails)
        support.run_once(loop)
        [report] = loop.reports
        assert report['source_traceback'] is handle._source_traceback
        assert report['handle'] is handle
        loop.reports.clear()
        error.__traceback__ = None


class TestReplacedRun:
    """Programs that time every callback put a function of their own into Handle._run."""

    @pytest.fixture
    def ran(self, monkeypatch):
        original = asyncio.Handle._run
        ran = []

        def run(handle):
            ran.append((handle._callback, handle._args))
            return original(handle)

        monkeypatch.setattr(asyncio.Handle, '_run', run)
        return ran

    @pytest.mark.parametrize('debug', [False, True])
    def test_callbacks(self, loop, ran, debug):
        loop.set_debug(debug)
        seen = []
        loop.call_soon(seen.append, 1)
        loop.call_later(-1, seen.append, 2)
        loop.call_soon(seen.append, 3).cancel()
        support.run_once(loop)
        assert sorted(seen) == [1, 2]
        appended = [args for call, args in ran if call == seen.append]
        assert sorted(appended) == [(1,), (2,)]

    def test_tasks(self, loop, ran):
        async def main():
            await asyncio.sleep(0)
            future = loop.create_future()
            loop.call_soon(future.set_exception, KeyError('k'))
            with pytest.raises(KeyError):
                await future
            return asyncio.current_task()

        task = loop.run_until_complete(main())
        assert [call.__self__ is task for call, _ in ran[:3]] == [True, True, False]
        assert ran[3][0].__self__ is task

    def test_gather(self, impl, loop, ran):
        async def one(result):
            await impl.module.sleep(0)
            return result

        async def main():
            return await impl.module.gather(one(1), one(2))

        assert loop.run_until_complete(main()) == [1, 2]
        assert len(ran) >= 8

    def test_error_of_a_callback(self, loop, ran):
        loop.call_soon(lambda: 1 / 0)
        support.run_once(loop)
        assert 'ZeroDivisionError' in repr(loop.reports)
        loop.reports.clear()

    @pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, RuntimeError])
    def test_that_raises(self, loop, monkeypatch, error):
        def run(handle):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(asyncio.Handle, '_run', run)
            loop.call_soon(print)
            with pytest.raises(error):
                support.run_once(loop)
        seen = []
        loop.call_soon(seen.append, 1)
        support.run_once(loop)
        assert seen == [1]


class TestVariablesOfACallback:
    """What a callback sets in its context stays in the handle's: for the exception handler, and
    for the next call of a reader."""

    variable = contextvars.ContextVar('variable', default='default')

    def test_exception_handler_sees_them(self, loop):
        seen = []

        def callback():
            self.variable.set('set')
            raise KeyError('k')

        def handler(loop, context):
            seen.append(context['handle']._context.get(self.variable))

        loop.set_exception_handler(handler)
        loop.call_soon(callback)
        support.run_once(loop)
        loop.set_exception_handler(None)
        assert seen == ['set']

    def test_reader_keeps_them(self, loop):
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            seen = []

            def readable():
                seen.append(self.variable.get())
                self.variable.set(len(seen))

            loop.add_reader(near, readable)
            far.send(b'x')
            support.run_once(loop)
            support.run_once(loop)
            loop.remove_reader(near)
        assert seen == ['default', 1]

    def test_token_is_of_the_same_context_later(self, loop):
        async def main():
            token = self.variable.set('task')
            await asyncio.sleep(0)
            assert self.variable.get() == 'task'
            self.variable.reset(token)
            return self.variable.get()

        assert loop.run_until_complete(main()) == 'default'


@pytest.mark.ours
def test_init_again_is_refused(impl, loop):
    handle = loop.call_soon(print)
    with pytest.raises(RuntimeError, match='made by an event loop'):
        handle.__init__(print, (), loop)
    handle.cancel()


def test_a_method_of_the_loop_is_named_by_the_class_that_has_it(impl, loop):
    handle = loop.call_soon(loop.stop)
    name = 'EventLoop' if impl.ours else 'BaseEventLoop'
    assert repr(handle) == f'<Handle {name}.stop()>'
    handle.cancel()


def test_a_handle_class_put_into_asyncio_is_asyncio_s_alone(impl, loop, monkeypatch):
    class Handle(asyncio.Handle):
        pass

    monkeypatch.setattr(asyncio.events, 'Handle', Handle)
    handle = loop.call_soon(print)
    assert isinstance(handle, Handle) is not impl.ours
    handle.cancel()
