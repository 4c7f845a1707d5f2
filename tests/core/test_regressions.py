"""Bugs that were there once: each test failed before its fix."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import types
import weakref

import pytest
import support

needs_eager = pytest.mark.skipif(sys.version_info < (3, 12), reason='eager tasks came with 3.12')


class Argument:
    """Something whose death can be seen."""


@pytest.mark.parametrize('count', [0, 1, 2, 3, 4, 10])
@pytest.mark.parametrize('schedule', ['call_soon', 'call_later', 'call_at', 'threadsafe'])
def test_handle_cancelled_in_its_own_callback_keeps_its_arguments(loop, schedule, count):
    # The prototype freed them at once and crashed.
    var = contextvars.ContextVar('var')
    seen = []

    def callback(*args):
        handle.cancel()
        gc.collect()
        churn = [Argument() for _ in range(100)]
        assert all(ref() is argument for ref, argument in zip(refs, args, strict=True))
        assert var.get() == 'in context'
        del churn
        seen.append(len(args))

    arguments = [Argument() for _ in range(count)]
    refs = [weakref.ref(argument) for argument in arguments]
    context = contextvars.copy_context()
    context.run(var.set, 'in context')
    if schedule == 'call_soon':
        handle = loop.call_soon(callback, *arguments, context=context)
    elif schedule == 'call_later':
        handle = loop.call_later(0, callback, *arguments, context=context)
    elif schedule == 'call_at':
        handle = loop.call_at(loop.time(), callback, *arguments, context=context)
    else:
        handle = loop.call_soon_threadsafe(callback, *arguments, context=context)
    del arguments, context
    support.run_until(loop, lambda: seen)
    assert seen == [count]
    assert loop.reports == []
    assert handle.cancelled()
    support.run_once(loop)
    assert all(ref() is None for ref in refs)


def test_handle_cancelled_in_its_own_callback_that_raises(loop):
    def callback(argument):
        handle.cancel()
        raise KeyError(argument)

    handle = loop.call_soon(callback, 1)
    support.run_once(loop)
    [report] = loop.reports
    assert report['handle'] is handle
    loop.reports.clear()
    report['exception'].__traceback__ = None


def test_handle_dropped_in_its_own_callback(loop):
    # The loop's own reference is the last one while the callback runs.
    seen = []
    handles = []

    def callback(argument):
        handles.clear()
        gc.collect()
        seen.append(argument)

    handles.append(loop.call_soon(callback, 'argument'))
    support.run_once(loop)
    assert seen == ['argument']


@pytest.mark.parametrize('kind', ['future', 'task', 'gather', 'shield'])
def test_cancel_message_is_forwarded_to_what_is_waited_for(loop, kind):
    # anyio tells its own cancellations by their message.
    fut = loop.create_future()
    caught = []

    async def inner():
        try:
            await fut
        except asyncio.CancelledError as exc:
            caught.append(exc.args)
            raise

    async def outer():
        try:
            if kind == 'future':
                await fut
            elif kind == 'task':
                await loop.create_task(inner())
            elif kind == 'gather':
                await asyncio.gather(inner())
            else:
                await asyncio.shield(fut)
        except asyncio.CancelledError as exc:
            caught.append(exc.args)
            raise

    task = loop.create_task(outer())
    for _ in range(3):
        support.run_once(loop)
    task.cancel('Cancelled by cancel scope 1')
    loop.run_until_complete(asyncio.wait([task]))
    assert task.cancelled()
    assert caught
    assert set(caught) == {('Cancelled by cancel scope 1',)}
    if kind in ('future', 'task'):
        assert fut._cancel_message == 'Cancelled by cancel scope 1'
    fut.cancel()


@pytest.mark.parametrize('foreign', [asyncio.Future, asyncio.futures._PyFuture])
def test_wakeup_by_a_foreign_future_is_in_the_tasks_context_already(loop, foreign):
    # Entering the context again would raise "cannot enter context: ... is already entered".
    var = contextvars.ContextVar('var', default=0)

    async def main():
        var.set(1)
        fut = foreign(loop=loop)
        loop.call_soon(fut.set_result, 'value')
        assert await fut == 'value'
        assert var.get() == 1
        var.set(2)
        other = foreign(loop=loop)
        loop.call_soon(other.set_exception, KeyError('k'))
        with pytest.raises(KeyError) as caught:
            await other
        caught.value.__traceback__ = None
        return var.get()

    assert loop.run_until_complete(main()) == 2
    assert var.get() == 0


def test_wakeup_called_by_hand_inside_the_context(loop):
    # A duck-typed future that runs its callbacks itself, in the context it was given.
    class Duck:
        _asyncio_future_blocking = False

        def __init__(self):
            self.callbacks = []

        def get_loop(self):
            return loop

        def add_done_callback(self, callback, *, context):
            self.callbacks.append((callback, context))

        def result(self):
            return 'quack'

        def cancel(self, msg=None):
            return False

        def fire(self):
            for callback, context in self.callbacks:
                context.run(callback, self)

        def __await__(self):
            self._asyncio_future_blocking = True
            yield self
            return self.result()

    async def main():
        duck = Duck()
        loop.call_soon(duck.fire)
        return await duck

    assert loop.run_until_complete(main()) == 'quack'


@needs_eager
def test_task_factory_gets_no_keywords_that_were_not_given(loop):
    # 3.13.0's eager factory raises on keywords that it does not know.
    def strict(loop, coro):
        return asyncio.Task(coro, loop=loop)

    async def main():
        pass

    loop.set_task_factory(strict)
    loop.run_until_complete(loop.create_task(main()))
    loop.run_until_complete(main())
    loop.set_task_factory(asyncio.eager_task_factory)
    loop.run_until_complete(loop.create_task(main()))


def test_awaited_result_is_let_go(loop):
    # A StopIteration that was kept for the next await kept its value too.
    async def main():
        fut = loop.create_future()
        loop.call_soon(fut.set_result, Argument())
        result = await fut
        ref = weakref.ref(result)
        del result, fut
        await asyncio.sleep(0)  # stock's running handle refers to the future
        gc.collect()
        return ref()

    assert loop.run_until_complete(main()) is None


@pytest.mark.ours
def test_all_tasks_in_the_callback_of_a_weak_reference(impl, loop):
    # The dying task was still linked: it came to life and was freed twice.
    async def never():
        await loop.create_future()

    async def main():
        task = asyncio.create_task(never())
        task._log_destroy_pending = False
        await asyncio.sleep(0)
        seen = []
        ref = weakref.ref(task, lambda ref: seen.append(this in asyncio.all_tasks()))
        this = asyncio.current_task()
        del task
        gc.collect()
        return ref(), seen

    assert loop.run_until_complete(main()) == (None, [True])


def test_unretrieved_exception_is_told_outside_of_the_next_task(loop):
    # A finished task lived until the next one had been entered.
    var = contextvars.ContextVar('var', default='outside')
    told = []

    def handler(loop, context):
        told.append((var.get(), asyncio.current_task(loop)))

    async def fail():
        await asyncio.sleep(0)
        raise ValueError

    async def other():
        var.set('other')
        for _ in range(3):
            await asyncio.sleep(0)

    loop.set_exception_handler(handler)
    loop.create_task(fail())
    last = loop.create_task(other())
    loop.run_until_complete(last)
    loop.set_exception_handler(None)
    assert told == [('outside', None)]


def test_exception_is_thrown_to_where_the_coroutine_stands(loop):
    # It was taken for granted that the coroutine stands at the future's own iterator.
    @types.coroutine
    def raw(fut):
        yield fut.__await__().send(None)

    async def main():
        fut = loop.create_future()
        loop.call_soon(fut.set_exception, ValueError('v'))
        with pytest.raises(ValueError, match='v'):
            await raw(fut)
        fut.exception().__traceback__ = None

    loop.run_until_complete(main())


def test_deadline_before_zero(impl):
    # The time to sleep overflowed and became a day.
    loop = impl.new_event_loop()
    start = loop.time()
    real = loop.time
    loop.time = lambda: real() - start - 100
    loop.call_at(-99.999, loop.stop)
    loop.run_forever()
    loop.close()


@pytest.mark.ours
def test_destructor_adds_a_callback_while_one_is_removed(impl, loop):
    # The new callback was taken for a task. (Stock 3.13.0 crashes here.)
    fut = loop.create_future()
    called = []

    class Equal:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return True

        __hash__ = None

        def __call__(self, fut):
            called.append(self.name)

        def __del__(self):
            if self.name == 'first':
                fut.add_done_callback(Equal('second'))

    fut.add_done_callback(Equal('first'))
    assert fut.remove_done_callback(Equal('probe')) == 1
    assert len(fut._callbacks) == 1
    fut.set_result(None)
    support.run_once(loop)
    assert called == ['second']


@pytest.mark.ours
def test_handle_without_init(impl):
    handle = impl.Handle.__new__(impl.Handle)
    with pytest.raises(AttributeError, match='_loop'):
        handle.cancel()


def test_subclass_of_task_with_slots(impl, loop):
    # The metaclass made CPython check the order of bases that we had set by hand.
    class Slotted(impl.Task):
        __slots__ = ('extra',)

    async def main():
        task = Slotted(asyncio.sleep(0, 7), loop=loop)
        task.extra = 1
        assert isinstance(task, impl.Future)
        return await task, task.extra

    assert loop.run_until_complete(main()) == (7, 1)
