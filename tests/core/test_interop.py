"""Our tasks and futures beside stock's, pure-Python and duck-typed ones, on any loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys

import pytest
import support

PyFuture = asyncio.futures._PyFuture
PyTask = asyncio.tasks._PyTask


async def answer(value=None):
    return value


async def wait_for(awaitable):
    return await awaitable


async def raises(error):
    raise error


def future_types(impl):
    return {'own': impl.Future, 'stock': asyncio.Future, 'python': PyFuture}


def task_types(impl):
    return {'own': impl.Task, 'stock': asyncio.Task, 'python': PyTask}


KINDS = ['own', 'stock', 'python']


@pytest.fixture(params=KINDS)
def task_type(request, impl):
    return task_types(impl)[request.param]


@pytest.fixture(params=KINDS)
def future_type(request, impl):
    return future_types(impl)[request.param]


@pytest.fixture(params=KINDS)
def other_task_type(request, impl):
    return task_types(impl)[request.param]


@pytest.fixture(params=['own', 'stock'])
def any_loop(request, impl):
    """A loop of the implementation, and stock's: tasks of both run on both."""
    loop = impl.new_event_loop() if request.param == 'own' else asyncio.SelectorEventLoop()
    yield loop
    loop.close()


class TestTaskAwaitsFuture:
    def test_result(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        task = task_type(wait_for(fut), loop=any_loop)
        support.run_once(any_loop)
        assert task._fut_waiter is fut
        assert not task.done()
        fut.set_result('r')
        assert any_loop.run_until_complete(task) == 'r'

    def test_done_already(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        fut.set_result(None)
        assert any_loop.run_until_complete(task_type(wait_for(fut), loop=any_loop)) is None

    def test_exception(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        task = task_type(wait_for(fut), loop=any_loop)
        any_loop.call_soon(fut.set_exception, KeyError('k'))
        with pytest.raises(KeyError, match=r'k') as caught:
            any_loop.run_until_complete(task)
        caught.value.__traceback__ = None

    def test_cancelled_future(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        task = task_type(wait_for(fut), loop=any_loop)
        support.run_once(any_loop)
        fut.cancel('m')
        with pytest.raises(asyncio.CancelledError, match=r'^m$'):
            any_loop.run_until_complete(task)
        assert task.cancelled()

    def test_cancelled_task(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        task = task_type(wait_for(fut), loop=any_loop)
        support.run_once(any_loop)
        task.cancel('m')
        assert fut.cancelled()
        assert fut._cancel_message == 'm'
        with pytest.raises(asyncio.CancelledError, match=r'^m$'):
            any_loop.run_until_complete(task)

    def test_repr(self, any_loop, task_type, future_type):
        fut = future_type(loop=any_loop)
        task = task_type(wait_for(fut), loop=any_loop, name='T')
        support.run_once(any_loop)
        assert repr(task).startswith("<Task pending name='T' coro=<wait_for() running at ")
        assert ' wait_for=<Future pending cb=[' in repr(task)
        fut.set_result(None)
        any_loop.run_until_complete(task)


class TestTaskAwaitsTask:
    def test_result(self, any_loop, task_type, other_task_type):
        inner = other_task_type(answer('r'), loop=any_loop)
        assert any_loop.run_until_complete(task_type(wait_for(inner), loop=any_loop)) == 'r'

    def test_exception(self, any_loop, task_type, other_task_type):
        inner = other_task_type(raises(KeyError('k')), loop=any_loop)
        with pytest.raises(KeyError, match=r'k') as caught:
            any_loop.run_until_complete(task_type(wait_for(inner), loop=any_loop))
        caught.value.__traceback__ = None

    def test_cancel(self, any_loop, task_type, other_task_type):
        inner = other_task_type(wait_for(any_loop.create_future()), loop=any_loop)
        outer = task_type(wait_for(inner), loop=any_loop)
        support.run_once(any_loop)
        support.run_once(any_loop)
        outer.cancel('m')
        with pytest.raises(asyncio.CancelledError, match=r'^m$'):
            any_loop.run_until_complete(outer)
        assert inner.cancelled()

    def test_long_mixed_chain(self, impl, any_loop):
        types = list(task_types(impl).values())

        async def follow(previous):
            return 0 if previous is None else await previous + 1

        task = None
        for number in range(60):
            task = types[number % 3](follow(task), loop=any_loop)
        assert any_loop.run_until_complete(task) == 59


def known_to_current_task(impl):
    """From 3.14 on, pure-Python tasks have a current_task() and all_tasks() of their own."""
    kinds = task_types(impl)
    if sys.version_info >= (3, 14):
        del kinds['python']
    return list(kinds.values())


class TestCurrentAndAll:
    def test_all_tasks_has_all_kinds(self, impl, any_loop):
        fut = any_loop.create_future()
        tasks = {kind(wait_for(fut), loop=any_loop) for kind in known_to_current_task(impl)}
        assert asyncio.all_tasks(any_loop) == tasks
        support.run_once(any_loop)
        assert asyncio.all_tasks(any_loop) == tasks
        fut.set_result(None)
        any_loop.run_until_complete(asyncio.wait(tasks))
        assert asyncio.all_tasks(any_loop) == set()

    def test_current_task_in_turns(self, impl, any_loop):
        seen = []

        async def worker():
            for _ in range(3):
                seen.append(asyncio.current_task())
                await asyncio.sleep(0)

        tasks = [kind(worker(), loop=any_loop) for kind in known_to_current_task(impl)]
        any_loop.call_soon(lambda: seen.append(asyncio.current_task(any_loop)))
        any_loop.run_until_complete(asyncio.wait(tasks))
        assert seen == [*tasks, None, *tasks, *tasks]

    def test_current_task_after_an_exception(self, any_loop, task_type):
        task = task_type(raises(KeyError()), loop=any_loop)
        any_loop.run_until_complete(asyncio.wait([task]))
        assert asyncio.current_task(any_loop) is None
        task.exception().__traceback__ = None

    def test_enter_and_leave_by_hand(self, loop):
        # What libraries that step coroutines themselves use.
        task = loop.create_task(answer())
        support.run_once(loop)
        seen = []

        def callback():
            asyncio.tasks._enter_task(loop, task)
            seen.append(asyncio.current_task())
            with pytest.raises(RuntimeError, match=r'^Cannot enter into task '):
                asyncio.tasks._enter_task(loop, task)
            asyncio.tasks._leave_task(loop, task)
            seen.append(asyncio.current_task())
            with pytest.raises(
                RuntimeError, match=r'^Leaving task |^Invalid attempt to leave task '
            ):
                asyncio.tasks._leave_task(loop, task)

        loop.call_soon(callback)
        support.run_once(loop)
        assert loop.reports == []
        assert seen == [task, None]
        assert asyncio.current_task(loop) is None

    def test_leave_and_enter_inside_a_task(self, loop):
        # anyio's and trio-asyncio's trick: another task is current for a while.
        async def main():
            this = asyncio.current_task()
            asyncio.tasks._leave_task(loop, this)
            assert asyncio.current_task() is None
            asyncio.tasks._enter_task(loop, this)
            assert asyncio.current_task() is this

        loop.run_until_complete(main())

    @pytest.mark.skipif(sys.version_info < (3, 12), reason='_swap_current_task came with 3.12')
    def test_swap_by_hand(self, loop):
        async def main():
            this = asyncio.current_task()
            other = loop.create_task(answer())
            assert asyncio.tasks._swap_current_task(loop, other) is this
            assert asyncio.current_task() is other
            assert asyncio.tasks._swap_current_task(loop, this) is other
            await other

        loop.run_until_complete(main())

    def test_register_by_hand(self, loop):
        class TaskLike:
            _loop = loop
            _state = 'PENDING'

            def get_loop(self):
                return loop

            def done(self):
                return False

        task = TaskLike()
        asyncio.tasks._register_task(task)
        assert asyncio.all_tasks(loop) == {task}
        asyncio.tasks._unregister_task(task)
        assert asyncio.all_tasks(loop) == set()


class Duck:
    """As little of a future as the protocol wants."""

    _asyncio_future_blocking = False

    def __init__(self, loop):
        self._loop = loop
        self._callbacks = []
        self._done = False
        self._error = None
        self._result = None

    def get_loop(self):
        return self._loop

    def done(self):
        return self._done

    def add_done_callback(self, callback, *, context=None):
        if self._done:
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callbacks.append((callback, context))

    def remove_done_callback(self, callback):
        before = len(self._callbacks)
        self._callbacks = [pair for pair in self._callbacks if pair[0] != callback]
        return before - len(self._callbacks)

    def finish(self, result=None, error=None):
        self._done, self._result, self._error = True, result, error
        for callback, context in self._callbacks:
            self._loop.call_soon(callback, self, context=context)

    def cancel(self, msg=None):
        self.finish(error=asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def cancelled(self):
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self):
        return self._error

    def result(self):
        if self._error is not None:
            raise self._error
        return self._result

    def __await__(self):
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    __iter__ = __await__


class TestDuckTyped:
    def test_result(self, loop, task_type):
        duck = Duck(loop)
        task = task_type(wait_for(duck), loop=loop)
        support.run_once(loop)
        assert task._fut_waiter is duck
        assert duck._asyncio_future_blocking is False
        duck.finish('quack')
        assert loop.run_until_complete(task) == 'quack'

    def test_exception(self, loop, task_type):
        duck = Duck(loop)
        loop.call_soon(duck.finish, None, KeyError('k'))
        with pytest.raises(KeyError) as caught:
            loop.run_until_complete(task_type(wait_for(duck), loop=loop))
        caught.value.__traceback__ = None
        duck._error = None

    def test_cancel(self, loop, task_type):
        duck = Duck(loop)
        task = task_type(wait_for(duck), loop=loop)
        support.run_once(loop)
        task.cancel('m')
        with pytest.raises(asyncio.CancelledError, match=r'^m$'):
            loop.run_until_complete(task)
        duck._error = None

    def test_run_until_complete(self, loop):
        duck = Duck(loop)
        assert asyncio.isfuture(duck)
        loop.call_soon(duck.finish, 1)
        assert loop.run_until_complete(duck) == 1

    def test_of_another_loop(self, impl, loop, task_type):
        other = impl.new_event_loop()
        duck = Duck(other)
        with pytest.raises(RuntimeError, match=r'attached to a different loop$'):
            loop.run_until_complete(task_type(wait_for(duck), loop=loop))
        other.close()

    def test_add_done_callback_that_raises(self, loop):
        class Broken(Duck):
            def add_done_callback(self, callback, *, context=None):
                raise ZeroDivisionError('broken')

        task = loop.create_task(wait_for(Broken(loop)))
        support.run_once(loop)
        [report] = loop.reports
        assert type(report['exception']) is ZeroDivisionError
        assert not task.done()
        task._log_destroy_pending = False
        loop.reports.clear()


class TestStockFunctions:
    """Stock's gather, wait and the rest over tasks and futures of every kind."""

    def test_gather(self, loop, task_type, future_type):
        async def main():
            fut = future_type(loop=loop)
            loop.call_soon(fut.set_result, 2)
            return await asyncio.gather(task_type(answer(1), loop=loop), fut, answer(3))

        assert loop.run_until_complete(main()) == [1, 2, 3]

    def test_gather_exception_and_cancel(self, loop, task_type):
        async def main():
            stuck = task_type(wait_for(loop.create_future()), loop=loop)
            group = asyncio.gather(stuck, return_exceptions=True)
            await asyncio.sleep(0)
            group.cancel()
            with pytest.raises(asyncio.CancelledError):
                await group
            assert stuck.cancelled()

        loop.run_until_complete(main())

    def test_wait(self, loop, task_type, future_type):
        async def main():
            never = future_type(loop=loop)
            quick = task_type(answer(1), loop=loop)
            done, pending = await asyncio.wait([quick, never], return_when=asyncio.FIRST_COMPLETED)
            assert done == {quick}
            assert pending == {never}
            done, pending = await asyncio.wait([quick, never], timeout=0)
            assert pending == {never}
            assert not never._callbacks

        loop.run_until_complete(main())

    def test_wait_for(self, loop, task_type, future_type):
        async def main():
            assert await asyncio.wait_for(task_type(answer(1), loop=loop), 60) == 1
            fut = future_type(loop=loop)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(fut, 0)
            assert fut.cancelled()
            task = task_type(wait_for(loop.create_future()), loop=loop)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.0001)
            assert task.cancelled()

        loop.run_until_complete(main())

    def test_shield(self, loop, task_type):
        async def main():
            fut = loop.create_future()
            inner = task_type(wait_for(fut), loop=loop)
            outer = loop.create_task(wait_for(asyncio.shield(inner)))
            await asyncio.sleep(0)
            outer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await outer
            assert not inner.done()
            fut.set_result(1)
            return await inner

        assert loop.run_until_complete(main()) == 1

    def test_as_completed(self, loop, task_type):
        async def main():
            tasks = [task_type(asyncio.sleep(0, n), loop=loop) for n in range(5)]
            return [await nearest for nearest in asyncio.as_completed(tasks)]

        assert sorted(loop.run_until_complete(main())) == list(range(5))

    def test_taskgroup(self, impl, loop, task_type):
        if task_type not in known_to_current_task(impl):
            pytest.skip('taskgroup asks for the current task')

        loop.set_task_factory(lambda loop, coro, **kw: task_type(coro, loop=loop, **kw))

        async def main():
            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as group:
                    stuck = group.create_task(wait_for(loop.create_future()))
                    group.create_task(raises(KeyError('k')))
            assert stuck.cancelled()
            [error] = caught.value.exceptions
            assert type(error) is KeyError
            if sys.version_info >= (3, 13):
                assert asyncio.current_task().cancelling() == 0
            error.__traceback__ = None

        loop.run_until_complete(main())
        loop.set_task_factory(None)

    def test_timeout(self, impl, loop, task_type):
        if task_type not in known_to_current_task(impl):
            pytest.skip('timeout asks for the current task')

        async def main():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await loop.create_future()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.0001):
                    await loop.create_future()
            assert asyncio.current_task().cancelling() == 0
            async with asyncio.timeout(60) as scope:
                await asyncio.sleep(0)
            assert not scope.expired()

        loop.run_until_complete(task_type(main(), loop=loop))

    def test_locks_and_queues(self, loop, task_type):
        async def producer(queue, lock):
            for number in range(10):
                async with lock:
                    await queue.put(number)

        async def main():
            queue, lock, found = asyncio.Queue(2), asyncio.Lock(), []
            tasks = [task_type(producer(queue, lock), loop=loop) for _ in range(3)]
            for _ in range(30):
                found.append(await queue.get())
            await asyncio.wait(tasks)
            return sorted(found)

        assert loop.run_until_complete(main()) == sorted([*range(10)] * 3)

    def test_wrap_future(self, loop):
        async def main():
            plain = concurrent.futures.Future()
            loop.call_soon(plain.set_result, 1)
            assert await asyncio.wrap_future(plain) == 1
            failing = concurrent.futures.Future()
            loop.call_soon(failing.set_exception, KeyError('k'))
            with pytest.raises(KeyError) as caught:
                await asyncio.wrap_future(failing)
            caught.value.__traceback__ = None
            given_up = concurrent.futures.Future()
            wrapped = asyncio.wrap_future(given_up)
            wrapped.cancel()
            await asyncio.sleep(0)
            assert given_up.cancelled()

        loop.run_until_complete(main())

    def test_chained_future_copies_both_ways(self, loop, future_type):
        async def main():
            source, target = concurrent.futures.Future(), future_type(loop=loop)
            asyncio.futures._chain_future(source, target)
            source.set_result(1)
            assert await target == 1
            source, target = future_type(loop=loop), concurrent.futures.Future()
            asyncio.futures._chain_future(source, target)
            source.set_result(2)
            await asyncio.sleep(0)
            assert target.result(0) == 2
            source, target = concurrent.futures.Future(), future_type(loop=loop)
            asyncio.futures._chain_future(source, target)
            target.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert source.cancelled()

        loop.run_until_complete(main())

    def test_ensure_future_of_an_awaitable(self, loop):
        class Awaitable:
            def __await__(self):
                return (yield from answer(7).__await__())

        async def main():
            return await asyncio.ensure_future(Awaitable())

        assert loop.run_until_complete(main()) == 7

    def test_isfuture_and_iscoroutine(self, loop, future_type, task_type):
        fut = future_type(loop=loop)
        assert asyncio.isfuture(fut)
        assert not asyncio.iscoroutine(fut)
        task = task_type(answer(), loop=loop)
        assert asyncio.isfuture(task)
        loop.run_until_complete(task)
