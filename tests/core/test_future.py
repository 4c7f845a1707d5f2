"""Future: states, callbacks, awaiting, reprs, private attributes, what is reported when it dies."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import pickle
import re
import sys
import types
import weakref

import pytest
import support
from hypothesis import given
from hypothesis import strategies as st

HERE = __file__


@pytest.fixture(params=['constructed', 'create_future'])
def make(request, impl, loop):
    """Both ways to a future of the loop."""
    if request.param == 'create_future':
        return loop.create_future
    return lambda: impl.Future(loop=loop)


class TestStates:
    def test_new_one_is_pending(self, make):
        fut = make()
        assert not fut.done()
        assert not fut.cancelled()
        assert fut._state == 'PENDING'

    def test_result(self, make):
        fut = make()
        value = object()
        assert fut.set_result(value) is None
        assert fut.done()
        assert not fut.cancelled()
        assert fut.result() is value
        assert fut.exception() is None
        assert fut._state == 'FINISHED'

    def test_exception(self, make):
        fut = make()
        error = ValueError('x')
        fut.set_exception(error)
        assert fut.done()
        assert fut.exception() is error
        with pytest.raises(ValueError, match=r'x') as caught:
            fut.result()
        assert caught.value is error
        error.__traceback__ = None

    def test_exception_class_is_instantiated(self, make):
        fut = make()
        fut.set_exception(ValueError)
        assert type(fut.exception()) is ValueError

    @pytest.mark.parametrize('state', ['set_result', 'set_exception', 'cancel'])
    @pytest.mark.parametrize('method', ['set_result', 'set_exception'])
    def test_finished_only_once(self, make, state, method):
        fut = make()
        argument = {'set_result': 1, 'set_exception': KeyError()}
        if state == 'cancel':
            assert fut.cancel()
            shown = re.escape(repr(fut))
        else:
            getattr(fut, state)(argument[state])
            shown = re.escape(repr(fut))
        name = {'cancel': 'CANCELLED'}.get(state, 'FINISHED')
        with pytest.raises(asyncio.InvalidStateError, match=rf'^({name}: {shown}|invalid state)$'):
            getattr(fut, method)(argument[method])
        if state == 'set_exception':
            fut.exception()

    def test_not_finished_yet(self, make):
        fut = make()
        with pytest.raises(asyncio.InvalidStateError, match=r'^Result is not set\.$'):
            fut.result()
        with pytest.raises(asyncio.InvalidStateError, match=r'^Exception is not set\.$'):
            fut.exception()

    def test_cancel(self, make):
        fut = make()
        assert fut.cancel() is True
        assert fut.cancelled()
        assert fut.done()
        assert fut._state == 'CANCELLED'
        assert fut.cancel() is False
        with pytest.raises(asyncio.CancelledError):
            fut.result()
        with pytest.raises(asyncio.CancelledError):
            fut.exception()

    def test_cancel_of_finished_one_does_nothing(self, make):
        fut = make()
        fut.set_result(1)
        assert fut.cancel() is False
        assert fut.result() == 1

    @pytest.mark.parametrize('msg', [None, 'stop', 7, ('a', 'b')])
    def test_cancel_message(self, make, msg):
        fut = make()
        fut.cancel(msg)
        assert fut._cancel_message == msg
        with pytest.raises(asyncio.CancelledError) as caught:
            fut.result()
        assert caught.value.args == (() if msg is None else (msg,))

    def test_cancel_message_by_keyword(self, make):
        fut = make()
        fut.cancel(msg='why')
        with pytest.raises(asyncio.CancelledError, match=r'^why$'):
            fut.result()

    def test_cancelled_error_is_made_once(self, make):
        fut = make()
        fut.cancel('m')
        with pytest.raises(asyncio.CancelledError) as first:
            fut.result()
        with pytest.raises(asyncio.CancelledError) as second:
            fut.result()
        # The first one asked for is the one stored; later ones are new, of no message.
        assert first.value.args == ('m',)
        assert type(second.value) is asyncio.CancelledError

    def test_make_cancelled_error(self, make):
        fut = make()
        fut.cancel('m')
        error = fut._make_cancelled_error()
        assert type(error) is asyncio.CancelledError
        assert error.args == ('m',)

    @pytest.mark.parametrize('bad', [StopIteration, StopIteration('x')])
    def test_stop_iteration_cannot_be_set(self, make, bad):
        fut = make()
        text = 'StopIteration interacts badly with generators and cannot be raised into a Future'
        # gh-112182 changed this within 3.11 and 3.12.
        refused = None
        try:
            fut.set_exception(bad)
        except TypeError as exc:
            refused = exc
        if sys.version_info >= (3, 13) or refused is None:
            assert refused is None
            error = fut.exception()
            assert type(error) is RuntimeError
            assert str(error) == text
            assert type(error.__cause__) is StopIteration
            assert error.__context__ is error.__cause__
        else:
            assert str(refused) == text
            assert not fut.done()

    @pytest.mark.parametrize('bad', [1, 'error', None, object, int])
    def test_exception_must_be_one(self, make, bad):
        fut = make()
        with pytest.raises(TypeError, match=r'invalid exception object'):
            fut.set_exception(bad)
        assert not fut.done()

    def test_exception_class_that_makes_something_else(self, make):
        class Odd(Exception):
            def __new__(cls):
                return 5

        fut = make()
        with pytest.raises(TypeError, match=r'invalid exception object'):
            fut.set_exception(Odd)

    def test_exception_class_that_raises(self, make):
        class Fails(Exception):
            def __init__(self):
                raise KeyError('in init')

        fut = make()
        with pytest.raises(KeyError, match=r'in init'):
            fut.set_exception(Fails)
        assert not fut.done()

    def test_traceback_does_not_grow(self, make):
        def length(tb):
            count = 0
            while tb is not None:
                tb, count = tb.tb_next, count + 1
            return count

        def raised():
            try:
                raise ValueError('x')
            except ValueError as exc:
                return exc

        fut = make()
        fut.set_exception(raised())
        lengths = set()
        for _ in range(5):
            try:
                fut.result()
            except ValueError as exc:
                lengths.add(length(exc.__traceback__))
        assert lengths <= {1, 2}
        fut.exception().__traceback__ = None

    def test_get_loop(self, loop, make):
        fut = make()
        assert fut.get_loop() is loop
        assert fut._loop is loop


class TestConstructor:
    def test_loop_is_keyword_only(self, impl, loop):
        with pytest.raises(TypeError):
            impl.Future(loop)

    def test_unknown_keyword(self, impl, loop):
        with pytest.raises(TypeError):
            impl.Future(loop=loop, nothing=1)

    def test_running_loop_is_the_default(self, impl, loop):
        async def main():
            fut = impl.Future()
            assert fut.get_loop() is loop
            assert impl.Future(loop=None).get_loop() is loop

        loop.run_until_complete(main())

    def test_subclass(self, impl, loop):
        class Mine(impl.Future):
            def __init__(self, *, loop=None):
                super().__init__(loop=loop)
                self.extra = 1

        fut = Mine(loop=loop)
        assert repr(fut) == '<Mine pending>'
        assert isinstance(fut, asyncio.Future)
        fut.set_result(2)
        assert loop.run_until_complete(fut) == 2

    def test_subclass_without_init(self, impl, loop):
        class Broken(impl.Future):
            def __init__(self):
                pass

        fut = Broken()
        with pytest.raises(RuntimeError, match=r'^Future object is not initialized\.$'):
            fut.get_loop()
        with pytest.raises((RuntimeError, asyncio.InvalidStateError)):
            fut.set_result(1)
        with pytest.raises((RuntimeError, asyncio.InvalidStateError)):
            fut.result()
        with pytest.raises((RuntimeError, AttributeError)):
            fut.add_done_callback(print)
        fut.cancelled()
        fut.done()
        del fut

    @pytest.mark.skipif(sys.version_info < (3, 15), reason='allowed before 3.15')
    def test_init_again_is_refused(self, impl, loop):
        fut = impl.Future(loop=loop)
        with pytest.raises(RuntimeError, match=r'^\S+Future object is already initialized$'):
            fut.__init__(loop=loop)

    @pytest.mark.skipif(sys.version_info >= (3, 15), reason='refused from 3.15 on')
    def test_init_again_starts_anew(self, impl, loop):
        fut = impl.Future(loop=loop)
        fut.set_exception(ValueError('dropped'))
        fut.__init__(loop=loop)
        assert not fut.done()
        fut.set_result(1)
        fut.__init__(loop=loop)
        assert not fut.done()
        fut.cancel('m')
        fut.__init__(loop=loop)
        assert fut._cancel_message is None
        loop.reports.clear()

    def test_is_a_stock_future(self, loop, make):
        fut = make()
        assert isinstance(fut, asyncio.Future)
        assert asyncio.isfuture(fut)
        assert asyncio.ensure_future(fut) is fut
        assert asyncio.wrap_future(fut) is fut

    def test_generic_alias(self, impl):
        alias = impl.Future[int]
        assert isinstance(alias, types.GenericAlias)
        assert alias.__origin__ is impl.Future
        assert alias.__args__ == (int,)

    def test_cannot_be_pickled(self, make):
        fut = make()
        fut.set_result(1)
        with pytest.raises(TypeError):
            pickle.dumps(fut)

    def test_attributes_can_be_added(self, impl, loop):
        # Stock's C Future has no __dict__; both say the same of an unknown name.
        fut = loop.create_future()
        with pytest.raises(AttributeError):
            fut.nothing_of_that_name  # noqa: B018

    def test_name(self, impl):
        assert impl.Future.__name__ == 'Future'
        assert impl.Future.__qualname__ == 'Future'


class TestCallbacks:
    def test_run_later_in_order_with_the_future(self, loop, make):
        fut, seen = make(), []
        fut.add_done_callback(lambda f: seen.append((1, f)))
        fut.add_done_callback(lambda f: seen.append((2, f)))
        fut.add_done_callback(lambda f: seen.append((3, f)))
        fut.set_result(None)
        assert seen == []
        support.run_once(loop)
        assert seen == [(1, fut), (2, fut), (3, fut)]

    def test_added_when_done(self, loop, make):
        fut, seen = make(), []
        fut.set_result(None)
        fut.add_done_callback(seen.append)
        assert seen == []
        support.run_once(loop)
        assert seen == [fut]

    def test_run_on_cancel_and_exception(self, loop, make):
        seen = []
        one, two = make(), make()
        one.add_done_callback(seen.append)
        two.add_done_callback(seen.append)
        one.cancel()
        two.set_exception(KeyError())
        two.exception()
        support.run_once(loop)
        assert seen == [one, two]

    def test_remove_all_that_are_equal(self, loop, make):
        fut, seen = make(), []

        class Equal:
            def __init__(self, number):
                self.number = number

            def __eq__(self, other):
                return isinstance(other, Equal) and self.number == other.number

            def __call__(self, fut):
                seen.append(self.number)

        for number in (1, 2, 1, 3, 1):
            fut.add_done_callback(Equal(number))
        assert fut.remove_done_callback(Equal(1)) == 3
        assert fut.remove_done_callback(Equal(1)) == 0
        assert fut.remove_done_callback(Equal(4)) == 0
        fut.set_result(None)
        support.run_once(loop)
        assert seen == [2, 3]

    @pytest.mark.parametrize('count', [0, 1, 2, 3, 10])
    def test_remove_each_of_many(self, loop, make, count):
        fut = make()
        callbacks = [lambda f, n=n: None for n in range(count)]
        for callback in callbacks:
            fut.add_done_callback(callback)
        assert len(fut._callbacks or ()) == count
        for left in range(count, 0, -1):
            assert fut.remove_done_callback(callbacks[count - left]) == 1
            assert len(fut._callbacks or ()) == left - 1
        assert not fut._callbacks

    def test_remove_with_eq_that_raises(self, make):
        class Bad:
            def __eq__(self, other):
                raise ZeroDivisionError

        for count in (1, 2, 3):
            fut = make()
            for _ in range(count):
                fut.add_done_callback(print)
            with pytest.raises(ZeroDivisionError):
                fut.remove_done_callback(Bad())

    @pytest.mark.parametrize('count', [1, 2, 5])
    def test_remove_with_eq_that_empties_the_list(self, make, count):
        # bpo-28963: the list changes under remove_done_callback.
        fut = make()

        class Evil:
            def __eq__(self, other):
                fut.remove_done_callback(print)
                return False

        for _ in range(count):
            fut.add_done_callback(print)
        fut.remove_done_callback(Evil())
        assert not fut._callbacks

    def test_eq_that_finishes_the_future(self, loop, make):
        fut = make()

        class Evil:
            def __eq__(self, other):
                if not fut.done():
                    fut.set_result(1)
                return False

        seen = []
        for _ in range(4):
            fut.add_done_callback(seen.append)
        fut.remove_done_callback(Evil())
        support.run_once(loop)
        assert fut.result() == 1

    def test_callbacks_attribute(self, make):
        fut = make()
        assert fut._callbacks is None
        fut.add_done_callback(print)
        context = contextvars.copy_context()
        fut.add_done_callback(len, context=context)
        (first, first_context), (second, second_context) = fut._callbacks
        assert first is print
        assert isinstance(first_context, contextvars.Context)
        assert second is len
        assert second_context is context

    def test_callbacks_are_dropped_when_done(self, loop, make):
        class Callback:
            def __call__(self, fut):
                pass

        fut, callback = make(), Callback()
        ref = weakref.ref(callback)
        fut.add_done_callback(callback)
        fut.set_result(None)
        assert not fut._callbacks
        support.run_once(loop)
        del callback
        gc.collect()
        assert ref() is None

    def test_context(self, loop, make):
        var = contextvars.ContextVar('var', default=0)
        seen = []
        fut = make()
        context = contextvars.copy_context()
        context.run(var.set, 1)
        fut.add_done_callback(lambda f: seen.append(var.get()), context=context)
        var.set(2)
        fut.add_done_callback(lambda f: seen.append(var.get()))
        var.set(3)
        fut.add_done_callback(lambda f: seen.append(var.get()))
        fut.set_result(None)
        var.set(4)
        support.run_once(loop)
        assert seen == [1, 2, 3]

    def test_context_may_be_none(self, loop, make):
        seen = []
        fut = make()
        fut.add_done_callback(seen.append, context=None)
        fut.set_result(None)
        fut.add_done_callback(seen.append, context=None)
        support.run_once(loop)
        assert seen == [fut, fut]

    def test_context_is_keyword_only(self, make):
        fut = make()
        with pytest.raises(TypeError):
            fut.add_done_callback(print, contextvars.copy_context())

    def test_callback_that_raises_is_reported(self, loop, make):
        fut, seen = make(), []
        error = ZeroDivisionError()

        def fails(fut):
            raise error

        fut.add_done_callback(fails)
        fut.add_done_callback(seen.append)
        fut.set_result(None)
        support.run_once(loop)
        assert seen == [fut]
        [report] = loop.reports
        assert report['exception'] is error
        assert report['message'].startswith('Exception in callback ')
        loop.reports.clear()
        error.__traceback__ = None

    def test_set_from_a_callback(self, loop, make):
        first, second = make(), make()
        first.add_done_callback(lambda f: second.set_result(f.result() + 1))
        first.set_result(1)
        assert loop.run_until_complete(second) == 2

    def test_call_soon_of_the_instance_is_used(self, impl, loop):
        fut = loop.create_future()
        calls = []
        loop.call_soon = lambda *args, **kwargs: calls.append((args, kwargs))
        try:
            fut.add_done_callback(print)
            fut.set_result(None)
            (args, kwargs) = calls[0]
            assert args == (print, fut)
            assert list(kwargs) == ['context']
        finally:
            del loop.call_soon

    @given(st.lists(st.tuples(st.sampled_from(['add', 'remove']), st.integers(0, 4))))
    def test_list_is_that_of_the_model(self, steps):
        for impl in support.implementations():
            loop = impl.new_event_loop()
            try:
                seen, expected = [], []
                callbacks = [lambda f, n=n, seen=seen: seen.append(n) for n in range(5)]
                fut = loop.create_future()
                for verb, number in steps:
                    if verb == 'add':
                        fut.add_done_callback(callbacks[number])
                        expected.append(number)
                    else:
                        count = fut.remove_done_callback(callbacks[number])
                        assert count == expected.count(number)
                        expected = [n for n in expected if n != number]
                    listed = [callback for callback, _ in fut._callbacks or ()]
                    assert listed == [callbacks[n] for n in expected]
                fut.set_result(None)
                support.run_once(loop)
                assert seen == expected
            finally:
                loop.close()


class TestRepr:
    def test_pending(self, make):
        assert repr(make()) == '<Future pending>'

    def test_finished(self, make):
        fut = make()
        fut.set_result(4)
        assert repr(fut) == '<Future finished result=4>'

    def test_long_result_is_cut(self, make):
        fut = make()
        fut.set_result(list(range(100)))
        assert repr(fut) == '<Future finished result=[0, 1, 2, 3, 4, 5, ...]>'

    def test_exception(self, make):
        fut = make()
        fut.set_exception(RuntimeError('x'))
        assert repr(fut) == "<Future finished exception=RuntimeError('x')>"
        fut.exception()

    def test_cancelled(self, make):
        fut = make()
        fut.cancel()
        assert repr(fut) == '<Future cancelled>'

    def test_callbacks(self, make):
        def callback(fut):
            pass

        line = callback.__code__.co_firstlineno
        name = 'TestRepr.test_callbacks.<locals>.callback()'
        shown = f'{name} at {HERE}:{line}'
        fut = make()
        fut.add_done_callback(callback)
        assert repr(fut) == f'<Future pending cb=[{shown}]>'
        fut.add_done_callback(callback)
        assert repr(fut) == f'<Future pending cb=[{shown}, {shown}]>'
        fut.add_done_callback(callback)
        assert repr(fut) == f'<Future pending cb=[{shown}, <1 more>, {shown}]>'
        for _ in range(5):
            fut.add_done_callback(callback)
        assert repr(fut) == f'<Future pending cb=[{shown}, <6 more>, {shown}]>'

    def test_debug_tells_where_it_was_made(self, impl, loop):
        loop.set_debug(True)
        fut = loop.create_future()
        line = sys._getframe().f_lineno - 1
        # Stock's create_future() is Python and in the traceback, ours is C.
        frame = fut._source_traceback[-1 if impl.ours else -2]
        assert (frame.filename, frame.lineno) == (HERE, line)
        fut = impl.Future(loop=loop)
        line = sys._getframe().f_lineno - 1
        assert repr(fut) == f'<Future pending created at {HERE}:{line}>'

    def test_of_itself(self, make):
        fut = make()
        fut.set_result(fut)
        assert repr(fut) == '<Future finished result=...>'


class TestAwaiting:
    def test_pending(self, loop, make):
        fut = make()

        async def main():
            loop.call_soon(fut.set_result, 'value')
            return await fut

        assert loop.run_until_complete(main()) == 'value'

    def test_done(self, loop, make):
        fut = make()
        fut.set_result('value')

        async def main():
            return await fut, await fut

        assert loop.run_until_complete(main()) == ('value', 'value')

    @pytest.mark.parametrize(
        'value', [None, 1, (), (1, 2), StopIteration(3), ValueError('as value')]
    )
    def test_result_of_any_kind(self, loop, make, value):
        # Tuples and exceptions are awkward: StopIteration(value) would unpack or replace them.
        done, pending = make(), make()
        done.set_result(value)

        async def main():
            loop.call_soon(pending.set_result, value)
            return await done, await pending

        one, two = loop.run_until_complete(main())
        assert one is value
        assert two is value

    def test_exception(self, loop, make):
        error = ValueError('x')

        async def main():
            fut = make()
            loop.call_soon(fut.set_exception, error)
            await fut

        with pytest.raises(ValueError, match=r'x') as caught:
            loop.run_until_complete(main())
        assert caught.value is error
        error.__traceback__ = None

    def test_cancelled(self, loop, make):
        async def main():
            fut = make()
            loop.call_soon(fut.cancel, 'm')
            with pytest.raises(asyncio.CancelledError) as caught:
                await fut
            return caught.value.args

        assert loop.run_until_complete(main()) == ('m',)

    def test_iterator_protocol(self, make):
        fut = make()
        iterator = iter(fut)
        assert fut._asyncio_future_blocking is False
        assert next(iterator) is fut
        assert fut._asyncio_future_blocking is True
        fut._asyncio_future_blocking = False
        fut.set_result(5)
        with pytest.raises(StopIteration) as caught:
            next(iterator)
        assert caught.value.value == 5

    def test_await_protocol(self, make):
        fut = make()
        iterator = fut.__await__()
        assert iterator.send(None) is fut
        fut.set_result((1, 2))
        with pytest.raises(StopIteration) as caught:
            iterator.send(None)
        assert caught.value.value == (1, 2)

    def test_iterator_not_waited_for(self, make):
        fut = make()
        iterator = iter(fut)
        next(iterator)
        with pytest.raises(RuntimeError, match=r"^await wasn't used with future$"):
            next(iterator)

    def test_iterator_exhausted(self, make):
        fut = make()
        fut.set_result(1)
        iterator = iter(fut)
        with pytest.raises(StopIteration):
            next(iterator)
        with pytest.raises(StopIteration) as caught:
            next(iterator)
        assert caught.value.value == (1 if sys.version_info >= (3, 14) else None)

    def test_iterator_throw_and_close(self, make):
        fut = make()
        iterator = iter(fut)
        next(iterator)
        with pytest.raises(KeyError, match=r'k'):
            iterator.throw(KeyError('k'))
        iterator.close()
        iterator = iter(fut)
        with pytest.raises(ZeroDivisionError):
            iterator.throw(ZeroDivisionError())

    @pytest.mark.filterwarnings('ignore::DeprecationWarning')
    def test_iterator_throw_of_old(self, make):
        fut = make()
        with pytest.raises(KeyError) as caught:
            iter(fut).throw(KeyError, KeyError('k'), None)
        assert caught.value.args == ('k',)
        with pytest.raises(KeyError) as caught:
            iter(fut).throw(KeyError, 'k')
        assert caught.value.args == ('k',)
        with pytest.raises(TypeError):
            iter(fut).throw(KeyError('k'), 'value too')
        with pytest.raises(TypeError):
            iter(fut).throw('text')
        with pytest.raises(TypeError):
            iter(fut).throw(KeyError, 'k', 'no traceback')

    def test_many_waiters(self, loop, make):
        fut, order = make(), []

        async def waiter(number):
            order.append((number, await fut))

        async def main():
            tasks = [loop.create_task(waiter(n)) for n in range(5)]
            await asyncio.sleep(0)
            fut.set_result('r')
            await asyncio.gather(*tasks)

        loop.run_until_complete(main())
        assert order == [(n, 'r') for n in range(5)]

    def test_yield_from(self, loop, make):
        fut = make()

        @types.coroutine
        def old():
            return (yield from fut)

        async def main():
            loop.call_soon(fut.set_result, 1)
            return await old()

        assert loop.run_until_complete(main()) == 1


class TestPrivateAttributes:
    def test_defaults(self, loop, make):
        fut = make()
        assert fut._state == 'PENDING'
        assert fut._result is None
        assert fut._exception is None
        assert fut._callbacks is None
        assert fut._loop is loop
        assert fut._log_traceback is False
        assert fut._source_traceback is None
        assert fut._cancel_message is None
        assert fut._asyncio_future_blocking is False
        if sys.version_info >= (3, 14):
            assert fut._asyncio_awaited_by is None

    def test_after_result_and_exception(self, make):
        fut = make()
        fut.set_result(3)
        assert fut._result == 3
        fut = make()
        error = KeyError()
        fut.set_exception(error)
        assert fut._exception is error
        assert fut._log_traceback is True
        fut.exception()
        assert fut._log_traceback is False

    def test_log_traceback_can_be_cleared_only(self, make):
        fut = make()
        with pytest.raises(ValueError, match=r'^_log_traceback can only be set to False$'):
            fut._log_traceback = True
        fut.set_exception(KeyError())
        fut._log_traceback = False
        assert fut._log_traceback is False

    def test_cancel_message_can_be_set(self, make):
        fut = make()
        fut._cancel_message = 'set'
        assert fut._cancel_message == 'set'
        fut.cancel('given')
        assert fut._cancel_message == 'given'
        fut._cancel_message = 'changed'
        with pytest.raises(asyncio.CancelledError, match=r'^changed$'):
            fut.result()

    def test_blocking_flag_takes_truth(self, make):
        fut = make()
        fut._asyncio_future_blocking = True
        assert fut._asyncio_future_blocking is True
        fut._asyncio_future_blocking = 0
        assert fut._asyncio_future_blocking is False

    @pytest.mark.parametrize(
        'name', ['_state', '_result', '_exception', '_callbacks', '_loop', '_source_traceback']
    )
    def test_read_only(self, make, name):
        fut = make()
        with pytest.raises(AttributeError):
            setattr(fut, name, None)

    @pytest.mark.parametrize('name', ['_log_traceback', '_asyncio_future_blocking'])
    def test_not_deletable(self, make, name):
        fut = make()
        with pytest.raises(AttributeError, match=r'^cannot delete attribute$|cannot be deleted$'):
            delattr(fut, name)


class TestReferences:
    """What the garbage collector is told: each reference, once."""

    def count(self, owner, *objects):
        referents = gc.get_referents(owner)
        return [sum(each is one for each in referents) for one in objects]

    def test_of_a_future(self, loop, make):
        fut, result = make(), object()
        assert self.count(fut, loop) == [1]
        fut.set_result(result)
        assert self.count(fut, loop, result) == [1, 1]

    def test_of_one_that_failed(self, loop, make):
        fut, error = make(), None
        try:
            raise KeyError
        except KeyError as exc:
            error = exc
        trace = error.__traceback__
        fut.set_exception(error)
        assert self.count(fut, error, trace) == [1, 1]
        with pytest.raises(KeyError):
            fut.result()
        assert self.count(fut, error, trace) == [1, 0]

    def test_of_a_cancelled_one(self, make):
        fut, message = make(), object()
        fut.cancel(message)
        assert self.count(fut, message) == [1]

    def test_of_one_in_debug_mode(self, loop, make):
        loop.set_debug(True)
        fut = make()
        assert self.count(fut, fut._source_traceback) == [1]

    def test_of_a_task(self, loop):
        raised = asyncio.CancelledError()

        async def wait():
            try:
                await fut
            except asyncio.CancelledError:
                raise raised from None

        fut, coro = loop.create_future(), wait()
        task = loop.create_task(coro)
        support.run_once(loop)
        assert self.count(task, loop, coro, fut) == [1, 1, 1]
        task.cancel('message')
        support.run_once(loop)
        support.run_once(loop)
        assert task.cancelled()
        assert self.count(task, loop, coro, fut, raised) == [1, 1, 0, 1]


class TestEndOfLife:
    def test_exception_never_retrieved(self, loop, make):
        fut = make()
        error = ValueError('lost')
        fut.set_exception(error)
        shown = repr(fut)
        del fut
        gc.collect()
        [report] = loop.reports
        assert report['message'] == 'Future exception was never retrieved'
        assert report['exception'] is error
        assert repr(report['future']) == shown
        assert set(report) == {'message', 'exception', 'future'}
        loop.reports.clear()
        del report

    def test_exception_never_retrieved_in_debug(self, loop, make):
        loop.set_debug(True)
        fut = make()
        fut.set_exception(ValueError('lost'))
        trace = fut._source_traceback
        del fut
        gc.collect()
        [report] = loop.reports
        assert report['source_traceback'] is trace
        loop.reports.clear()
        del report

    @pytest.mark.parametrize('how', ['result', 'exception', 'await', 'callback', 'flag'])
    def test_exception_retrieved(self, loop, make, how):
        fut = make()
        fut.set_exception(ValueError('x'))
        if how == 'result':
            with pytest.raises(ValueError, match=r'x'):
                fut.result()
        elif how == 'exception':
            fut.exception()
        elif how == 'await':
            with pytest.raises(ValueError, match=r'x'):
                loop.run_until_complete(fut)
        elif how == 'callback':
            fut.add_done_callback(lambda f: f.exception())
            support.run_once(loop)
        else:
            fut._log_traceback = False
        del fut
        gc.collect()
        assert loop.reports == []

    def test_subclass_is_named(self, impl, loop):
        class Mine(impl.Future):
            pass

        Mine(loop=loop).set_exception(KeyError())
        gc.collect()
        assert loop.reports[0]['message'] == 'Mine exception was never retrieved'
        loop.reports.clear()

    def test_pending_one_dies_silently(self, loop, make):
        make().add_done_callback(print)
        gc.collect()
        assert loop.reports == []

    def test_weak_reference(self, make):
        fut = make()
        ref = weakref.ref(fut)
        assert ref() is fut
        del fut
        assert ref() is None

    def test_cycle_through_result_is_collected(self, make):
        fut = make()
        fut.set_result([fut])
        ref = weakref.ref(fut)
        del fut
        gc.collect()
        assert ref() is None

    def test_cycle_through_callbacks_is_collected(self, make):
        refs = []
        for count in (1, 2, 3):
            fut = make()
            for _ in range(count):
                fut.add_done_callback(lambda f, fut=fut: None)
            refs.append(weakref.ref(fut))
            del fut
        gc.collect()
        assert [ref() for ref in refs] == [None] * 3

    def test_cycle_through_exception_is_collected(self, loop, make):
        fut = make()
        error = ValueError()
        error.fut = fut
        fut.set_exception(error)
        fut.exception()
        ref = weakref.ref(fut)
        del fut, error
        gc.collect()
        assert ref() is None

    def test_cycle_through_iterator_is_collected(self, make):
        class Holder:
            pass

        fut, holder = make(), Holder()
        holder.iterator = iter(fut)
        fut.add_done_callback(lambda f, holder=holder: None)
        ref = weakref.ref(fut)
        del fut, holder
        gc.collect()
        assert ref() is None

    def test_pending_exception_survives_the_report(self, loop, make):
        # The finalizer runs while another exception is on its way.
        def fails(fut):
            fut.set_exception(KeyError())
            del fut
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            fails(make())
        caught.value.__traceback__ = None
        gc.collect()
        assert [report['message'] for report in loop.reports] == [
            'Future exception was never retrieved'
        ]
        loop.reports.clear()
