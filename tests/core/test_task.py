"""Task: stepping, names, reprs, cancelling, contexts, eager start, stacks, factories, its death."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import re
import sys
import threading
import types
import weakref

import pytest
import support

HERE = __file__
BEFORE_312 = sys.version_info < (3, 12)
needs_eager = pytest.mark.skipif(BEFORE_312, reason='eager tasks came with 3.12')


@pytest.fixture(params=['constructed', 'create_task'])
def make(request, impl, loop):
    """Both ways to a task of the loop."""
    if request.param == 'create_task':
        return loop.create_task
    return lambda coro, **kwargs: impl.Task(coro, loop=loop, **kwargs)


async def answer(value=None):
    return value


async def wait_for(fut):
    return await fut


async def raises(error):
    raise error


def line_of(func, offset=0):
    return func.__code__.co_firstlineno + offset


class TestBasics:
    def test_result(self, loop, make):
        task = make(answer(3))
        assert not task.done()
        assert loop.run_until_complete(task) == 3
        assert task.done()
        assert task.result() == 3
        assert task.exception() is None

    def test_starts_on_the_next_iteration(self, loop, make):
        seen = []

        async def main():
            seen.append('step')

        make(main())
        assert seen == []
        support.run_once(loop)
        assert seen == ['step']

    def test_exception(self, loop, make):
        error = ValueError('x')
        task = make(raises(error))
        with pytest.raises(ValueError, match=r'x') as caught:
            loop.run_until_complete(task)
        assert caught.value is error
        assert task.exception() is error
        error.__traceback__ = None

    def test_stop_iteration_value_of_any_kind(self, loop, make):
        for value in [None, (), (1, 2), ValueError('a value'), StopIteration(1)]:
            assert loop.run_until_complete(make(answer(value))) is value

    def test_awaits_nested(self, loop, make):
        async def leaf(fut):
            return await fut + 1

        async def middle(fut):
            return await leaf(fut) + 1

        fut = loop.create_future()
        loop.call_soon(fut.set_result, 1)
        assert loop.run_until_complete(make(middle(fut))) == 3

    def test_awaits_task(self, loop, make):
        async def main():
            return await make(answer(1)) + await make(answer(2))

        assert loop.run_until_complete(make(main())) == 3

    def test_bare_yields_take_turns(self, loop, make):
        order = []

        async def worker(name):
            for number in range(3):
                order.append(f'{name}{number}')
                await asyncio.sleep(0)

        async def main():
            await asyncio.gather(make(worker('a')), make(worker('b')))

        loop.run_until_complete(main())
        assert order == ['a0', 'b0', 'a1', 'b1', 'a2', 'b2']

    def test_wakes_in_one_iteration_after_the_result(self, loop, make):
        fut, order = loop.create_future(), []

        async def waiter():
            await fut
            order.append('waiter')

        make(waiter())
        support.run_once(loop)
        loop.call_soon(order.append, 'before')
        fut.set_result(None)
        loop.call_soon(order.append, 'after')
        support.run_once(loop)
        assert order == ['before', 'waiter', 'after']

    def test_is_a_stock_task_and_future(self, impl, loop, make):
        task = make(answer())
        assert isinstance(task, asyncio.Task)
        assert isinstance(task, asyncio.Future)
        assert isinstance(task, impl.Task)
        assert asyncio.isfuture(task)
        assert asyncio.ensure_future(task) is task
        loop.run_until_complete(task)

    def test_loop_makes_tasks_of_its_own_type(self, impl, loop):
        task = loop.create_task(answer())
        assert type(task) is impl.Task
        loop.run_until_complete(task)

    def test_get_coro_and_loop(self, loop, make):
        coro = answer()
        task = make(coro)
        assert task.get_coro() is coro
        assert task._coro is coro
        assert task.get_loop() is loop
        loop.run_until_complete(task)

    def test_result_cannot_be_set(self, loop, make):
        task = make(answer())
        with pytest.raises(RuntimeError, match=r'^Task does not support set_result operation$'):
            task.set_result(1)
        with pytest.raises(RuntimeError, match=r'^Task does not support set_exception operation$'):
            task.set_exception(KeyError())
        loop.run_until_complete(task)

    @pytest.mark.parametrize('bad', [None, 1, answer, [], lambda: None], ids=repr)
    def test_coroutine_is_expected(self, make, bad):
        with pytest.raises(
            TypeError, match=rf'^a coroutine was expected, got {re.escape(repr(bad))}$'
        ):
            make(bad)

    def test_generator_is_refused(self, make):
        generator = (x for x in ())
        if BEFORE_312:
            pytest.skip('generators were coroutines for asyncio until 3.12')
        with pytest.raises(TypeError, match=r'^a coroutine was expected, got <generator'):
            make(generator)

    def test_coroutine_alike(self, loop, make):
        class Alike(support.CoroutineAlike):
            def __init__(self):
                self.sent = []

            def send(self, value):
                self.sent.append(value)
                if len(self.sent) == 3:
                    raise StopIteration('done')

        alike = Alike()
        assert loop.run_until_complete(make(alike)) == 'done'
        assert alike.sent == [None, None, None]

    def test_types_coroutine(self, loop, make):
        @types.coroutine
        def old(fut):
            yield
            return (yield from fut)

        async def main():
            fut = loop.create_future()
            loop.call_soon(fut.set_result, 1)
            return await old(fut)

        assert loop.run_until_complete(make(main())) == 1

    def test_async_generator_step(self, loop, make):
        async def numbers():
            for number in range(3):
                await asyncio.sleep(0)
                yield number

        async def main():
            return [number async for number in numbers()]

        assert loop.run_until_complete(make(main())) == [0, 1, 2]

    def test_name_of_type(self, impl):
        assert impl.Task.__name__ == 'Task'
        assert impl.Task.__qualname__ == 'Task'

    def test_generic_alias(self, impl):
        alias = impl.Task[int]
        assert isinstance(alias, types.GenericAlias)
        assert alias.__origin__ is impl.Task
        assert alias.__args__ == (int,)

    def test_running_loop_is_the_default(self, impl, loop):
        async def main():
            task = impl.Task(answer(5))
            assert task.get_loop() is loop
            return await task

        assert loop.run_until_complete(main()) == 5

    def test_deep_recursion_of_done_callbacks(self, loop, make):
        # A chain of tasks, each awaiting the one before.
        async def follow(previous):
            return 0 if previous is None else await previous + 1

        async def main():
            task = None
            for _ in range(2000):
                task = make(follow(task))
            return await task

        assert loop.run_until_complete(main()) == 1999


class TestNames:
    def test_count(self, loop, make):
        names = []
        for name in (None, 'given', None):
            task = make(answer(), name=name)
            names.append(task.get_name())
            loop.run_until_complete(task)
        assert names[1] == 'given'
        first, last = re.fullmatch(r'Task-(\d+)', names[0]), re.fullmatch(r'Task-(\d+)', names[2])
        assert int(last[1]) == int(first[1]) + 1

    @pytest.mark.parametrize('name', ['', 'x', 7, ('a',), 1.5])
    def test_is_made_a_string(self, impl, loop, name):
        task = impl.Task(answer(), loop=loop, name=name)
        assert task.get_name() == str(name)
        task.set_name('other')
        assert task.get_name() == 'other'
        task.set_name(name)
        assert task.get_name() == str(name)
        loop.run_until_complete(task)

    def test_of_create_task(self, loop):
        task = loop.create_task(answer(), name='mine')
        assert task.get_name() == 'mine'
        assert loop.run_until_complete(task) is None

    def test_whose_str_raises(self, impl, loop):
        class Bad:
            def __str__(self):
                raise ZeroDivisionError

        task = impl.Task(answer(), loop=loop)
        with pytest.raises(ZeroDivisionError):
            task.set_name(Bad())
        assert task.get_name().startswith('Task-')
        loop.run_until_complete(task)


class TestRepr:
    def test_through_its_life(self, loop, make):
        fut = loop.create_future()
        task = make(wait_for(fut), name='T')
        defined = line_of(wait_for)
        assert repr(task) == (
            f"<Task pending name='T' coro=<wait_for() running at {HERE}:{defined}>>"
        )
        support.run_once(loop)
        assert repr(fut) == '<Future pending cb=[Task.task_wakeup()]>'
        assert repr(task) == (
            f"<Task pending name='T' coro=<wait_for() running at {HERE}:{defined + 1}>"
            ' wait_for=<Future pending cb=[Task.task_wakeup()]>>'
        )
        fut.set_result([1])
        loop.run_until_complete(task)
        assert repr(task) == (
            f"<Task finished name='T' coro=<wait_for() done, defined at {HERE}:{defined}>"
            ' result=[1]>'
        )

    def test_cancelling_and_cancelled(self, loop, make):
        task = make(wait_for(loop.create_future()), name='T')
        support.run_once(loop)
        task.cancel()
        shown = repr(task)
        assert shown.startswith("<Task cancelling name='T' coro=<wait_for() running at ")
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        defined = line_of(wait_for)
        assert repr(task) == (
            f"<Task cancelled name='T' coro=<wait_for() done, defined at {HERE}:{defined}>>"
        )

    def test_exception(self, loop, make):
        task = make(raises(ValueError('x')), name='T')
        with pytest.raises(ValueError, match=r'x') as caught:
            loop.run_until_complete(task)
        assert repr(task) == (
            f"<Task finished name='T' coro=<raises() done, defined at {HERE}:{line_of(raises)}>"
            " exception=ValueError('x')>"
        )
        caught.value.__traceback__ = None

    def test_callbacks(self, loop, make):
        def callback(task):
            pass

        task = make(answer(), name='T')
        task.add_done_callback(callback)
        assert repr(task) == (
            f"<Task pending name='T' coro=<answer() running at {HERE}:{line_of(answer)}>"
            f' cb=[TestRepr.test_callbacks.<locals>.callback() at {HERE}:{line_of(callback)}]>'
        )
        loop.run_until_complete(task)

    def test_two_tasks_wait_for_each_other(self, loop, make):
        async def first():
            await tasks[1]

        async def second():
            await tasks[0]

        tasks = [make(first(), name='A'), make(second(), name='B')]
        support.run_once(loop)
        assert "wait_for=<Task pending name='B'" in repr(tasks[0])
        assert "wait_for=<Task pending name='A'" in repr(tasks[1])
        # Cancelling runs around the ring for ever: it is cut at the coroutine instead.
        fut = loop.create_future()
        for task in tasks:
            task._log_destroy_pending = False
        del fut
        tasks.clear()
        del task
        gc.collect()
        loop.reports.clear()

    def test_debug_tells_where_it_was_made(self, impl, loop):
        loop.set_debug(True)
        task = impl.Task(answer(), loop=loop, name='T')
        line = sys._getframe().f_lineno - 1
        assert repr(task).endswith(f' created at {HERE}:{line}>')
        assert task._source_traceback[-1].lineno == line
        loop.run_until_complete(task)
        assert repr(task).endswith(f' result=None created at {HERE}:{line}>')
        task = loop.create_task(answer(), name='T')
        line = sys._getframe().f_lineno - 1
        assert repr(task).endswith(f' created at {HERE}:{line}>')
        assert task._source_traceback[-1].filename == HERE
        loop.run_until_complete(task)

    def test_subclass(self, impl, loop):
        class Mine(impl.Task):
            pass

        task = Mine(answer(), loop=loop)
        assert repr(task).startswith("<Mine pending name='Task-")
        loop.run_until_complete(task)


class TestCancel:
    def test_before_the_first_step(self, loop, make):
        seen = []

        async def main():
            seen.append(1)

        task = make(main())
        assert task.cancel() is True
        assert task._must_cancel is True
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert task.cancelled()
        assert seen == []

    def test_while_waiting_cancels_what_it_waits_for(self, loop, make):
        fut = loop.create_future()
        task = make(wait_for(fut))
        support.run_once(loop)
        assert task._fut_waiter is fut
        assert task.cancel() is True
        assert fut.cancelled()
        assert not task.done()
        assert task._must_cancel is False
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert task.cancelled()

    def test_between_result_and_step(self, loop, make):
        fut = loop.create_future()
        task = make(wait_for(fut))
        support.run_once(loop)
        fut.set_result(1)
        assert task.cancel() is True
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert task.cancelled()

    def test_during_a_bare_yield(self, loop, make):
        async def main():
            while True:
                await asyncio.sleep(0)

        task = make(main())
        for _ in range(3):
            support.run_once(loop)
        task.cancel('enough')
        with pytest.raises(asyncio.CancelledError, match=r'^enough$'):
            loop.run_until_complete(task)

    def test_done_one(self, loop, make):
        task = make(answer(1))
        loop.run_until_complete(task)
        assert task.cancel() is False
        assert task.cancelling() == 0
        assert task.result() == 1

    def test_suppressed(self, loop, make):
        async def main():
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                return 'stayed'

        task = make(main())
        support.run_once(loop)
        task.cancel()
        assert loop.run_until_complete(task) == 'stayed'
        assert not task.cancelled()
        assert task.cancelling() == 1

    def test_turned_into_another_exception(self, loop, make):
        async def main():
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                raise KeyError('instead') from None

        task = make(main())
        support.run_once(loop)
        task.cancel()
        with pytest.raises(KeyError, match=r'instead') as caught:
            loop.run_until_complete(task)
        assert not task.cancelled()
        caught.value.__traceback__ = None

    def test_raised_by_the_coroutine_itself(self, loop, make):
        task = make(raises(asyncio.CancelledError('mine')))
        with pytest.raises(asyncio.CancelledError, match=r'^mine$'):
            loop.run_until_complete(task)
        assert task.cancelled()
        assert task.cancelling() == 0

    def test_itself(self, loop, make):
        async def main():
            asyncio.current_task().cancel('self')
            await asyncio.sleep(0)

        task = make(main())
        with pytest.raises(asyncio.CancelledError, match=r'^self$'):
            loop.run_until_complete(task)
        assert task.cancelled()

    def test_itself_then_returns(self, loop, make):
        async def main():
            asyncio.current_task().cancel()
            return 1

        task = make(main())
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert task.cancelled()

    def test_itself_then_awaits_a_future(self, loop, make):
        fut = loop.create_future()

        async def main():
            asyncio.current_task().cancel()
            await fut

        task = make(main())
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert fut.cancelled()

    def test_itself_then_raises(self, loop, make):
        async def main():
            asyncio.current_task().cancel()
            raise KeyError('k')

        task = make(main())
        with pytest.raises(KeyError) as caught:
            loop.run_until_complete(task)
        assert not task.cancelled()
        caught.value.__traceback__ = None

    @pytest.mark.parametrize('msg', [None, 'text', 3, ('a', 1)])
    def test_message(self, loop, make, msg):
        caught = []

        async def main():
            try:
                await loop.create_future()
            except asyncio.CancelledError as exc:
                caught.append(exc.args)
                raise

        task = make(main())
        support.run_once(loop)
        task.cancel(msg)
        # The message goes to what the task waits for; the task keeps its own only without that.
        assert task._cancel_message is None
        with pytest.raises(asyncio.CancelledError) as outer:
            loop.run_until_complete(task)
        expected = () if msg is None else (msg,)
        assert caught == [expected]
        assert outer.value.args == expected

    def test_message_by_keyword(self, loop, make):
        task = make(answer())
        task.cancel(msg='why')
        with pytest.raises(asyncio.CancelledError, match=r'^why$'):
            loop.run_until_complete(task)

    def test_message_through_a_chain_of_tasks(self, loop, make):
        fut = loop.create_future()
        inner = make(wait_for(fut))
        outer = make(wait_for(inner))
        for _ in range(3):
            support.run_once(loop)
        outer.cancel('deep')
        assert fut._cancel_message == 'deep'
        assert inner._cancel_message is None
        with pytest.raises(asyncio.CancelledError, match=r'^deep$'):
            loop.run_until_complete(outer)
        assert inner.cancelled()

    def test_latest_message_wins(self, loop, make):
        task = make(answer())
        task.cancel('first')
        task.cancel('second')
        with pytest.raises(asyncio.CancelledError, match=r'^second$'):
            loop.run_until_complete(task)

    def test_counts(self, loop, make):
        async def main():
            for _ in range(3):
                try:
                    await loop.create_future()
                except asyncio.CancelledError:
                    pass
            return 'end'

        task = make(main())
        assert task.cancelling() == 0
        assert task.uncancel() == 0
        support.run_once(loop)
        for expected in (1, 2, 3):
            assert task.cancel()
            assert task.cancelling() == expected
            support.run_once(loop)
            support.run_once(loop)
        assert task.done()
        assert task.uncancel() == 2
        assert task.cancelling() == 2
        assert task.uncancel() == 1
        assert task.uncancel() == 0
        assert task.uncancel() == 0
        assert task.result() == 'end'

    @pytest.mark.skipif(
        sys.version_info < (3, 13), reason='uncancel() clears _must_cancel since 3.13'
    )
    def test_uncancel_to_zero_takes_the_request_back(self, loop, make):
        task = make(answer('ran'))
        task.cancel()
        assert task._must_cancel
        task.uncancel()
        assert not task._must_cancel
        assert loop.run_until_complete(task) == 'ran'

    def test_cancel_that_the_waiter_refuses(self, loop, make):
        class Refuses(asyncio.Future):
            def cancel(self, msg=None):
                return False

        fut = Refuses(loop=loop)
        task = make(wait_for(fut))
        support.run_once(loop)
        assert task.cancel('m') is True
        assert task._must_cancel is True
        fut.set_result(None)
        with pytest.raises(asyncio.CancelledError, match=r'^m$'):
            loop.run_until_complete(task)

    def test_storm(self, loop, make):
        tasks = [make(wait_for(loop.create_future())) for _ in range(500)]
        support.run_once(loop)
        for task in tasks:
            task.cancel()
        results = loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        assert all(type(result) is asyncio.CancelledError for result in results)


class TestContexts:
    def test_copy_of_the_makers(self, loop, make):
        var = contextvars.ContextVar('var', default='default')

        async def main():
            before = var.get()
            var.set('inner')
            await asyncio.sleep(0)
            return before, var.get()

        var.set('outer')
        task = make(main())
        var.set('later')
        assert loop.run_until_complete(task) == ('outer', 'inner')
        assert var.get() == 'later'

    def test_given(self, loop, make):
        var = contextvars.ContextVar('var')
        context = contextvars.copy_context()

        async def main():
            var.set('inner')
            await asyncio.sleep(0)

        loop.run_until_complete(make(main(), context=context))
        assert context[var] == 'inner'

    def test_none_is_none_given(self, loop, make):
        loop.run_until_complete(make(answer(), context=None))

    @pytest.mark.skipif(BEFORE_312, reason='get_context() came with 3.12')
    def test_get_context(self, loop, make):
        context = contextvars.copy_context()
        task = make(answer(), context=context)
        assert task.get_context() is context
        loop.run_until_complete(task)
        task = make(answer())
        assert isinstance(task.get_context(), contextvars.Context)
        loop.run_until_complete(task)

    def test_shared_by_two_tasks(self, loop, make):
        var = contextvars.ContextVar('var', default=0)
        context = contextvars.copy_context()

        async def add():
            for _ in range(5):
                var.set(var.get() + 1)
                await asyncio.sleep(0)

        async def main():
            await asyncio.gather(make(add(), context=context), make(add(), context=context))

        loop.run_until_complete(main())
        assert context[var] == 10

    def test_of_done_callbacks(self, loop, make):
        var = contextvars.ContextVar('var', default=0)
        seen = []
        task = make(answer())
        var.set(1)
        task.add_done_callback(lambda t: seen.append(var.get()))
        var.set(2)
        loop.run_until_complete(task)
        support.run_once(loop)
        assert seen == [1]


class TestCurrentAndAll:
    def test_current_task(self, loop, make):
        async def main():
            return asyncio.current_task(), asyncio.current_task(loop)

        task = make(main())
        assert loop.run_until_complete(task) == (task, task)
        assert asyncio.current_task(loop) is None

    def test_current_task_in_a_callback(self, loop, make):
        seen = []

        async def main():
            loop.call_soon(lambda: seen.append(asyncio.current_task()))
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        task = make(main())
        loop.run_until_complete(task)
        assert seen == [None, task]

    def test_current_task_in_a_done_callback(self, loop, make):
        seen = []
        task = make(answer())
        task.add_done_callback(lambda t: seen.append(asyncio.current_task()))
        loop.run_until_complete(task)
        support.run_once(loop)
        assert seen == [None]

    def test_current_task_outside(self, loop):
        with pytest.raises(RuntimeError, match=r'^no running event loop$'):
            asyncio.current_task()
        assert asyncio.current_task(loop) is None

    def test_current_task_alternates(self, loop, make):
        seen = []

        async def worker():
            for _ in range(3):
                seen.append(asyncio.current_task())
                await asyncio.sleep(0)

        one, two = make(worker()), make(worker())
        loop.run_until_complete(asyncio.gather(one, two))
        assert seen == [one, two] * 3

    def test_all_tasks(self, loop, make):
        fut = loop.create_future()
        assert asyncio.all_tasks(loop) == set()
        tasks = {make(wait_for(fut)) for _ in range(5)}
        assert asyncio.all_tasks(loop) == tasks
        support.run_once(loop)
        assert asyncio.all_tasks(loop) == tasks

        async def main():
            return asyncio.all_tasks(), asyncio.current_task()

        everything, this = loop.run_until_complete(main())
        assert everything == tasks | {this}
        fut.set_result(None)
        loop.run_until_complete(asyncio.gather(*tasks))
        assert asyncio.all_tasks(loop) == set()

    def test_all_tasks_of_two_loops(self, impl, loop):
        other = impl.new_event_loop()
        try:
            one = loop.create_task(answer())
            two = other.create_task(answer())
            assert asyncio.all_tasks(loop) == {one}
            assert asyncio.all_tasks(other) == {two}
            loop.run_until_complete(one)
            other.run_until_complete(two)
        finally:
            other.close()

    def test_set_that_asyncio_has_of_them(self, impl, loop):
        """What tools look at, to 3.13."""
        name = '_all_tasks' if hasattr(asyncio.tasks, '_all_tasks') else '_scheduled_tasks'
        tasks = getattr(asyncio.tasks, name, None)
        if tasks is None or sys.version_info >= (3, 14):
            pytest.skip('held by C alone since 3.14')
        count = len(tasks)
        task = loop.create_task(asyncio.sleep(0))
        assert len(tasks) == count + 1
        assert task in tasks
        assert loop.create_future() not in tasks
        assert [found for found in tasks if found is task] == [task]
        loop.run_until_complete(task)
        if impl.ours:  # asyncio's own has done ones as long as they live
            assert task not in tasks

    def test_all_tasks_outside(self):
        with pytest.raises(RuntimeError, match=r'^no running event loop$'):
            asyncio.all_tasks()


@needs_eager
class TestEager:
    def test_runs_at_once(self, impl, loop):
        seen = []

        async def child():
            seen.append('child')
            return 'r'

        async def main():
            task = impl.Task(child(), loop=loop, eager_start=True)
            assert seen == ['child']
            assert task.done()
            assert task.result() == 'r'
            return await task

        assert loop.run_until_complete(main()) == 'r'

    def test_goes_on_after_the_first_wait(self, impl, loop):
        async def main():
            fut = loop.create_future()
            task = impl.Task(wait_for(fut), loop=loop, eager_start=True)
            assert not task.done()
            assert task._fut_waiter is fut
            assert task in asyncio.all_tasks()
            fut.set_result(1)
            return await task

        assert loop.run_until_complete(main()) == 1

    def test_without_a_running_loop(self, impl, loop):
        # 3.12 and 3.13 want one; 3.14 starts the task as any other.
        task = coro = answer(1)
        try:
            task = impl.Task(coro, loop=loop, eager_start=True)
        except RuntimeError as exc:
            assert str(exc) == 'no running event loop'
            assert sys.version_info < (3, 14)
            coro.close()
        else:
            assert not task.done() or sys.version_info >= (3, 14)
            assert loop.run_until_complete(task) == 1

    def test_current_task_inside(self, impl, loop):
        async def child():
            before = asyncio.current_task()
            await asyncio.sleep(0)
            return before, asyncio.current_task()

        async def main():
            this = asyncio.current_task()
            task = impl.Task(child(), loop=loop, eager_start=True)
            assert asyncio.current_task() is this
            assert await task == (task, task)

        loop.run_until_complete(main())

    def test_exception_at_once(self, impl, loop):
        async def main():
            task = impl.Task(raises(KeyError('k')), loop=loop, eager_start=True)
            assert task.done()
            with pytest.raises(KeyError):
                await task
            task.exception().__traceback__ = None

        loop.run_until_complete(main())

    def test_cancelled_at_once(self, impl, loop):
        async def main():
            task = impl.Task(raises(asyncio.CancelledError('c')), loop=loop, eager_start=True)
            assert task.cancelled()
            with pytest.raises(asyncio.CancelledError):
                await task

        loop.run_until_complete(main())

    def test_coroutine_is_dropped_when_done(self, impl, loop):
        if not impl.ours and sys.version_info < (3, 13):
            pytest.skip('get_coro() of a finished eager task crashes 3.12.1 itself')

        async def main():
            task = impl.Task(answer(), loop=loop, eager_start=True)
            assert task.get_coro() is None
            assert repr(task).startswith('<Task finished name=')
            assert 'coro=' not in repr(task)

        loop.run_until_complete(main())

    def test_context(self, impl, loop):
        var = contextvars.ContextVar('var', default=0)

        async def child():
            var.set(var.get() + 1)
            return var.get()

        async def main():
            var.set(5)
            task = impl.Task(child(), loop=loop, eager_start=True)
            assert var.get() == 5
            context = contextvars.copy_context()
            other = impl.Task(child(), loop=loop, eager_start=True, context=context)
            assert context[var] == 6
            return await task, await other

        assert loop.run_until_complete(main()) == (6, 6)

    def test_nested(self, impl, loop):
        order = []

        async def child(depth):
            order.append(('in', depth, asyncio.current_task().get_name()))
            if depth:
                impl.Task(child(depth - 1), loop=loop, eager_start=True, name=f'T{depth - 1}')
            order.append(('out', depth, asyncio.current_task().get_name()))

        async def main():
            impl.Task(child(2), loop=loop, eager_start=True, name='T2')

        loop.run_until_complete(main())
        assert order == [
            (way, n, f'T{n}')
            for way, n in zip(['in'] * 3 + ['out'] * 3, [2, 1, 0, 0, 1, 2], strict=True)
        ]

    @pytest.mark.parametrize('whose', ['stock', 'own'])
    def test_by_the_modules_factory(self, impl, loop, whose):
        module = asyncio if whose == 'stock' else impl.module
        loop.set_task_factory(module.eager_task_factory)
        seen = []

        async def child():
            seen.append(1)
            return 1

        async def main():
            task = loop.create_task(child(), name='N')
            assert seen == [1]
            assert task.done()
            assert task.get_name() == 'N'
            assert isinstance(task, asyncio.Task)
            waiting = loop.create_task(asyncio.sleep(0, 2))
            assert not waiting.done()
            return await task, await waiting

        assert loop.run_until_complete(main()) == (1, 2)

    def test_by_a_factory_of_the_type(self, impl, loop):
        loop.set_task_factory(asyncio.create_eager_task_factory(impl.Task))

        async def main():
            task = loop.create_task(answer(1))
            assert type(task) is impl.Task
            assert task.done()
            return await asyncio.gather(answer(1), asyncio.sleep(0, 2), task)

        assert loop.run_until_complete(main()) == [1, 2, 1]

    def test_stock_task_directly(self, loop):
        async def main():
            task = asyncio.Task(answer(1), loop=loop, eager_start=True)
            assert task.done()
            return await task

        assert loop.run_until_complete(main()) == 1

    def test_all_tasks_while_it_runs(self, impl, loop):
        async def child():
            return asyncio.current_task() in asyncio.all_tasks()

        async def main():
            return await impl.Task(child(), loop=loop, eager_start=True)

        assert loop.run_until_complete(main()) is True

    def test_taskgroup(self, impl, loop):
        loop.set_task_factory(asyncio.create_eager_task_factory(impl.Task))

        async def main():
            async with asyncio.TaskGroup() as group:
                one = group.create_task(answer(1))
                two = group.create_task(asyncio.sleep(0, 2))
            return one.result(), two.result()

        assert loop.run_until_complete(main()) == (1, 2)

    @pytest.mark.skipif(sys.version_info < (3, 14), reason='create_task(eager_start=) is of 3.14')
    def test_by_create_task(self, impl, loop):
        async def main():
            task = loop.create_task(answer(1), eager_start=True, name='E')
            assert task.done()
            assert task.get_name() == 'E'
            late = loop.create_task(answer(2), eager_start=False)
            assert not late.done()
            return await task, await late

        assert loop.run_until_complete(main()) == (1, 2)


class TestBadYields:
    @pytest.mark.parametrize('value', [1, 'text', object, [], True, 0, ...], ids=repr)
    def test_nonsense(self, loop, make, value):
        @types.coroutine
        def nonsense():
            yield value

        async def main():
            with pytest.raises(RuntimeError) as caught:
                await nonsense()
            return str(caught.value)

        assert loop.run_until_complete(make(main())) == f'Task got bad yield: {value!r}'

    def test_future_without_yield_from(self, loop, make):
        fut = loop.create_future()

        @types.coroutine
        def plain():
            yield fut

        async def main():
            with pytest.raises(RuntimeError) as caught:
                await plain()
            return str(caught.value)

        task = make(main(), name='T')
        message = loop.run_until_complete(task)
        assert re.fullmatch(
            r"yield was used instead of yield from in task <Task pending name='T' .*>"
            r' with <Future pending>',
            message,
        )

    def test_generator(self, loop, make):
        def generator():
            yield

        made = generator()

        @types.coroutine
        def plain():
            yield made

        async def main():
            with pytest.raises(RuntimeError) as caught:
                await plain()
            return str(caught.value)

        message = loop.run_until_complete(make(main(), name='T'))
        assert message.startswith(
            "yield was used instead of yield from for generator in task <Task pending name='T' "
        )
        assert message.endswith(f'> with {made!r}')

    def test_itself(self, loop, make):
        async def main():
            with pytest.raises(RuntimeError) as caught:
                await asyncio.current_task()
            return str(caught.value)

        task = make(main(), name='T')
        assert re.fullmatch(
            r"Task cannot await on itself: <Task pending name='T' .*>",
            loop.run_until_complete(task),
        )

    def test_future_of_another_loop(self, impl, loop, make):
        other = impl.new_event_loop()
        fut = other.create_future()

        async def main():
            with pytest.raises(RuntimeError) as caught:
                await fut
            return str(caught.value)

        task = make(main(), name='T')
        assert re.fullmatch(
            r"Task <Task pending name='T' .*> got Future <Future pending>"
            r' attached to a different loop',
            loop.run_until_complete(task),
        )
        other.close()

    def test_task_of_another_loop(self, impl, loop, make):
        other = impl.new_event_loop()
        foreign = other.create_task(answer())

        async def main():
            with pytest.raises(RuntimeError, match=r'attached to a different loop$'):
                await foreign

        loop.run_until_complete(make(main()))
        other.run_until_complete(foreign)
        other.close()

    def test_done_future_of_another_loop_can_be_awaited(self, impl, loop, make):
        other = impl.new_event_loop()
        fut = other.create_future()
        fut.set_result(1)
        assert loop.run_until_complete(make(wait_for(fut))) == 1
        other.close()

    def test_error_is_thrown_on_the_next_iteration(self, loop, make):
        order = []

        @types.coroutine
        def nonsense():
            yield 1

        async def main():
            loop.call_soon(order.append, 'between')
            with pytest.raises(RuntimeError):
                await nonsense()
            order.append('thrown')

        loop.run_until_complete(make(main()))
        assert order == ['between', 'thrown']

    def test_coroutine_that_goes_on_yielding_nonsense(self, loop, make):
        @types.coroutine
        def stubborn():
            for _ in range(10):
                try:
                    yield 1
                except RuntimeError:
                    pass
            return 'end'

        async def main():
            return await stubborn()

        assert loop.run_until_complete(make(main())) == 'end'

    def test_coroutine_that_is_run_already(self, loop):
        coro = answer()
        one = loop.create_task(coro)
        two = loop.create_task(coro)
        results = loop.run_until_complete(asyncio.gather(one, two, return_exceptions=True))
        assert results[0] is None
        assert type(results[1]) is RuntimeError
        assert str(results[1]) == 'cannot reuse already awaited coroutine'


class TestStack:
    def test_waiting(self, loop, make):
        async def inner():
            await loop.create_future()

        async def outer():
            await inner()

        task = make(outer())
        support.run_once(loop)
        stack = task.get_stack()
        assert [frame.f_code.co_name for frame in stack] == ['outer']
        assert task.get_stack(limit=1) == stack
        out = io.StringIO()
        task.print_stack(file=out)
        text = out.getvalue()
        assert text.startswith(f'Stack for {task!r} (most recent call last):\n')
        assert f'File "{HERE}", line {line_of(outer, 1)}, in outer' in text
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        assert task.get_stack() == []

    def test_running(self, loop, make):
        async def main():
            return [f.f_code.co_name for f in asyncio.current_task().get_stack()]

        assert loop.run_until_complete(make(main()))[-1] == 'main'

    def test_failed(self, loop, make):
        task = make(raises(KeyError('k')))
        with pytest.raises(KeyError):
            loop.run_until_complete(task)
        names = [frame.f_code.co_name for frame in task.get_stack()]
        assert names[-1] == 'raises'
        out = io.StringIO()
        task.print_stack(file=out, limit=5)
        assert out.getvalue().startswith(f'Traceback for {task!r} (most recent call last):\n')
        assert out.getvalue().endswith("KeyError: 'k'\n")
        task.exception().__traceback__ = None

    def test_done(self, loop, make):
        task = make(answer())
        loop.run_until_complete(task)
        out = io.StringIO()
        task.print_stack(file=out)
        assert out.getvalue() == f'No stack for {task!r}\n'
        assert task.get_stack() == []

    def test_limit_is_keyword_only(self, loop, make):
        task = make(answer())
        with pytest.raises(TypeError):
            task.get_stack(1)
        loop.run_until_complete(task)

    @pytest.mark.skipif(sys.version_info < (3, 14), reason='call graphs came with 3.14')
    def test_call_graph(self, loop, make):
        async def inner():
            await asyncio.sleep(0)
            return asyncio.capture_call_graph()

        async def outer(task):
            return await task

        async def main():
            child = make(inner(), name='child')
            parent = make(outer(child), name='parent')
            return await parent, child, parent

        graph, child, parent = loop.run_until_complete(make(main(), name='main'))
        assert graph.future is child
        assert [call.future for call in graph.awaited_by] == [parent]
        assert [call.future.get_name() for call in graph.awaited_by[0].awaited_by] == ['main']

    @pytest.mark.skipif(sys.version_info < (3, 14), reason='call graphs came with 3.14')
    def test_awaited_by(self, loop, make):
        async def main():
            fut = loop.create_future()
            assert fut._asyncio_awaited_by is None
            one = make(wait_for(fut))
            await asyncio.sleep(0)
            assert set(fut._asyncio_awaited_by) == {one}
            two = make(wait_for(fut))
            await asyncio.sleep(0)
            assert set(fut._asyncio_awaited_by) == {one, two}
            fut.set_result(None)
            await one
            await two
            assert not fut._asyncio_awaited_by

        loop.run_until_complete(main())


class TestPrivateAttributes:
    def test_of_a_new_task(self, loop, make):
        coro = answer()
        task = make(coro)
        assert task._must_cancel is False
        assert task._fut_waiter is None
        assert task._coro is coro
        assert task._log_destroy_pending is True
        assert task._state == 'PENDING'
        assert task._result is None
        assert task._exception is None
        assert task._log_traceback is False
        assert task._loop is loop
        assert task._source_traceback is None
        assert task._cancel_message is None
        assert task._asyncio_future_blocking is False
        assert task._callbacks is None
        loop.run_until_complete(task)
        assert task._state == 'FINISHED'

    def test_fut_waiter(self, loop, make):
        fut = loop.create_future()
        task = make(wait_for(fut))
        support.run_once(loop)
        assert task._fut_waiter is fut
        assert isinstance(task._fut_waiter, asyncio.Future)
        fut.set_result(None)
        loop.run_until_complete(task)
        assert task._fut_waiter is None

    def test_fut_waiter_is_the_task_awaited(self, loop, make):
        inner = make(wait_for(loop.create_future()))
        outer = make(wait_for(inner))
        for _ in range(2):
            support.run_once(loop)
        assert outer._fut_waiter is inner
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(outer)

    def test_callbacks_of_what_a_task_waits_for(self, loop, make):
        fut = loop.create_future()
        task = make(wait_for(fut))
        support.run_once(loop)
        [(callback, context)] = fut._callbacks
        assert callable(callback)
        assert isinstance(context, contextvars.Context)
        # What aiodebug and others do to find the task behind a future.
        assert callback.__self__ is task
        seen = []
        fut.add_done_callback(seen.append)
        assert [pair[0] for pair in fut._callbacks] == [callback, seen.append]
        fut.set_result(None)
        loop.run_until_complete(task)
        assert seen == [fut]

    def test_wakeup_can_be_removed_from_what_a_task_waits_for(self, loop, make):
        # asyncio.tasks itself does so: fut.remove_done_callback(task_wakeup).
        fut = loop.create_future()
        task = make(wait_for(fut))
        support.run_once(loop)
        [(callback, _)] = fut._callbacks
        assert fut.remove_done_callback(callback) == 1
        assert not fut._callbacks
        fut.set_result(1)
        support.run_once(loop)
        assert not task.done()
        fut.add_done_callback(callback)
        assert loop.run_until_complete(task) == 1

    def test_log_destroy_pending_can_be_set(self, loop, make):
        task = make(answer())
        task._log_destroy_pending = False
        assert task._log_destroy_pending is False
        task._log_destroy_pending = 1
        assert task._log_destroy_pending is True
        loop.run_until_complete(task)

    @pytest.mark.parametrize('name', ['_coro', '_fut_waiter', '_state', '_loop', '_must_cancel'])
    def test_read_only(self, loop, make, name):
        task = make(answer())
        with pytest.raises(AttributeError):
            setattr(task, name, None)
        loop.run_until_complete(task)

    def test_run_until_complete_callback_is_stocks(self, loop, make):
        from asyncio.base_events import _run_until_complete_cb

        async def main():
            return [callback for callback, _ in asyncio.current_task()._callbacks]

        assert loop.run_until_complete(make(main())) == [_run_until_complete_cb]


class TestSubclasses:
    def test_of_the_implementation(self, impl, loop):
        class Mine(impl.Task):
            def __init__(self, coro, **kwargs):
                super().__init__(coro, **kwargs)
                self.extra = []

            def cancel(self, msg=None):
                self.extra.append(msg)
                return super().cancel(msg)

        async def main():
            task = Mine(wait_for(loop.create_future()), loop=loop)
            await asyncio.sleep(0)
            outer = Mine(wait_for(task), loop=loop)
            await asyncio.sleep(0)
            outer.cancel('m')
            with pytest.raises(asyncio.CancelledError):
                await outer
            return task.extra, outer.extra

        assert loop.run_until_complete(main()) == (['m'], ['m'])

    def test_of_stock(self, loop):
        class Mine(asyncio.Task):
            pass

        async def main():
            task = Mine(answer(1), loop=loop)
            assert task in asyncio.all_tasks()
            return await task

        assert loop.run_until_complete(main()) == 1

    def test_without_init(self, impl):
        class Broken(impl.Task):
            def __init__(self):
                pass

        task = Broken()
        with pytest.raises(RuntimeError, match=r'is not initialized|object is not initialized'):
            task.get_loop()
        task.cancelled()
        task.done()
        task.cancelling()
        del task
        gc.collect()

    def test_overridden_add_done_callback_is_called(self, impl, loop):
        calls = []

        class Mine(impl.Future):
            def add_done_callback(self, fn, *, context=None):
                calls.append(fn)
                super().add_done_callback(fn, context=context)

        fut = Mine(loop=loop)
        task = loop.create_task(wait_for(fut))
        loop.call_soon(fut.set_result, 1)
        assert loop.run_until_complete(task) == 1
        assert len(calls) == 1

    def test_overridden_result_is_called(self, impl, loop):
        class Mine(impl.Future):
            def result(self):
                return 'overridden'

        async def main():
            fut = Mine(loop=loop)
            fut.set_result(1)
            return fut.result(), await fut

        assert loop.run_until_complete(main())[0] == 'overridden'


class TestFactories:
    def test_get_and_set(self, loop):
        assert loop.get_task_factory() is None

        def factory(loop, coro, **kwargs):
            raise AssertionError

        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None
        with pytest.raises(TypeError, match=r'^task factory must be a callable or None$'):
            loop.set_task_factory(1)

    def test_gets_only_what_the_caller_gave(self, impl, loop):
        calls = []

        def factory(*args, **kwargs):
            calls.append((args, kwargs))
            return impl.Task(args[1], loop=args[0])

        loop.set_task_factory(factory)
        coro = answer()
        loop.run_until_complete(loop.create_task(coro))
        assert calls == [((loop, coro), {})]

    def test_context_is_passed_on(self, impl, loop):
        calls = []

        def factory(loop, coro, **kwargs):
            calls.append(dict(kwargs))
            return impl.Task(coro, loop=loop, **kwargs)

        loop.set_task_factory(factory)
        context = contextvars.copy_context()
        loop.run_until_complete(loop.create_task(answer(), context=context))
        assert calls == [{'context': context}]

    def test_name_is_set_or_passed_on(self, impl, loop):
        calls = []

        def factory(loop, coro, **kwargs):
            calls.append(kwargs)
            return impl.Task(coro, loop=loop, **kwargs)

        loop.set_task_factory(factory)
        task = loop.create_task(answer(), name='N')
        assert task.get_name() == 'N'
        # Before 3.13.3 the loop set the name itself: compare with the running stock loop.
        stock = asyncio.SelectorEventLoop()
        stock.set_task_factory(lambda loop, coro, **kw: factory(loop, coro, **kw))
        stock.run_until_complete(stock.create_task(answer(), name='N'))
        stock.close()
        loop.run_until_complete(task)
        assert calls[0] == calls[1]

    @pytest.mark.skipif(sys.version_info < (3, 14), reason='further keywords are of 3.14')
    def test_further_keywords_are_passed_on(self, impl, loop):
        calls = []

        def factory(loop, coro, **kwargs):
            calls.append(kwargs)
            return impl.Task(coro, loop=loop)

        loop.set_task_factory(factory)
        loop.run_until_complete(loop.create_task(answer(), custom=1, eager_start=True))
        assert calls == [{'custom': 1, 'eager_start': True}]

    def test_unknown_keywords_without_a_factory(self, loop):
        coro = answer()
        with pytest.raises(TypeError):
            loop.create_task(coro, custom=1)
        coro.close()

    def test_may_return_a_stock_task(self, loop):
        loop.set_task_factory(lambda loop, coro, **kw: asyncio.Task(coro, loop=loop, **kw))
        assert loop.run_until_complete(answer(1)) == 1

    def test_that_raises(self, loop):
        def factory(loop, coro, **kwargs):
            coro.close()
            raise ZeroDivisionError

        loop.set_task_factory(factory)
        with pytest.raises(ZeroDivisionError):
            loop.create_task(answer())
        loop.set_task_factory(None)

    def test_is_used_by_stocks_functions(self, impl, loop):
        made = []

        def factory(loop, coro, **kwargs):
            made.append(coro.__name__)
            return impl.Task(coro, loop=loop, **kwargs)

        loop.set_task_factory(factory)

        async def main():
            await asyncio.create_task(answer())
            await asyncio.gather(answer(), answer())
            async with asyncio.TaskGroup() as group:
                group.create_task(answer())
            await asyncio.ensure_future(answer())

        loop.run_until_complete(main())
        assert made == ['main'] + ['answer'] * 5

    def test_closed_loop_refuses(self, impl):
        loop = impl.new_event_loop()
        loop.close()
        coro = answer()
        with pytest.raises(RuntimeError, match=r'^Event loop is closed$'):
            loop.create_task(coro)
        coro.close()


class TestEndOfLife:
    def test_destroyed_pending(self, loop, make):
        async def kill_me():
            fut = loop.create_future()
            await fut

        coro = kill_me()
        task = make(coro, name='victim')
        support.run_once(loop)
        assert repr(task).startswith("<Task pending name='victim' ")
        # The coroutine refers to fut, fut to the task's wakeup: a cycle of their own.
        del coro, task
        gc.collect()
        [report] = loop.reports
        assert report['message'] == 'Task was destroyed but it is pending!'
        assert set(report) == {'message', 'task'}
        assert report['task'].get_name() == 'victim'
        loop.reports.clear()
        del report

    def test_destroyed_pending_in_debug(self, loop, make):
        loop.set_debug(True)

        async def kill_me():
            await loop.create_future()

        task = make(kill_me())
        support.run_once(loop)
        trace = task._source_traceback
        del task
        gc.collect()
        [report] = loop.reports
        assert report['source_traceback'] is trace
        loop.reports.clear()
        del report

    def test_destroyed_when_its_name_cannot_be_told(self, loop, make):
        class Nameless:
            def __str__(self):
                raise KeyError

        coro = answer()
        with pytest.raises(KeyError):
            make(coro, name=Nameless())
        gc.collect()
        [report] = loop.reports
        assert report['message'] == 'Task was destroyed but it is pending!'
        assert report['task'].get_coro() is coro
        coro.close()
        loop.reports.clear()

    def test_destroyed_when_it_was_made_in_a_wrong_thread(self, loop, make):
        loop.set_debug(True)
        coro = answer()

        def other():
            with pytest.raises(RuntimeError, match=r'^Non-thread-safe operation'):
                make(coro)
            gc.collect()
            loop.call_soon_threadsafe(loop.stop)

        thread = threading.Thread(target=other)
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
        [report] = loop.reports
        assert report['message'] == 'Task was destroyed but it is pending!'
        coro.close()
        loop.reports.clear()

    def test_destroyed_pending_can_be_silenced(self, loop, make):
        async def kill_me():
            await loop.create_future()

        task = make(kill_me())
        support.run_once(loop)
        task._log_destroy_pending = False
        del task
        gc.collect()
        assert loop.reports == []

    def test_exception_never_retrieved(self, loop, make):
        error = KeyError('lost')
        task = make(raises(error), name='T')
        support.run_once(loop)
        assert task.done()
        del task
        gc.collect()
        [report] = loop.reports
        assert report['message'] == 'Task exception was never retrieved'
        assert report['exception'] is error
        assert report['future'].get_name() == 'T'
        loop.reports.clear()
        error.__traceback__ = None
        del report

    def test_weak_reference(self, loop, make):
        task = make(answer())
        ref = weakref.ref(task)
        loop.run_until_complete(task)
        assert ref() is task
        del task
        support.run_once(loop)
        assert ref() is None

    def test_done_task_lets_go_of_everything(self, loop, make):
        class Thing:
            pass

        thing = Thing()
        ref = weakref.ref(thing)

        async def main(thing):
            await asyncio.sleep(0)

        task = make(main(thing))
        del thing
        loop.run_until_complete(task)
        support.run_once(loop)
        assert ref() is None
        assert task.done()

    def test_cycle_through_the_coroutine_is_collected(self, loop, make):
        async def main(holder):
            await asyncio.sleep(0)
            return holder

        holder = []
        task = make(main(holder))
        holder.append(task)
        loop.run_until_complete(task)
        ref = weakref.ref(task)
        del task, holder
        support.run_once(loop)
        gc.collect()
        assert ref() is None

    def test_cycle_through_the_exception_is_collected(self, loop, make):
        async def main():
            task = asyncio.current_task()
            raise KeyError(task)

        task = make(main())
        loop.run_until_complete(asyncio.wait([task]))
        task.exception()
        ref = weakref.ref(task)
        del task
        support.run_once(loop)
        gc.collect()
        assert ref() is None

    def test_kept_alive_while_scheduled(self, loop, make):
        seen = []

        async def main():
            for number in range(5):
                seen.append(number)
                await asyncio.sleep(0)

        make(main())
        for _ in range(6):
            gc.collect()
            support.run_once(loop)
        assert seen == list(range(5))

    def test_task_factory_subclass_is_weakly_held(self, impl, loop):
        class Mine(impl.Task):
            pass

        task = Mine(answer(), loop=loop)
        ref = weakref.ref(task)
        loop.run_until_complete(task)
        del task
        support.run_once(loop)
        gc.collect()
        assert ref() is None


class TestBaseExceptions:
    @pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
    def test_leave_the_loop_at_once(self, loop, make, kind):
        error = kind('out')
        after = []
        task = make(raises(error))
        loop.call_soon(after.append, 1)
        with pytest.raises(kind) as caught:
            loop.run_forever()
        assert caught.value is error
        assert after == []
        assert task.done()
        assert task.exception() is error
        # What was ready is still there.
        support.run_once(loop)
        assert after == [1]
        error.__traceback__ = None

    def test_others_are_kept_in_the_task(self, loop, make):
        class Odd(BaseException):
            pass

        task = make(raises(Odd('o')))
        loop.run_until_complete(asyncio.wait([task]))
        assert type(task.exception()) is Odd
        task.exception().__traceback__ = None

    def test_generator_exit(self, loop, make):
        task = make(raises(GeneratorExit()))
        loop.run_until_complete(asyncio.wait([task]))
        assert type(task.exception()) is GeneratorExit
        task.exception().__traceback__ = None


def test_a_task_that_was_waited_for_lives_as_long_as_somebody_has_it(impl, loop):
    # asyncio's handle, which wakes who waits, has it until the step is over.
    async def main():
        task = loop.create_task(asyncio.sleep(0))
        await task
        alive = weakref.ref(task)
        del task
        return alive() is not None

    assert loop.run_until_complete(loop.create_task(main())) is not impl.ours


@pytest.mark.skipif(sys.version_info >= (3, 15), reason='refused since 3.15')
def test_a_context_of_another_type(impl, loop):
    class Context:
        def run(self, function, *args):
            return function(*args)

    async def answer():
        return 1

    task = loop.create_task(answer(), context=Context())
    support.run_once(loop)
    assert task.done() is not impl.ours
    if impl.ours:
        [report] = loop.reports
        assert type(report['exception']) is TypeError
        loop.reports.clear()
        task.cancel()
        task._log_destroy_pending = False
        task.get_coro().close()
        del task, report
