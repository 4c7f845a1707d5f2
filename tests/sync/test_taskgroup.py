"""TaskGroup: its tasks, errors, cancellations from inside and outside, refusals, hostile use."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
import weakref

import pytest
from sync.same import Scenarios, check, plain

SINCE_312 = sys.version_info >= (3, 12)
SINCE_314 = sys.version_info >= (3, 14)
HAS_CANCEL = hasattr(asyncio.TaskGroup, 'cancel')

pytestmark = pytest.mark.usefixtures('loop')


async def answer(value=1):
    await asyncio.sleep(0)
    return value


async def at_once(value=1):
    return value


async def raises(error, turns=1):
    for _ in range(turns):
        await asyncio.sleep(0)
    raise error


async def forever():
    await asyncio.get_running_loop().create_future()


class TestTasks:
    async def test_all_are_done_at_the_end(self, aio):
        async with aio.TaskGroup() as group:
            tasks = [group.create_task(answer(number)) for number in range(5)]
            assert group._tasks == set(tasks)
            assert not any(task.done() for task in tasks)
        assert [task.result() for task in tasks] == list(range(5))
        assert group._tasks == set()
        assert group._on_completed_fut is None

    async def test_none(self, aio):
        async with aio.TaskGroup() as group:
            assert isinstance(group, asyncio.TaskGroup)

    async def test_made_by_tasks_of_the_group(self, aio):
        async def grows(depth):
            if depth:
                group.create_task(grows(depth - 1))
            await asyncio.sleep(0)
            seen.append(depth)

        seen = []
        async with aio.TaskGroup() as group:
            group.create_task(grows(4))
        assert sorted(seen) == [0, 1, 2, 3, 4]

    async def test_names_and_contexts(self, aio):
        variable = contextvars.ContextVar('variable', default=0)

        async def reads():
            return variable.get()

        context = contextvars.copy_context()
        context.run(variable.set, 7)
        async with aio.TaskGroup() as group:
            named = group.create_task(reads(), name='mine')
            unnamed = group.create_task(reads(), name=None, context=None)
            with_context = group.create_task(reads(), context=context)
            both = group.create_task(reads(), name=5, context=context)
        assert named.get_name() == 'mine'
        assert unnamed.get_name().startswith('Task-')
        assert both.get_name() == '5'
        assert [task.result() for task in (named, with_context, both)] == [0, 7, 7]

    async def test_coroutine_by_keyword(self, aio):
        async with aio.TaskGroup() as group:
            task = group.create_task(coro=answer(3), name='mine')
        assert (task.result(), task.get_name()) == (3, 'mine')

    async def test_wrong_arguments(self, aio):
        for args, kwargs, message in [
            ((1,), {}, 'takes 1 positional argument but 2 were given'),
            ((), {'name': 1}, "got an unexpected keyword argument 'name'"),
        ]:
            with pytest.raises(TypeError) as caught:
                aio.TaskGroup(*args, **kwargs)
            assert str(caught.value) == f'TaskGroup.__init__() {message}'
        async with aio.TaskGroup() as group:
            coroutine = at_once()
            for args, kwargs in [((), {}), ((coroutine, 1), {}), ((coroutine,), {'nonsense': 1})]:
                with pytest.raises(TypeError):
                    group.create_task(*args, **kwargs)
            coroutine.close()
            for wrong in [None, 1, at_once]:
                with pytest.raises(TypeError):
                    group.create_task(wrong)
            with pytest.raises(TypeError):
                group.__aexit__(None)
            assert group._tasks == set()

    async def test_repr(self, aio):
        group = aio.TaskGroup()
        assert repr(group) == '<TaskGroup>'
        with pytest.raises(ExceptionGroup):
            async with group:
                assert repr(group) == '<TaskGroup entered>'
                group.create_task(raises(KeyError(), 0))
                assert repr(group) == '<TaskGroup tasks=1 entered>'
                try:
                    await forever()
                finally:
                    assert repr(group) == '<TaskGroup errors=1 cancelling>'

    async def test_entered_twice(self, aio):
        async with aio.TaskGroup() as group:
            with pytest.raises(RuntimeError, match='<TaskGroup entered> has already been'):
                await group.__aenter__()

    async def test_refusals(self, aio):
        def refused(text):
            coroutine = at_once()
            with pytest.raises(RuntimeError, match=text):
                group.create_task(coroutine)
            states.append(inspect.getcoroutinestate(coroutine))
            coroutine.close()

        states = []
        group = aio.TaskGroup()
        refused('^TaskGroup <TaskGroup> has not been entered$')
        with pytest.raises(ExceptionGroup):
            async with group:
                group.create_task(raises(KeyError()))
                try:
                    await forever()
                finally:
                    refused('^TaskGroup <TaskGroup errors=1 cancelling> is shutting down$')
        if group._errors is None:
            assert 'finished' in repr_of_refusal(group)
        is_closed = 'close' in asyncio.TaskGroup.create_task.__code__.co_names
        assert set(states) == {'CORO_CLOSED' if is_closed else 'CORO_CREATED'}

    def test_outside_a_task(self, aio, loop):
        seen = []

        def callback():
            try:
                aio.TaskGroup().__aenter__().send(None)
            except RuntimeError as error:
                seen.append(str(error))

        loop.call_soon(callback)
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert seen == ['TaskGroup <TaskGroup> cannot determine the parent task']

    def test_outside_a_loop(self, aio):
        with pytest.raises(RuntimeError, match=r'^no running event loop$'):
            aio.TaskGroup().__aenter__().send(None)


def repr_of_refusal(group):
    coroutine = at_once()
    try:
        group.create_task(coroutine)
    except RuntimeError as error:
        return str(error)
    finally:
        coroutine.close()


class TestErrors:
    async def test_one(self, aio):
        error = ValueError('x')
        with pytest.raises(ExceptionGroup, match='unhandled errors in a TaskGroup') as caught:
            async with aio.TaskGroup() as group:
                group.create_task(raises(error))
                waiting = group.create_task(forever())
        assert caught.value.exceptions == (error,)
        assert waiting.cancelled()
        assert group._errors is None

    async def test_order(self, aio):
        with pytest.raises(BaseExceptionGroup) as caught:
            async with aio.TaskGroup() as group:
                group.create_task(raises(ValueError(2), 2))
                group.create_task(raises(ValueError(1), 2))
                try:
                    await forever()
                finally:
                    raise KeyError('body')
        assert [error.args for error in caught.value.exceptions] == [(2,), (1,), ('body',)]

    @pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
    async def test_of_the_body_that_stop_the_loop(self, aio, kind):
        error = kind()
        with pytest.raises(kind) as caught:
            async with aio.TaskGroup() as group:
                waiting = group.create_task(forever())
                raise error
        assert caught.value is error
        assert waiting.cancelled()

    @pytest.mark.skipif(not SINCE_314, reason='tracebacks refer to the group before 3.14')
    async def test_nothing_refers_to_an_error(self, aio):
        class Error(Exception):
            pass

        try:
            async with aio.TaskGroup() as group:
                group.create_task(raises(Error()))
        except ExceptionGroup as error:
            caught = error.exceptions[0]
        reference = weakref.ref(caught)
        caught.__traceback__ = None
        del caught, group
        gc.collect()
        assert reference() is None


SCENARIOS = Scenarios()
case = SCENARIOS.case


@case('cancelled while the body waits, and while __aexit__ does')
async def cancelled(tell_):
    async def main(body):
        async with tell_.aio.TaskGroup() as group:
            tasks.append(group.create_task(forever()))
            await body()

    for body in [forever, answer]:
        for cancels in [1, 2]:
            tasks = []
            task = asyncio.ensure_future(main(body))
            await tell_.turns(5)
            for number in range(cancels):
                task.cancel(f'number {number}')
            await tell_.attempt(task)
            tell_(task.cancelling(), task.cancelled(), [child.cancelled() for child in tasks])


@case('cancelled again and again while children take their time')
async def again(tell_):
    async def slow():
        for _ in range(3):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                tell_('child cancelled')
        await tell_.turns(4)
        raise ValueError('child')

    async def main():
        async with tell_.aio.TaskGroup() as group:
            group.create_task(slow())

    task = asyncio.ensure_future(main())
    await tell_.turns(2)
    for _ in range(3):
        tell_(task.cancel())
        await asyncio.sleep(0)
    await tell_.attempt(task)
    tell_(task.cancelling(), task.cancelled())


@case('a cancellation from outside and an error at once')
async def both(tell_):
    async def main():
        try:
            async with tell_.aio.TaskGroup() as group:
                group.create_task(raises(ValueError('x')))
                await forever()
        finally:
            tell_.task()

    for turns in range(4):
        task = asyncio.ensure_future(main())
        await tell_.turns(turns)
        task.cancel('outside')
        await tell_.attempt(task)
        tell_(task.cancelling(), task.cancelled())


@case('groups in groups')
async def nested(tell_):
    async def inner(error):
        async with tell_.aio.TaskGroup() as group:
            group.create_task(raises(error))
            await forever()

    async def main():
        async with tell_.aio.TaskGroup() as outer:
            outer.create_task(inner(ValueError('a')))
            outer.create_task(inner(KeyError('b')))
            async with tell_.aio.TaskGroup() as group:
                group.create_task(raises(IndexError('c'), 2))

    await tell_.attempt(main())
    tell_.task()


@case('within a timeout, and around one')
async def timeouts(tell_):
    async def within():
        async with tell_.aio.timeout(1e-9), tell_.aio.TaskGroup() as group:
            group.create_task(forever())

    async def around():
        async with tell_.aio.TaskGroup() as group:
            group.create_task(forever())
            async with tell_.aio.timeout(1e-9):
                await forever()

    for main in [within, around]:
        await tell_.attempt(main())
        tell_.task()


@case('the body raises')
async def body(tell_):
    class Own(asyncio.CancelledError):
        pass

    async def main(error):
        async with tell_.aio.TaskGroup() as group:
            group.create_task(answer())
            raise error

    for error in [
        ValueError('x'),
        asyncio.CancelledError('c'),
        Own('o'),
        GeneratorExit(),
        BaseExceptionGroup('g', [asyncio.CancelledError()]),
        StopAsyncIteration(),
    ]:
        await tell_.attempt(main(error))
        tell_.task()


@case('children raise what stops the loop')
async def base(tell_):
    async def main():
        async with tell_.aio.TaskGroup() as group:
            group.create_task(raises(ValueError('before')))
            group.create_task(raises(SystemExit(3)))
            try:
                await forever()
            finally:
                tell_(repr(group))

    await tell_.attempt(main())


@case('children are cancelled by others')
async def children(tell_):
    async with tell_.aio.TaskGroup() as group:
        tasks = [group.create_task(forever()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    tell_([task.cancelled() for task in tasks])


@case('children that swallow the cancellation')
async def swallow(tell_):
    async def stays():
        try:
            await forever()
        except asyncio.CancelledError:
            await tell_.turns(2)
            return 'stayed'

    async def main():
        async with tell_.aio.TaskGroup() as group:
            tasks.append(group.create_task(stays()))
            group.create_task(raises(KeyError('x')))

    tasks = []
    await tell_.attempt(main())
    tell_(tasks[0].result())


@case('tasks made while the group ends')
async def late(tell_):
    async def main():
        async with tell_.aio.TaskGroup() as group:

            async def maker():
                await asyncio.sleep(0)
                tasks.append(group.create_task(answer(5)))

            group.create_task(maker())
        coroutine = answer()
        try:
            group.create_task(coroutine)
        except RuntimeError as error:
            tell_(str(error))
        tell_(inspect.getcoroutinestate(coroutine))
        coroutine.close()

    tasks = []
    await tell_.attempt(main())
    tell_([task.result() for task in tasks])


@case('the state as it goes')
async def state(tell_):
    names = (
        '_entered',
        '_exiting',
        '_aborting',
        '_parent_cancel_requested',
        '_errors',
        '_base_error',
    )

    def show():
        tell_([repr(getattr(group, name)) for name in names], len(group._tasks))
        tell_(group._parent_task is asyncio.current_task(), group._loop is tell_.loop)

    group = tell_.aio.TaskGroup()
    show()
    try:
        async with group:
            show()
            group.create_task(raises(KeyError('x')))
            show()
            try:
                await forever()
            finally:
                show()
    except ExceptionGroup:
        show()
    group = tell_.aio.TaskGroup()
    async with group:
        group.create_task(answer())
    show()


@case('a task factory')
async def factory(tell_):
    class Mine(asyncio.Task):
        def add_done_callback(self, callback, *, context=None):
            if 'TaskGroup' in getattr(callback, '__qualname__', ''):
                tell_('callback', callback.__qualname__)
            super().add_done_callback(callback, context=context)

        def cancel(self, msg=None):
            tell_('cancel', msg)
            return super().cancel(msg)

    tell_.loop.set_task_factory(lambda loop, coro, **kwargs: Mine(coro, loop=loop, **kwargs))

    async def main():
        async with tell_.aio.TaskGroup() as group:
            group.create_task(forever(), name='named')
            group.create_task(raises(KeyError('x')))
            await forever()

    await tell_.attempt(main())
    tell_.loop.set_task_factory(None)


@case('eager tasks', SINCE_312)
async def eager(tell_):
    async def main(*coroutines):
        try:
            async with tell_.aio.TaskGroup() as group:
                for coroutine in coroutines:
                    task = group.create_task(coroutine)
                    tell_(task.done(), len(group._tasks))
                    tell_.task()
                await answer()
                tell_('body went on')
        finally:
            for coroutine in coroutines:
                coroutine.close()

    tell_.loop.set_task_factory(asyncio.eager_task_factory)
    await tell_.attempt(main(at_once(), answer()))
    await tell_.attempt(main(raises(KeyError('x'), 0), answer()))
    await tell_.attempt(main(answer(), raises(KeyError('x'), 1)))
    tell_.loop.set_task_factory(None)


@case('subclasses')
async def subclasses(tell_):
    class Mine(tell_.aio.TaskGroup):
        def _on_task_done(self, task):
            tell_('done', task.cancelled())
            super()._on_task_done(task)

        def _abort(self):
            tell_('abort')
            super()._abort()

        def _is_base_error(self, error):
            tell_('base error?', type(error))
            return isinstance(error, IndexError)

        def create_task(self, coro, **kwargs):
            tell_('create')
            return super().create_task(coro, **kwargs)

    async def main(error):
        async with Mine() as group:
            group.note = 1
            group.create_task(forever())
            group.create_task(raises(error))
            await forever()

    for error in [KeyError('x'), IndexError('y')]:
        await tell_.attempt(main(error))


@case('aborted from outside')
async def abort(tell_):
    async def main():
        async with tell_.aio.TaskGroup() as group:
            tasks.append(group.create_task(forever()))
            await asyncio.sleep(0)
            group._abort()
            tell_(repr(group))

    tasks = []
    await tell_.attempt(main())
    tell_(tasks[0].cancelled())


@case('cancel()', HAS_CANCEL)
async def cancel(tell_):
    async def main(when):
        group = tell_.aio.TaskGroup()
        if when == 'before':
            group.cancel()
        async with group:
            group.create_task(forever())
            if when == 'within':
                group.cancel()
                group.cancel()
            if when == 'soon':
                tell_.loop.call_soon(group.cancel)
            if when != 'at exit':
                await forever()
            tell_.loop.call_soon(group.cancel)
        group.cancel()
        tell_('left')

    for when in ['before', 'within', 'soon', 'at exit']:
        await tell_.attempt(main(when))
        tell_.task()


@case('__aexit__ by hand')
async def by_hand(tell_):
    for given in [(None, None, None), (ValueError, ValueError('x'), None), (KeyError, None, None)]:
        group = tell_.aio.TaskGroup()
        await group.__aenter__()
        try:
            tell_('returned', await group.__aexit__(*given))
        except (BaseExceptionGroup, TypeError) as error:
            tell_('raised', type(error), str(error))
    try:
        tell_('returned', await tell_.aio.TaskGroup().__aexit__(None, None, None))
    except AttributeError as error:
        tell_(str(error))


@case('a task that is done when nobody is left to be told')
async def orphan(tell_):
    group = tell_.aio.TaskGroup()

    async def parent():
        await group.__aenter__()
        return group.create_task(raises(KeyError('x'), 5))

    child = await asyncio.ensure_future(parent())
    await asyncio.wait([child])
    await tell_.turns()


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_same_as_stock(aio, loop, scenario):
    check(aio, loop, SCENARIOS[scenario])


class TestType:
    def test_is_asyncio_s_to_isinstance(self, aio):
        assert isinstance(aio.TaskGroup(), asyncio.TaskGroup)
        assert issubclass(aio.TaskGroup, asyncio.TaskGroup)
        assert aio.TaskGroup.__name__ == aio.TaskGroup.__qualname__ == 'TaskGroup'

    def test_attributes_and_weak_references(self, aio):
        group = aio.TaskGroup()
        group.note = group
        reference = weakref.ref(group)
        del group
        gc.collect()
        assert reference() is None

    async def test_coroutines(self, aio):
        group = aio.TaskGroup()
        for coroutine in [group.__aenter__(), group.__aexit__(None, None, None)]:
            assert asyncio.iscoroutine(coroutine)
            coroutine.close()

    async def test_callback_in_the_repr_of_a_task(self, aio):
        async with aio.TaskGroup() as group:
            task = group.create_task(answer())
            assert 'cb=[TaskGroup._on_task_done()' in plain(repr(task))

    async def test_entered_and_never_left(self, aio):
        group = aio.TaskGroup()
        await group.__aenter__()
        task = group.create_task(answer())
        await task
        await asyncio.sleep(0)
        assert group._tasks == set()

    async def test_closed_while_it_waits(self, aio):
        group = aio.TaskGroup()
        await group.__aenter__()
        task = group.create_task(answer())
        leaving = group.__aexit__(None, None, None)
        leaving.send(None)
        leaving.close()
        await task

    async def test_tasks_changed_by_others(self, aio):
        async with aio.TaskGroup() as group:
            task = group.create_task(answer())
            group._tasks.discard(task)
        assert not task.done()
        await task

    @pytest.mark.skipif(not SINCE_314, reason='the call graph came with 3.14')
    async def test_awaited_by(self, aio):
        async with aio.TaskGroup() as group:
            task = group.create_task(answer())
            assert task._asyncio_awaited_by == {asyncio.current_task()}
        assert not task._asyncio_awaited_by

    async def test_debug(self, aio, loop):
        loop.set_debug(True)
        with pytest.raises(ExceptionGroup):
            async with aio.TaskGroup() as group:
                group.create_task(answer())
                group.create_task(raises(KeyError('x')))
        loop.set_debug(False)
