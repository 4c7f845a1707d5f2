"""timeout(), timeout_at() and Timeout: states, deadlines, whose cancellation, hostile use."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import sys
import weakref

import pytest
import support
from sync.same import Scenarios, check, plain, tell

SINCE_313 = sys.version_info >= (3, 13)

pytestmark = pytest.mark.usefixtures('loop')


async def forever():
    await asyncio.get_running_loop().create_future()


class TestStates:
    async def test_left_in_time(self, aio, loop):
        scope = aio.timeout(60)
        assert repr(scope) == '<Timeout [created]>'
        assert not hasattr(scope, '_cancelling')
        async with scope as entered:
            assert entered is scope
            assert repr(scope) == f'<Timeout [active] when={round(scope.when(), 3)}>'
            assert scope._task is asyncio.current_task()
            assert scope._cancelling == 0
            assert scope._timeout_handler.when() == scope.when() == scope._when
            assert 50 < scope.when() - loop.time() <= 60
        assert repr(scope) == '<Timeout [finished]>'
        assert scope._timeout_handler is None
        assert scope.expired() is False

    async def test_overrun(self, aio):
        with pytest.raises(TimeoutError) as caught:
            async with aio.timeout(0) as scope:
                await forever()
        assert scope.expired() is True
        assert repr(scope) == '<Timeout [expired]>'
        assert tell(caught.value)[:3] == ['TimeoutError', '', True]
        assert type(caught.value.__cause__) is asyncio.CancelledError
        assert caught.value.__context__ is caught.value.__cause__
        assert asyncio.current_task().cancelling() == 0

    async def test_expiring(self, aio):
        scope = aio.timeout(-1)
        with pytest.raises(TimeoutError):
            async with scope:
                try:
                    await forever()
                finally:
                    assert scope._state is asyncio.timeouts._State.EXPIRING
                    assert repr(scope) == '<Timeout [expiring]>'
                    assert scope.expired() is True
                    with pytest.raises(
                        RuntimeError, match=r'^Cannot change state of expiring Timeout$'
                    ):
                        scope.reschedule(None)

    async def test_never(self, aio):
        async with aio.timeout(None) as scope:
            assert scope.when() is None
            assert repr(scope) == '<Timeout [active] when=None>'
            assert scope._timeout_handler is None
        assert scope.expired() is False

    async def test_at(self, aio, loop):
        when = loop.time() + 60
        async with aio.timeout_at(when) as scope:
            assert scope.when() is when
        with pytest.raises(TimeoutError):
            async with aio.timeout_at(loop.time()):
                await forever()

    async def test_whole_seconds(self, aio, loop):
        async with aio.timeout_at(10**6 + int(loop.time())) as scope:
            assert type(scope.when()) is int
        with pytest.raises(TimeoutError):
            async with aio.timeout_at(0):
                await forever()

    async def test_keywords(self, aio):
        assert aio.timeout(delay=None).when() is None
        assert aio.timeout_at(when=5).when() == 5
        scope = aio.Timeout(when=7)
        assert scope.when() == 7

    async def test_reschedule(self, aio, loop):
        scope = aio.timeout(60)
        with pytest.raises(RuntimeError, match=r'^Timeout has not been entered$'):
            scope.reschedule(None)
        async with scope:
            first = scope._timeout_handler
            scope.reschedule(when=loop.time() + 90)
            assert first.cancelled()
            assert not scope._timeout_handler.cancelled()
            scope.reschedule(None)
            assert scope._timeout_handler is None
            scope.reschedule(loop.time() + 90)
        with pytest.raises(RuntimeError, match=r'^Cannot change state of finished Timeout$'):
            scope.reschedule(None)

    async def test_rescheduled_into_the_past(self, aio, loop):
        with pytest.raises(TimeoutError):
            async with aio.timeout(60) as scope:
                scope.reschedule(loop.time() - 1)
                await forever()

    async def test_entered_twice(self, aio):
        scope = aio.timeout(60)
        async with scope:
            with pytest.raises(RuntimeError, match=r'^Timeout has already been entered$'):
                await scope.__aenter__()
        with pytest.raises(RuntimeError, match=r'^Timeout has already been entered$'):
            await scope.__aenter__()

    async def test_left_without_entering(self, aio):
        with pytest.raises(AssertionError):
            await aio.timeout(60).__aexit__(None, None, None)

    async def test_left_twice(self, aio):
        scope = aio.timeout(60)
        async with scope:
            pass
        with pytest.raises(AssertionError):
            await scope.__aexit__(None, None, None)

    def test_outside_a_loop(self, aio):
        with pytest.raises(RuntimeError, match=r'^no running event loop$'):
            aio.timeout(1)
        assert aio.timeout_at(1).when() == 1

    def test_outside_a_task(self, aio, loop):
        seen = []

        def callback():
            entering = aio.timeout(1).__aenter__()
            try:
                entering.send(None)
            except RuntimeError as error:
                seen.append(str(error))

        loop.call_soon(callback)
        support.run_once(loop)
        assert seen == ['Timeout should be used inside a task']

    @pytest.mark.parametrize('delay', ['x', [], object()], ids=type)
    async def test_no_number(self, aio, delay):
        with pytest.raises(TypeError):
            aio.timeout(delay)
        with pytest.raises(TypeError):
            async with aio.timeout_at(delay):
                pass

    async def test_wrong_arguments(self, aio):
        for call in [aio.timeout, aio.timeout_at, aio.Timeout]:
            with pytest.raises(TypeError):
                call()
            with pytest.raises(TypeError):
                call(1, 2)
            with pytest.raises(TypeError):
                call(nonsense=1)
        with pytest.raises(TypeError):
            aio.timeout(1).__aexit__(None)


class TestCancellations:
    async def test_other_cancellation(self, aio):
        async def main():
            async with aio.timeout(60):
                await forever()

        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        task.cancel('mine')
        with pytest.raises(asyncio.CancelledError, match='mine'):
            await task

    async def test_both_at_once(self, aio):
        async def main():
            try:
                async with aio.timeout(60) as scope:
                    scope.reschedule(0)
                    await forever()
            finally:
                told.append(asyncio.current_task().cancelling())

        told = []
        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told == [1]

    async def test_entered_while_cancelling(self, aio):
        async def main():
            try:
                await forever()
            except asyncio.CancelledError:
                async with aio.timeout(0) as scope:
                    assert scope._cancelling == 1
                    await forever()

        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(TimeoutError):
            await task
        assert task.cancelling() == 1

    async def test_nested(self, aio):
        with pytest.raises(TimeoutError):
            async with aio.timeout(0) as outer:
                async with aio.timeout(60) as inner:
                    await forever()
        assert (outer.expired(), inner.expired()) == (True, False)
        with pytest.raises(ZeroDivisionError):
            async with aio.timeout(60) as outer:
                try:
                    async with aio.timeout(0) as inner:
                        await forever()
                except TimeoutError:
                    1 / 0  # noqa: B018
        assert (outer.expired(), inner.expired()) == (False, True)

    async def test_swallowed(self, aio):
        async with aio.timeout(0) as scope:
            try:
                await forever()
            except asyncio.CancelledError:
                pass
        assert scope.expired()
        assert asyncio.current_task().cancelling() == 0

    async def test_other_exception_while_expiring(self, aio):
        with pytest.raises(ValueError, match='x') as caught:
            async with aio.timeout(0):
                try:
                    await forever()
                finally:
                    raise ValueError('x')
        between = 'TimeoutError' if SINCE_313 else 'CancelledError'
        assert type(caught.value.__context__).__name__ == between

    async def test_group_while_expiring(self, aio):
        async def fails():
            try:
                await forever()
            finally:
                raise ValueError('x')

        with pytest.raises(ExceptionGroup) as caught:
            async with aio.timeout(0), aio.TaskGroup() as group:
                group.create_task(fails())
        between = 'TimeoutError' if SINCE_313 else 'CancelledError'
        [inner] = caught.value.exceptions
        assert type(inner.__context__).__name__ == between

    async def test_deadline_of_a_task_that_is_done(self, aio, loop):
        scope = aio.timeout(60)
        entered = asyncio.ensure_future(scope.__aenter__())
        await entered
        scope._on_timeout()
        assert scope.expired()
        with pytest.raises(AssertionError):
            scope._on_timeout()
        await scope.__aexit__(None, None, None)
        assert entered.cancelling() == 0


SCENARIOS = Scenarios()
case = SCENARIOS.case


@case('exceptions through the scope')
async def through(tell_):
    for error in [ValueError('x'), asyncio.CancelledError('mine'), KeyError]:

        async def main(error=error):
            async with tell_.aio.timeout(60):
                raise error

        await tell_.attempt(main())
        tell_.task()


async def expired(tell_):
    """A scope that has cancelled its task."""
    scope = tell_.aio.timeout(0)
    await scope.__aenter__()
    try:
        await forever()
    except asyncio.CancelledError:
        pass
    return scope


@case('what __aexit__ makes of what it is given')
async def exits(tell_):
    group = BaseExceptionGroup('g', [ValueError(1), asyncio.CancelledError()])
    group.exceptions[0].__context__ = asyncio.CancelledError('inner')
    chained = KeyError('k')
    chained.__context__ = IndexError('i')
    chained.__context__.__context__ = asyncio.CancelledError('c')

    class Own(asyncio.CancelledError):
        pass

    for error in [None, asyncio.CancelledError('a'), Own('b'), group, chained]:
        scope = await expired(tell_)
        tell_.task()
        await tell_.attempt(scope.__aexit__(type(error) if error else None, error, None))
        tell_(repr(scope), tell(error))
        tell_.task()


@case('a type without an exception, and an exception that is none')
async def odd(tell_):
    for given in [
        (asyncio.CancelledError, None),
        (asyncio.CancelledError, 'x'),
        (ValueError, None),
        (ValueError, 'x'),
    ]:
        scope = await expired(tell_)
        try:
            tell_('returned', await scope.__aexit__(*given, None))
        except (TypeError, TimeoutError) as error:
            tell_('raised', type(error), tell(error.__cause__))
        except AttributeError:
            tell_('returned', None)


@case('a task factory and a subclass of Task')
async def factory(tell_):
    class Mine(asyncio.Task):
        def uncancel(self):
            tell_('uncancel')
            return super().uncancel()

        def cancel(self, msg=None):
            tell_('cancel', msg)
            return super().cancel(msg)

    async def main():
        async with tell_.aio.timeout(0):
            await forever()

    await tell_.attempt(Mine(main(), loop=tell_.loop))


@case('entering and leaving in different tasks')
async def two_tasks(tell_):
    scope = tell_.aio.timeout(60)

    async def enter():
        await scope.__aenter__()
        await forever()

    task = asyncio.ensure_future(enter())
    await tell_.turns()
    scope.reschedule(0)
    await tell_.turns()
    tell_(task.cancelled(), task.cancelling(), repr(scope))
    await tell_.attempt(scope.__aexit__(None, None, None))
    tell_(task.cancelling())


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_same_as_stock(aio, loop, scenario):
    check(aio, loop, SCENARIOS[scenario])


class TestType:
    def test_is_asyncio_s_to_isinstance(self, aio):
        assert isinstance(aio.timeout_at(None), asyncio.Timeout)
        assert aio.Timeout.__name__ == aio.Timeout.__qualname__ == 'Timeout'
        assert aio.Timeout.__module__ in ('asyncio.timeouts', 'pyasync.timeouts')

    def test_attributes_and_weak_references(self, aio):
        scope = aio.timeout_at(None)
        scope.note = 1
        reference = weakref.ref(scope)
        assert reference().note == 1
        del scope
        assert reference() is None

    def test_signatures(self, aio):
        assert list(inspect.signature(aio.timeout).parameters) == ['delay']
        assert list(inspect.signature(aio.timeout_at).parameters) == ['when']

    async def test_methods_are_coroutines(self, aio):
        scope = aio.timeout(60)
        for coroutine in [scope.__aenter__(), scope.__aexit__(None, None, None)]:
            assert asyncio.iscoroutine(coroutine)
            coroutine.close()

    async def test_never_awaited(self, aio):
        with pytest.warns(RuntimeWarning, match="'Timeout.__aenter__' was never awaited"):
            aio.timeout(60).__aenter__()
            gc.collect()

    async def test_subclass(self, aio):
        class Mine(aio.Timeout):
            def _on_timeout(self):
                seen.append('timeout')
                super()._on_timeout()

            def reschedule(self, when):
                seen.append('reschedule')
                super().reschedule(when)

        seen = []
        with pytest.raises(TimeoutError):
            async with Mine(0) as scope:
                scope.note = 1
                await forever()
        assert seen == ['reschedule', 'timeout']

    async def test_handler(self, aio):
        async with aio.timeout(60) as scope:
            handler = scope._timeout_handler
            assert 'Timeout._on_timeout()' in plain(repr(handler))
            assert handler._callback == scope._on_timeout
            assert handler._callback.__self__ is scope
            assert handler._args == ()
            scope.reschedule(0)
            assert scope._timeout_handler._callback == scope._on_timeout
            assert 'Timeout._on_timeout()' in plain(repr(scope._timeout_handler))
            scope.reschedule(None)
        assert handler._callback is None

    async def test_handler_that_fails(self, aio, loop):
        class Mine(asyncio.Task):
            def cancel(self, msg=None):
                raise KeyError('cancel')

        async def main():
            async with aio.timeout(0):
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        reports = []
        loop.set_exception_handler(lambda loop, context: reports.append(context))
        await Mine(main(), loop=loop)
        [report] = reports
        assert re.fullmatch(
            r'Exception in callback Timeout._on_timeout\(\)( at .*)?', plain(report['message'])
        )
        assert type(report['exception']) is KeyError

    async def test_cycle(self, aio):
        scope = aio.timeout(60)
        scope.itself = scope
        reference = weakref.ref(scope)
        del scope
        gc.collect()
        assert reference() is None

    async def test_debug(self, aio, loop):
        loop.set_debug(True)
        with pytest.raises(TimeoutError):
            async with aio.timeout(0):
                await forever()
        async with aio.timeout(60):
            await asyncio.sleep(0)
        loop.set_debug(False)
