"""Callbacks, timers, handles, executors and the loop's own settings."""

import asyncio
import concurrent.futures
import contextvars
import functools
import os
import threading

from harness.probe import Group

probe = Group('The loop: callbacks, timers and settings', 'tests/core/test_loop.py')
VAR = contextvars.ContextVar('VAR', default='unset')


@probe('loop.call_soon()')
async def call_soon(t):
    for i in range(3):
        t.loop.call_soon(t.tell, 'called', i)
    t.tell('before')
    await asyncio.sleep(0)
    with t.raised():
        t.loop.call_soon('no callable')
    with t.raised():
        t.loop.call_soon()
    with t.raised():
        t.loop.call_soon(t.tell, key=1)


@probe('loop.call_soon(context=)')
async def call_soon_context(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    t.loop.call_soon(lambda: t.tell(VAR.get()), context=context)
    t.loop.call_soon(lambda: t.tell(VAR.get()))
    await asyncio.sleep(0)
    with t.raised():
        t.loop.call_soon(t.tell, context=1)
        await asyncio.sleep(0)


@probe('call_soon() of a coroutine or coroutine function, in debug mode')
async def call_soon_coroutine(t):
    async def function():
        pass

    t.loop.set_debug(True)
    with t.raised():
        t.loop.call_soon(function)
    coroutine = function()
    with t.raised():
        t.loop.call_soon(coroutine)
    coroutine.close()


@probe('loop.call_later()', test='tests/core/test_timers.py')
async def call_later(t):
    done = t.loop.create_future()
    t.loop.call_later(0.002, done.set_result, None)
    t.loop.call_later(0.001, t.tell, 'second')
    t.loop.call_later(0, t.tell, 'first')
    t.loop.call_later(-1, t.tell, 'past')
    await done
    with t.raised():
        t.loop.call_later(None, t.tell)
    with t.raised():
        t.loop.call_later('1', t.tell)
    with t.raised():
        t.loop.call_later(0, None)
        await asyncio.sleep(0.001)


@probe('loop.call_later(context=)', test='tests/core/test_timers.py')
async def call_later_context(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    t.loop.call_later(0, lambda: t.tell(VAR.get()), context=context)
    await asyncio.sleep(0.001)


@probe('loop.call_at()', test='tests/core/test_timers.py')
async def call_at(t):
    now = t.loop.time()
    done = t.loop.create_future()
    handle = t.loop.call_at(now + 0.002, done.set_result, None)
    t.tell(handle.when() == now + 0.002, type(handle).__name__)
    t.loop.call_at(now + 0.001, t.tell, 'earlier')
    await done
    t.tell('never early', t.loop.time() + 1e-6 >= now + 0.002)
    with t.raised():
        t.loop.call_at(None, t.tell)


@probe('loop.call_at(context=)', test='tests/core/test_timers.py')
async def call_at_context(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    t.loop.call_at(t.loop.time(), lambda: t.tell(VAR.get()), context=context)
    await asyncio.sleep(0.001)


@probe('loop.time()', test='tests/core/test_timers.py')
async def loop_time(t):
    import time

    t.tell(type(t.loop.time()), abs(t.loop.time() - time.monotonic()) < 1)


@probe('loop.time() replaced by a program (test clocks)', test='tests/core/test_timers.py')
def loop_time_replaced(t):
    loop = t.new_loop()
    offset = 0
    time = loop.time
    loop.time = lambda: time() + offset
    loop.call_later(3600, t.tell, 'an hour later')
    loop.call_later(3601, loop.stop)
    offset = 7200
    loop.call_later(0, t.tell, 'now')
    loop.run_forever()


@probe('a timer of 0.1 ms is never early', test='tests/core/test_timers.py')
async def timer_short(t):
    import time

    early = 0
    for _ in range(20):
        began = time.monotonic()
        await asyncio.sleep(0.0001)
        early += time.monotonic() - began < 0.0001
    t.tell('early', early)


@probe('timers in the order of their times', test='tests/core/test_timers.py')
async def timer_order(t):
    now = t.loop.time()
    for i in (5, 3, 1, 4, 2):
        t.loop.call_at(now + i / 5000, t.tell, i)
    await asyncio.sleep(0.003)


@probe('loop.call_soon_threadsafe()', test='tests/core/test_threadsafe.py')
async def call_soon_threadsafe(t):
    done = t.loop.create_future()
    thread = threading.Thread(target=t.loop.call_soon_threadsafe, args=(done.set_result, 'set'))
    thread.start()
    t.tell(await done)
    thread.join()
    with t.raised():
        t.loop.call_soon_threadsafe(None)
        await asyncio.sleep(0)


@probe('loop.call_soon_threadsafe(context=)', test='tests/core/test_threadsafe.py')
async def call_soon_threadsafe_context(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    handle = t.loop.call_soon_threadsafe(lambda: t.tell(VAR.get()), context=context)
    t.tell(isinstance(handle, asyncio.Handle))
    await asyncio.sleep(0)


@probe(
    'the class of what call_soon_threadsafe() gives',
    test='tests/core/test_threadsafe.py',
    named='_ThreadSafeHandle',
)
async def call_soon_threadsafe_class(t):
    t.tell(type(t.loop.call_soon_threadsafe(int)).__name__)


@probe('call_soon_threadsafe() on a closed loop', test='tests/core/test_threadsafe.py')
def call_soon_threadsafe_closed(t):
    loop = t.new_loop()
    loop.close()
    with t.raised():
        loop.call_soon_threadsafe(t.tell)


@probe('calls on a closed loop')
def closed_loop(t):
    loop = t.new_loop()
    loop.close()
    loop.close()
    for name, *arguments in (
        ('call_soon', t.tell),
        ('call_later', 1, t.tell),
        ('call_at', 1, t.tell),
        ('run_forever',),
        ('add_reader', 0, t.tell),
        ('run_in_executor', None, t.tell),
        ('stop',),
        ('create_future',),
    ):
        with t.raised():
            t.tell(name)
            getattr(loop, name)(*arguments)


@probe('loop.create_future()', test='tests/core/test_future.py')
async def create_future(t):
    future = t.loop.create_future()
    t.tell(isinstance(future, t.aio.Future), future.get_loop() is t.loop, future)


@probe('loop.create_task()', test='tests/core/test_task.py', covers=('loop.create_task(name=)',))
async def create_task(t):
    async def work(i):
        t.tell('works', i)
        return i

    tasks = [t.loop.create_task(work(i)) for i in range(3)]
    t.tell('before', isinstance(tasks[0], t.aio.Task))
    t.tell([await task for task in tasks])
    with t.raised():
        t.loop.create_task(3)
    named = t.loop.create_task(work(4), name='named')
    t.tell(named.get_name())
    await named


@probe('loop.create_task(context=)', test='tests/core/test_task.py')
async def create_task_context(t):
    async def work():
        t.tell(VAR.get())
        VAR.set('by task')

    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    await t.loop.create_task(work(), context=context)
    await t.loop.create_task(work())
    t.tell(context[VAR], VAR.get())


@probe(
    'loop.create_task() of any keyword: eager_start=', since=(3, 13), test='tests/core/test_task.py'
)
async def create_task_eager(t):
    async def work():
        t.tell('works')

    with t.raised():
        task = t.loop.create_task(work(), name='eager', eager_start=True)
        t.tell('made', task.done(), task.get_name())


@probe(
    'loop.set_task_factory()', test='tests/core/test_task.py', covers=('loop.get_task_factory()',)
)
async def task_factory(t):
    async def work():
        return 'done'

    def factory(loop, coro, **kwargs):
        t.tell('factory', sorted(kwargs))
        return t.aio.Task(coro, loop=loop, **kwargs)

    t.tell(t.loop.get_task_factory())
    t.loop.set_task_factory(factory)
    t.tell(t.loop.get_task_factory() is factory)
    t.tell(await t.loop.create_task(work()))
    t.tell(await asyncio.create_task(work(), name='named'))
    t.tell(await t.loop.create_task(work(), context=contextvars.copy_context()))
    t.loop.set_task_factory(None)
    with t.raised():
        t.loop.set_task_factory(1)


@probe('loop.run_forever()', test='tests/core/test_run.py', covers=('loop.stop()',))
def run_forever(t):
    loop = t.new_loop()
    t.tell(loop.is_running())
    loop.call_soon(lambda: t.tell('running', loop.is_running()))
    loop.call_soon(loop.stop)
    loop.call_soon(t.tell, 'same iteration')
    loop.call_soon(lambda: loop.call_soon(t.tell, 'next run'))
    loop.run_forever()
    t.tell('stopped')
    loop.stop()
    loop.run_forever()


@probe('loop.run_until_complete()', test='tests/core/test_run.py')
def run_until_complete(t):
    async def work(value):
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    loop = t.new_loop()
    t.tell(loop.run_until_complete(work(5)))
    with t.raised():
        loop.run_until_complete(work(KeyError('key')))
    with t.raised():
        loop.run_until_complete(7)
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with t.raised():
        loop.run_until_complete(future)
    future.set_result(8)
    t.tell(loop.run_until_complete(future))


@probe(
    'a loop that runs already, or another one in its thread',
    test='tests/core/test_run.py',
    named='A refused second run',
)
async def run_nested(t):
    async def nothing():
        pass

    for loop in (t.loop, t.new_loop()):
        coroutine = nothing()
        with t.raised():
            loop.run_until_complete(coroutine)
        coroutine.close()
        with t.raised():
            loop.run_forever()
        t.tell(asyncio._get_running_loop() is t.loop)
        asyncio._set_running_loop(t.loop)


@probe('loop.is_running()', covers=('loop.is_closed()',))
async def is_running(t):
    t.tell(t.loop.is_running(), t.loop.is_closed())
    other = t.new_loop()
    t.tell(other.is_running(), other.is_closed())
    other.close()
    t.tell(other.is_running(), other.is_closed())


@probe('loop.close()')
async def close_running(t):
    with t.raised():
        t.loop.close()


@probe('close() shuts the default executor down', test='tests/core/test_executor.py')
def close_executor(t):
    loop = t.new_loop()
    executor = concurrent.futures.ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    loop.run_until_complete(loop.run_in_executor(None, t.tell, 'called'))
    loop.close()
    with t.raised():
        executor.submit(t.tell)


@probe('a loop that was closed leaves nothing open')
def close_leaves(t):
    loop = t.new_loop()
    loop.run_until_complete(asyncio.sleep(0))
    before = len(os.listdir('/proc/self/fd'))
    other = t.new_loop()
    other.run_until_complete(asyncio.sleep(0))
    other.close()
    del other
    t.tell('more descriptors', len(os.listdir('/proc/self/fd')) - before)


@probe('loop.get_debug()', covers=('loop.set_debug()',), test='tests/core/test_debug.py')
async def debug(t):
    t.tell(t.loop.get_debug())
    t.loop.set_debug(True)
    t.tell(t.loop.get_debug())
    t.loop.set_debug(False)
    t.tell(t.loop.slow_callback_duration)


@probe('loop.set_exception_handler()', covers=('loop.get_exception_handler()',))
async def exception_handler(t):
    def handler(loop, context):
        t.tell('handler', loop is t.loop, context['exception'], sorted(context))

    def fails():
        raise KeyError('key')

    t.tell(t.loop.get_exception_handler())
    t.loop.set_exception_handler(handler)
    t.tell(t.loop.get_exception_handler() is handler)
    t.loop.call_soon(fails)
    t.loop.call_later(0, fails)
    await asyncio.sleep(0.001)
    with t.raised():
        t.loop.set_exception_handler(1)
    t.loop.set_exception_handler(None)
    t.loop.call_soon(fails)
    await asyncio.sleep(0)


@probe('loop.default_exception_handler()')
async def default_exception_handler(t):
    t.loop.default_exception_handler({'message': 'told', 'exception': KeyError('key')})
    t.loop.default_exception_handler({})
    t.loop.default_exception_handler({'message': 'told', 'number': 3, 'future': 4})


@probe('loop.call_exception_handler()')
async def call_exception_handler(t):
    def handler(loop, context):
        t.tell(context)
        raise ValueError('in the handler')

    t.loop.call_exception_handler({'message': 'by default'})
    t.loop.set_exception_handler(handler)
    t.loop.call_exception_handler({'message': 'told'})


@probe('SystemExit and KeyboardInterrupt out of a callback', test='tests/core/test_run.py')
def exits(t):
    loop = t.new_loop()
    for error in (SystemExit(3), KeyboardInterrupt()):

        def fails(error=error):
            raise error

        loop.call_soon(fails)
        with t.raised():
            loop.run_forever()
        t.tell(loop.is_running())


@probe('loop.slow_callback_duration', test='tests/core/test_debug.py')
async def slow_callback_duration(t):
    t.loop.slow_callback_duration = 0.5
    t.tell(t.loop.slow_callback_duration)


@probe('loop.run_in_executor()', test='tests/core/test_executor.py')
async def run_in_executor(t):
    def fails():
        raise KeyError('key')

    future = t.loop.run_in_executor(None, lambda: 'called')
    t.tell(isinstance(future, t.aio.Future), await future)
    with concurrent.futures.ThreadPoolExecutor(1, 'mine') as executor:
        t.tell(await t.loop.run_in_executor(executor, lambda: threading.current_thread().name))
    with t.raised():
        await t.loop.run_in_executor(None, fails)
    with t.raised():
        t.loop.run_in_executor(None, None)


@probe('names of the threads of the default executor', test='tests/core/test_executor.py')
async def thread_names(t):
    t.tell(await t.loop.run_in_executor(None, lambda: threading.current_thread().name))


@probe('loop.set_default_executor()', test='tests/core/test_executor.py')
async def set_default_executor(t):
    t.loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1, 'mine'))
    t.tell(await t.loop.run_in_executor(None, lambda: threading.current_thread().name))
    with t.raised():
        t.loop.set_default_executor(object())
        t.loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))


@probe('loop.shutdown_default_executor()', test='tests/core/test_executor.py')
async def shutdown_default_executor(t):
    await t.loop.run_in_executor(None, t.tell, 'called')
    t.tell(await t.loop.shutdown_default_executor())
    with t.raised():
        t.loop.run_in_executor(None, t.tell)


@probe(
    'loop.shutdown_default_executor(timeout=)', since=(3, 12), test='tests/core/test_executor.py'
)
async def shutdown_default_executor_timeout(t):
    event = threading.Event()
    future = t.loop.run_in_executor(None, event.wait)
    t.loop.call_later(0.2, event.set)  # where the timeout has no effect
    with t.raised():
        await t.loop.shutdown_default_executor(timeout=0.001)
    event.set()
    t.tell(await future)


@probe('loop.shutdown_asyncgens()')
async def shutdown_asyncgens(t):
    async def generator():
        try:
            yield 1
            yield 2
        finally:
            t.tell('closed')

    iterator = generator()
    t.tell(await anext(iterator))
    t.tell(await t.loop.shutdown_asyncgens())
    async for _ in generator():
        t.tell('after shutdown')


@probe('asynchronous generators that are dropped are closed by the loop')
async def asyncgen_dropped(t):
    async def generator():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            t.tell('closed')

    async for i in generator():
        t.tell(i)
        break
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@probe('repr of a loop', named='is called `EventLoop`')
def loop_repr(t):
    loop = t.new_loop()
    t.tell(loop, type(loop).__name__)


@probe('isinstance of AbstractEventLoop, BaseEventLoop', covers=('asyncio.AbstractEventLoop',))
async def loop_types(t):
    t.tell(isinstance(t.loop, asyncio.AbstractEventLoop), isinstance(t.loop, asyncio.BaseEventLoop))


@probe('subclasses of the loop that override call_soon()', test='tests/core/test_loop.py')
def loop_subclass(t):
    loop = t.new_loop()

    class Derived(type(loop)):
        def call_soon(self, callback, *args, context=None):
            t.tell('call_soon')
            return super().call_soon(callback, *args, context=context)

    async def work():
        await asyncio.sleep(0)
        return 'done'

    derived = Derived()
    t.tell(derived.run_until_complete(work()))
    derived.close()


@probe('attributes of a program on the loop')
async def loop_attributes(t):
    t.loop.of_mine = 1
    t.tell(t.loop.of_mine)


@probe('methods of the loop replaced on the instance')
async def loop_patched(t):
    create_future = t.loop.create_future
    t.loop.create_future = lambda: t.tell('patched') or create_future()
    await asyncio.sleep(0.001)


@probe('Handle.cancel()', test='tests/core/test_handle.py', covers=('Handle.cancelled()',))
async def handle_cancel(t):
    handle = t.loop.call_soon(t.tell, 'not called')
    t.tell(handle.cancelled(), handle.cancel(), handle.cancelled())
    timer = t.loop.call_later(0, t.tell, 'not called')
    timer.cancel()
    timer.cancel()
    await asyncio.sleep(0.001)
    t.tell(timer.cancelled())


@probe('Handle.get_context()', since=(3, 12), test='tests/core/test_handle.py')
async def handle_context(t):
    context = contextvars.copy_context()
    t.tell(t.loop.call_soon(t.tell, context=context).get_context() is context)
    t.tell(t.loop.call_later(9, t.tell, context=context).get_context() is context)
    t.tell(type(t.loop.call_soon(t.tell).get_context()))


@probe(
    'TimerHandle.when()',
    test='tests/core/test_handle.py',
    covers=('TimerHandle.cancel()',),
    named='name our classes in full',
)
async def timer_when(t):
    when = t.loop.time() + 100
    timer = t.loop.call_at(when, t.tell)
    later = t.loop.call_at(when + 1, t.tell)
    t.tell(timer.when() == when, timer < later, timer == later, timer >= later)
    t.tell(isinstance(timer, t.aio.TimerHandle), isinstance(timer, t.aio.Handle))
    t.tell(hash(timer) == hash(when))
    with t.raised():
        t.tell(timer < 1)
    timer.cancel()
    t.tell(timer.when() == when)
    later.cancel()


def callback_of_a_module():
    """Called by a handle whose repr is told."""


@probe('repr of handles', test='tests/core/test_handle.py')
async def handle_repr(t):
    handle = t.loop.call_soon(callback_of_a_module)
    t.tell(handle)
    t.tell(t.loop.call_soon(functools.partial(callback_of_a_module)))
    handle.cancel()
    t.tell(handle)
    timer = t.loop.call_later(100, callback_of_a_module)
    t.tell(timer)
    timer.cancel()
    t.tell(timer)


@probe('Handle(context=)', test='tests/core/test_handle.py', covers=('TimerHandle(context=)',))
async def handle_made(t):
    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    handle = t.aio.Handle(lambda: t.tell(VAR.get()), (), t.loop, context=context)
    handle._run()
    timer = t.aio.TimerHandle(5, lambda: t.tell(VAR.get()), (), t.loop, context=context)
    timer._run()
    t.tell(timer.when())


@probe('context variables in callbacks, timers and tasks', test='tests/core/test_handle.py')
async def contextvars_everywhere(t):
    VAR.set('outer')
    t.loop.call_soon(lambda: (t.tell(VAR.get()), VAR.set('inner')))
    t.loop.call_later(0, lambda: t.tell(VAR.get()))
    VAR.set('changed')
    await asyncio.sleep(0.001)
    t.tell(VAR.get())
    t.tell(await asyncio.to_thread(VAR.get))
