"""create_task(): a task of the running loop, by whatever makes that loop's tasks."""

from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest

pytestmark = pytest.mark.usefixtures('loop')
variable = contextvars.ContextVar('variable', default='outer')


async def answer(value=1):
    return value


async def test_it_makes_a_task_of_the_running_loop(aio, loop):
    task = aio.create_task(answer())
    assert isinstance(task, asyncio.Task)
    assert type(task) is type(loop.create_task(answer()))
    assert task.get_loop() is loop
    assert not task.done()
    assert task in asyncio.all_tasks()
    assert await task == 1


async def test_the_coroutine_begins_in_the_next_iteration_and_in_order(aio):
    order = []

    async def tell(name):
        order.append(name)

    asyncio.get_running_loop().call_soon(order.append, 'before')
    tasks = [aio.create_task(tell('first')), aio.create_task(tell('second'))]
    asyncio.get_running_loop().call_soon(order.append, 'after')
    assert order == []
    for task in tasks:
        await task
    assert order == ['before', 'first', 'second', 'after']


async def test_it_runs_in_a_copy_of_the_context(aio):
    async def look():
        seen = variable.get()
        variable.set('inner')
        return seen

    variable.set('ours')
    assert await aio.create_task(look()) == 'ours'
    assert variable.get() == 'ours'
    context = contextvars.Context()
    assert await aio.create_task(look(), context=context) == 'outer'
    assert context[variable] == 'inner'
    assert await aio.create_task(look(), context=None) == 'ours'


async def test_names(aio):
    assert aio.create_task(answer(), name='mine').get_name() == 'mine'
    assert aio.create_task(answer(), name=3).get_name() == '3'
    assert aio.create_task(answer(), name=None).get_name().startswith('Task-')
    assert aio.create_task(answer()).get_name().startswith('Task-')
    await asyncio.sleep(0)


def test_without_a_running_loop_it_is_refused(aio):
    coroutine = answer()
    with pytest.raises(RuntimeError, match=r'^no running event loop$'):
        aio.create_task(coroutine)
    coroutine.close()


async def test_anything_but_a_coroutine_is_refused(aio, loop):
    for wrong in (1, None, answer, loop.create_future()):
        with pytest.raises(TypeError, match='a coroutine was expected, got '):
            aio.create_task(wrong)
    gc.collect()


async def test_a_task_factory_is_asked(aio, loop):
    made = []

    def factory(loop, coro, **options):
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    coroutine = answer()
    task = aio.create_task(coroutine)
    loop.set_task_factory(None)
    assert type(task) is asyncio.Task
    assert made == [coroutine]
    assert await task == 1


async def test_a_method_put_on_the_loop_is_called(aio, loop):
    given, original = [], loop.create_task

    def create_task(coro, **options):
        given.append((coro, {k: v for k, v in options.items() if v is not None}))
        return original(coro, **options)

    coroutine, other = answer(), answer()
    loop.create_task = create_task
    tasks = [aio.create_task(coroutine), aio.ensure_future(other)]
    del loop.create_task
    tasks.append(aio.create_task(answer()))
    assert given == [(coroutine, {}), (other, {})]
    assert [await task for task in tasks] == [1, 1, 1]


async def test_a_replacement_that_is_replaced_when_it_dies(aio, loop):
    """Of BaseEventLoop.create_task, as programs replace it that trace tasks."""
    original = asyncio.BaseEventLoop.create_task

    class Last:
        def __del__(self):
            replace('third')
            made.append(loop.create_task(coroutine))

    def replace(name, kept=None):
        def create_task(loop, coro, **options):
            return (name, kept)[0]

        asyncio.BaseEventLoop.create_task = create_task

    made, coroutine = [], answer()
    try:
        replace('first', Last())
        made.append(loop.create_task(coroutine))
        replace('second')
        made.append(loop.create_task(coroutine))
        made.append(loop.create_task(coroutine))
    finally:
        asyncio.BaseEventLoop.create_task = original
        coroutine.close()
    assert made == ['first', 'third', 'third', 'third']


def test_a_loop_class_that_overrides_it_is_obeyed(aio, loop):
    class Loop(type(loop)):
        def create_task(self, coro, **options):
            made.append(coro)
            return super().create_task(coro, **options)

    async def main():
        coroutine, other = answer(), answer()
        del made[:]
        tasks = [aio.create_task(coroutine), aio.ensure_future(other)]
        assert made == [coroutine, other]
        return [await task for task in tasks]

    made = []
    other = Loop()
    try:
        assert other.run_until_complete(main()) == [1, 1]
    finally:
        other.close()


async def test_in_debug_mode_the_task_tells_who_made_it(aio, loop):
    loop.set_debug(True)
    task = aio.create_task(answer())
    loop.set_debug(False)
    ours, asyncios = task._source_traceback[-2:]
    assert ours.name == 'test_in_debug_mode_the_task_tells_who_made_it'
    assert 'aio.create_task(answer())' in ours.line
    assert asyncios.name == 'create_task'
    assert await task == 1


async def test_the_current_task_is_nobody_where_a_result_dies(aio):
    """Whether the task that ended dies at once or is kept by who waits for it."""
    seen = []

    class Result:
        def __del__(self):
            seen.append(asyncio.current_task())

    async def make():
        return Result()

    async def wait(task):
        return type(await task)

    aio.create_task(make())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [None]
    waiting = aio.create_task(wait(aio.create_task(make())))
    assert await waiting is Result
    del waiting
    assert len(seen) == 2


async def test_callbacks_between_tasks_run_as_nobody(aio, loop):
    seen = []

    async def look():
        seen.append(asyncio.current_task().get_name())

    one = aio.create_task(look(), name='one')
    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    two = aio.create_task(look(), name='two')
    one.add_done_callback(lambda task: seen.append(asyncio.current_task()))
    await one
    await two
    assert seen == ['one', None, 'two', None]
