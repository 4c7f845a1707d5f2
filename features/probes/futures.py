"""Future and Task."""

import asyncio
import contextvars
import copy
import functools
import gc
import io
import pickle

from harness.probe import Group

future = Group('Future', 'tests/core/test_future.py')
task = Group('Task', 'tests/core/test_task.py')
VAR = contextvars.ContextVar('VAR', default='unset')


async def answer(value=42):
    await asyncio.sleep(0)
    return value


async def fails():
    raise KeyError('key')


async def forever():
    await asyncio.get_running_loop().create_future()


@future('Future.result()')
async def result(t):
    one = t.loop.create_future()
    with t.raised():
        one.result()
    one.set_result(1)
    t.tell(one.result(), one.done(), await one)


@future('Future.set_result()')
async def set_result(t):
    one = t.loop.create_future()
    t.tell(one.set_result(1))
    with t.raised():
        one.set_result(2)


@future('Future.set_exception()')
async def set_exception(t):
    one = t.loop.create_future()
    one.set_exception(KeyError)
    t.tell(one.exception())
    with t.raised():
        await one
    for value in (3, StopIteration, StopIteration('value'), asyncio.CancelledError()):
        one = t.loop.create_future()
        with t.raised():
            one.set_exception(value)
            t.tell(repr(one.exception()), repr(one.exception().__cause__))


@future('Future.exception()')
async def exception(t):
    one = t.loop.create_future()
    with t.raised():
        one.exception()
    one.set_result(1)
    t.tell(one.exception())
    one = t.loop.create_future()
    one.cancel()
    with t.raised():
        one.exception()


@future('Future.done()')
async def done(t):
    one = t.loop.create_future()
    t.tell(one.done())
    one.set_result(None)
    t.tell(one.done())


@future('Future.cancel()', covers=('Future.cancelled()',))
async def cancel(t):
    one = t.loop.create_future()
    t.tell(one.cancelled(), one.cancel(), one.cancelled(), one.cancel(), one.done())
    with t.raised():
        one.result()
    with t.raised():
        await one


@future('Future.cancel(msg=)')
async def cancel_message(t):
    one = t.loop.create_future()
    one.cancel(msg='message')
    with t.raised():
        await one
    t.tell(one)


@future('Future.add_done_callback()', covers=('Future.add_done_callback(context=)',))
async def add_done_callback(t):
    one = t.loop.create_future()
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    one.add_done_callback(lambda f: t.tell('first', f is one, VAR.get()))
    one.add_done_callback(lambda f: t.tell('second', VAR.get()), context=context)
    one.set_result(1)
    t.tell('set')
    await asyncio.sleep(0)
    one.add_done_callback(lambda f: t.tell('third'))
    t.tell('added')
    await asyncio.sleep(0)


@future('Future.remove_done_callback()')
async def remove_done_callback(t):
    one = t.loop.create_future()
    one.add_done_callback(t.tell)
    one.add_done_callback(print)
    one.add_done_callback(t.tell)
    t.tell(one.remove_done_callback(t.tell), one.remove_done_callback(t.tell))
    one.set_result(1)
    await asyncio.sleep(0)


@future('a callback that fails')
async def callback_fails(t):
    def bad(future):
        raise ValueError('bad')

    one = t.loop.create_future()
    one.add_done_callback(bad)
    one.add_done_callback(lambda f: t.tell('next'))
    one.set_result(1)
    await asyncio.sleep(0)


@future('Future.get_loop()')
async def get_loop(t):
    t.tell(t.loop.create_future().get_loop() is t.loop)
    t.tell(t.aio.Future().get_loop() is t.loop)
    t.tell(t.aio.Future(loop=t.loop).get_loop() is t.loop)


@future('repr of futures')
async def future_repr(t):
    one = t.loop.create_future()
    t.tell(one)
    one.add_done_callback(print)
    t.tell(one)
    one.set_result('result ' * 30)
    t.tell(one)
    one = t.loop.create_future()
    one.set_exception(KeyError('key'))
    t.tell(one, repr(one.exception()))
    one = t.loop.create_future()
    one.cancel()
    t.tell(one)


@future('futures awaited by several tasks')
async def several_waiters(t):
    async def wait(i):
        t.tell(i, await one)

    one = t.loop.create_future()
    tasks = [asyncio.create_task(wait(i)) for i in range(3)]
    await asyncio.sleep(0)
    one.set_result('value')
    await asyncio.gather(*tasks)


@future('an exception that was never retrieved')
async def never_retrieved(t):
    one = t.loop.create_future()
    one.set_exception(KeyError('key'))
    del one
    gc.collect()


@future(
    'Future in debug mode: where it was made',
    test='tests/core/test_debug.py',
    named='adds its own line',
)
async def source_traceback(t):
    one = t.loop.create_future()
    t.tell(getattr(one, '_source_traceback', None))
    t.loop.set_debug(True)
    one = t.loop.create_future()
    t.tell(one._source_traceback[-1].line, one)


@future('pickling and copying futures and tasks', named='name our classes in full')
async def pickling(t):
    for one in (t.loop.create_future(), asyncio.create_task(answer())):
        with t.raised():
            pickle.dumps(one)
        with t.raised():
            copy.copy(one)


@future('Future[int]', covers=('asyncio.Future', 'asyncio.Task'))
async def generics(t):
    t.tell(asyncio.Future[int].__args__, t.aio.Task[int].__args__, t.aio.Queue[int].__args__)
    t.tell(t.aio.PriorityQueue[int].__origin__ is t.aio.PriorityQueue)


@future('subclasses of Future')
async def subclass(t):
    class Mine(t.aio.Future):
        def set_result(self, result):
            t.tell('set_result', result)
            super().set_result(result)

    one = Mine(loop=t.loop)
    t.loop.call_soon(one.set_result, 5)
    t.tell(await one, isinstance(one, t.aio.Future))


@future('weak references and attributes of futures')
async def weak(t):
    import weakref

    one = t.loop.create_future()
    reference = weakref.ref(one)
    t.tell(reference() is one)
    del one
    t.tell(reference())
    with t.raised():
        t.loop.create_future().mine = 1
        t.aio.Future(loop=t.loop).mine = 1


@future('asyncio.isfuture()')
async def isfuture(t):
    class Alike:
        _asyncio_future_blocking = False

    for value in (t.loop.create_future(), t.aio.Future(), Alike(), 3, answer):
        t.tell(t.aio.isfuture(value))


@future('asyncio.wrap_future()', test='tests/core/test_interop.py')
async def wrap_future(t):
    import concurrent.futures

    inner = concurrent.futures.Future()
    outer = t.aio.wrap_future(inner)
    t.tell(isinstance(outer, t.aio.Future), t.aio.wrap_future(outer) is outer)
    inner.set_result(7)
    t.tell(await outer)
    inner = concurrent.futures.Future()
    outer = t.aio.wrap_future(inner)
    outer.cancel()
    await asyncio.sleep(0)
    t.tell(inner.cancelled())
    inner = concurrent.futures.Future()
    inner.set_exception(concurrent.futures.TimeoutError('late'))
    with t.raised():
        await t.aio.wrap_future(inner)
    with t.raised():
        t.aio.wrap_future(3)


@task(
    'asyncio.create_task()', covers=('asyncio.create_task(name=)', 'asyncio.create_task(context=)')
)
async def create_task(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')

    async def read():
        return VAR.get()

    one = t.aio.create_task(read(), name='named', context=context)
    t.tell(one.get_name(), await one)
    with t.raised():
        t.aio.create_task(3)
    coroutine = answer()
    with t.raised():
        await asyncio.to_thread(t.aio.create_task, coroutine)
    coroutine.close()


@task('Task(name=)')
async def task_made(t):
    one = t.aio.Task(answer(), loop=t.loop, name='named')
    t.tell(one, await one, one)
    with t.raised():
        t.aio.Task(5, loop=t.loop)
    with t.raised():
        t.aio.Task(loop=t.loop)


@task('Task(context=)')
async def task_context(t):
    async def change():
        VAR.set('changed')

    context = contextvars.copy_context()
    await t.aio.Task(change(), loop=t.loop, context=context)
    t.tell(context[VAR], VAR.get())


@task('Task(context=) of what is no context', since=(3, 15))
async def task_context_wrong(t):
    coroutine = answer()
    with t.raised():
        await t.aio.Task(coroutine, loop=t.loop, context=5)
    coroutine.close()


@task('Task(eager_start=)', since=(3, 12))
async def eager_start(t):
    async def work():
        t.tell('works', t.aio.current_task().get_name())
        await asyncio.sleep(0)
        t.tell('goes on')
        return 5

    one = t.aio.Task(work(), loop=t.loop, eager_start=True, name='eager')
    t.tell('made', one.done(), one)
    t.tell(await one)
    one = t.aio.Task(fails(), loop=t.loop, eager_start=True)
    t.tell(one.done(), one.exception(), one)


@task(
    'asyncio.eager_task_factory()',
    since=(3, 12),
    covers=(
        'asyncio.eager_task_factory(name=)',
        'asyncio.eager_task_factory(context=)',
        'asyncio.eager_task_factory(eager_start=)',
    ),
)
async def eager_task_factory(t):
    async def at_once():
        t.tell('at once', t.aio.current_task() is not main)
        return 1

    async def later():
        await asyncio.sleep(0)
        t.tell('later')

    main = t.aio.current_task()
    t.loop.set_task_factory(t.aio.eager_task_factory)
    one, two = t.loop.create_task(at_once()), asyncio.create_task(later(), name='two')
    t.tell(one.done(), two.done(), two.get_name(), t.aio.current_task() is main)
    await two
    t.tell(await asyncio.gather(at_once(), at_once()), await asyncio.create_task(answer()))
    async with t.aio.TaskGroup() as group:
        group.create_task(at_once())


@task('asyncio.create_eager_task_factory()', since=(3, 12))
async def create_eager_task_factory(t):
    class Mine(t.aio.Task):
        pass

    t.loop.set_task_factory(t.aio.create_eager_task_factory(Mine))
    one = t.loop.create_task(answer())
    t.tell(type(one) is Mine, await one)


@task('Task.get_name()', covers=('Task.set_name()',))
async def names(t):
    one = asyncio.create_task(answer())
    t.tell(one.get_name())
    one.set_name(5)
    t.tell(repr(one.get_name()))
    await one


@task('Task.get_coro()')
async def get_coro(t):
    coroutine = answer()
    one = asyncio.create_task(coroutine)
    t.tell(one.get_coro() is coroutine)
    await one
    t.tell(one.get_coro() is coroutine)


@task('Task.get_context()', since=(3, 12))
async def get_context(t):
    context = contextvars.copy_context()
    one = asyncio.create_task(answer(), context=context)
    t.tell(one.get_context() is context)
    await one
    t.tell(one.get_context() is context)


@task('Task.get_stack()', covers=('Task.get_stack(limit=)',))
async def get_stack(t):
    async def inner():
        await forever()

    one = asyncio.create_task(inner())
    await asyncio.sleep(0)
    t.tell([frame.f_code.co_name for frame in one.get_stack()])
    t.tell([frame.f_code.co_name for frame in asyncio.current_task().get_stack(limit=1)])
    one.cancel()
    await asyncio.wait([one])
    t.tell(one.get_stack())
    one = asyncio.create_task(fails())
    await asyncio.wait([one])
    t.tell([frame.f_code.co_name for frame in one.get_stack(limit=2)], one.exception())


@task('Task.print_stack()', covers=('Task.print_stack(limit=)', 'Task.print_stack(file=)'))
async def print_stack(t):
    one = asyncio.create_task(forever())
    await asyncio.sleep(0)
    out = io.StringIO()
    one.print_stack(limit=1, file=out)
    one.cancel()
    await asyncio.wait([one])
    one.print_stack(file=out)
    one = asyncio.create_task(fails())
    await asyncio.wait([one])
    one.print_stack(file=out)
    t.tell(out.getvalue(), one.exception())


@task('Task.cancel()')
async def task_cancel(t):
    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            t.tell('cancelled')
            await asyncio.sleep(0)
            raise

    one = asyncio.create_task(work())
    await asyncio.sleep(0)
    t.tell(one.cancel(), one.cancelled(), one)
    with t.raised():
        await one
    t.tell(one.cancelled(), one.cancel(), one)
    one = asyncio.create_task(work())
    one.cancel('before it starts')
    with t.raised():
        await one


@task('Task.cancelling()', covers=('Task.uncancel()',))
async def cancelling(t):
    async def work():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            t.tell(error.args, me.cancelling(), me.uncancel(), me.uncancel(), me.cancelling())
        await asyncio.sleep(0)
        return 'survived'

    me = asyncio.create_task(work())
    await asyncio.sleep(0)
    me.cancel('message')
    t.tell(me.cancel(), me.cancelling())
    t.tell(await me)


@task('uncancel() before the cancellation is thrown', since=(3, 13))
async def uncancel_early(t):
    async def work():
        t.aio.current_task().cancel()
        t.aio.current_task().uncancel()
        await asyncio.sleep(0)
        return 'not cancelled'

    with t.raised():
        t.tell(await asyncio.create_task(work()))


@task('Task.set_result() and set_exception() are refused')
async def refused(t):
    one = asyncio.create_task(answer())
    with t.raised():
        one.set_result(1)
    with t.raised():
        one.set_exception(KeyError())
    await one


@task('awaiting what is no awaitable, oneself, a future of another loop')
async def wrong_awaits(t):
    class Yields:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            yield self.value

    async def wait(value):
        await value

    other = t.new_loop()
    for value in (Yields(5), other.create_future(), Yields(t.loop.create_future())):
        with t.raised():
            await asyncio.create_task(wait(value))
    me = asyncio.create_task(wait(Yields(None)))
    await me

    async def itself():
        await asyncio.current_task()

    with t.raised():
        await asyncio.create_task(itself())


@task('asyncio.current_task()')
async def current_task(t):
    t.tell(t.aio.current_task() is t.aio.current_task(t.loop), t.aio.current_task().get_name())
    t.loop.call_soon(lambda: t.tell(t.aio.current_task()))
    await asyncio.sleep(0)
    with t.raised():
        await asyncio.to_thread(t.aio.current_task)
    t.tell(await asyncio.to_thread(t.aio.current_task, t.loop) in (None, t.aio.current_task()))


@task('asyncio.all_tasks()')
async def all_tasks(t):
    tasks = {asyncio.create_task(answer(i)) for i in range(3)}
    t.tell(t.aio.all_tasks() - tasks == {t.aio.current_task()})
    t.tell(await asyncio.to_thread(t.aio.all_tasks, t.loop) >= tasks)
    await asyncio.wait(tasks)
    t.tell(len(t.aio.all_tasks()))
    with t.raised():
        await asyncio.to_thread(t.aio.all_tasks)


@task('asyncio._register_task()', covers=('asyncio._unregister_task()',))
async def register_task(t):
    class Foreign:
        def get_loop(self):
            return t.loop

        def done(self):
            return False

    foreign = Foreign()
    t.aio._register_task(foreign)
    t.tell(foreign in t.aio.all_tasks())
    t.aio._unregister_task(foreign)
    t.tell(foreign in t.aio.all_tasks())


@task('asyncio._enter_task()', covers=('asyncio._leave_task()',))
def enter_task(t):
    async def main():
        one = t.loop_of_main.create_future()
        t.loop_of_main.call_soon(entered, one)
        await one

    def entered(one):
        mine = object()
        t.aio._enter_task(t.loop_of_main, mine)
        t.tell(t.aio.current_task(t.loop_of_main) is mine)
        with t.raised():
            t.aio._enter_task(t.loop_of_main, 'other')
        with t.raised():
            t.aio._leave_task(t.loop_of_main, 'other')
        t.aio._leave_task(t.loop_of_main, mine)
        t.tell(t.aio.current_task(t.loop_of_main))
        one.set_result(None)

    t.loop_of_main = t.new_loop()
    t.loop_of_main.run_until_complete(main())


@task('repr of tasks')
async def task_repr(t):
    one = asyncio.create_task(forever(), name='name')
    t.tell(one)
    await asyncio.sleep(0)
    t.tell(one)
    one.add_done_callback(functools.partial(print, end=''))
    t.tell(one)
    one.cancel()
    t.tell(one)
    await asyncio.wait([one])
    t.tell(one)
    t.tell(repr(await asyncio.wait([asyncio.create_task(fails(), name='fails')])))


@task('a task that is dropped while it waits')
async def destroyed_pending(t):
    async def lost():
        await t.aio.Future()

    one = t.loop.create_task(lost(), name='lost')
    await asyncio.sleep(0)
    del one
    gc.collect()


@task('a coroutine that was never awaited')
async def never_awaited(t):
    answer()
    gc.collect()


@task('a task that fails, and nobody asks')
async def task_never_retrieved(t):
    one = t.loop.create_task(fails(), name='fails')
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del one
    gc.collect()


@task('SystemExit and KeyboardInterrupt out of a task')
def task_exits(t):
    async def leave(error):
        raise error

    for error in (SystemExit(2), KeyboardInterrupt('stop')):
        loop = t.new_loop()
        one = loop.create_task(leave(error))
        with t.raised():
            loop.run_forever()
        t.tell(one.done(), repr(one.exception()))


@task('subclasses of Task')
async def task_subclass(t):
    class Mine(t.aio.Task):
        def cancel(self, msg=None):
            t.tell('cancel', msg)
            return super().cancel(msg)

    one = Mine(forever(), loop=t.loop, name='mine')
    await asyncio.sleep(0)
    one.cancel('message')
    with t.raised():
        await one
    t.tell(one)


@task('asyncio.iscoroutine()', covers=('asyncio.iscoroutinefunction()',))
async def iscoroutine(t):
    coroutine = answer()
    generator = (i for i in ())
    t.tell([t.aio.iscoroutine(one) for one in (coroutine, generator, answer, 3)])
    await coroutine
    t.tell([t.aio.iscoroutinefunction(one) for one in (answer, print, asyncio.sleep)])


@task('generator-based coroutines (types.coroutine)')
async def generator_coroutine(t):
    import types

    @types.coroutine
    def old():
        yield from asyncio.sleep(0)
        return 'old'

    t.tell(await old())
    with t.raised():
        await asyncio.create_task(old())


@task('asyncio.CancelledError', covers=('asyncio.InvalidStateError', 'asyncio.TimeoutError'))
def exceptions(t):
    for name in ('CancelledError', 'InvalidStateError', 'TimeoutError'):
        t.tell(getattr(t.aio, name).__mro__)
        t.tell(getattr(t.aio, name) is getattr(asyncio, name))
