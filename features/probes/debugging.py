"""Debug mode, warnings, call graphs, looking at a process from outside."""

import asyncio
import gc
import io
import os
import subprocess
import sys
import time

from harness.probe import Group

debug = Group('Debug mode and warnings', 'tests/core/test_debug.py')
graph = Group('Call graphs and introspection', 'tests/core/test_task.py')


@debug('slow callbacks are logged')
async def slow_callback(t):
    def slow():
        time.sleep(0.02)

    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 0.01
    t.loop.call_soon(slow)
    await asyncio.sleep(0.001)
    t.loop.slow_callback_duration = 10


@debug('a slow step of a task is logged')
async def slow_task(t):
    async def slow():
        time.sleep(0.02)

    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 0.01
    task = asyncio.create_task(slow(), name='slow')
    await asyncio.sleep(0)
    t.loop.slow_callback_duration = 10
    await task


@debug('calls from another thread are refused')
async def wrong_thread(t):
    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 10
    for name, *arguments in (
        ('call_soon', t.tell),
        ('call_later', 1, t.tell),
        ('call_at', 1, t.tell),
    ):
        with t.raised():
            await asyncio.to_thread(getattr(t.loop, name), *arguments)


@debug('where a handle was made')
async def handle_source(t):
    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 10
    handle = t.loop.call_later(10, t.tell)
    t.tell(handle._source_traceback[-1].line)
    handle.cancel()


@debug('where a task was made')
async def task_source(t):
    async def work():
        pass

    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 10
    task = t.loop.create_task(work())
    t.tell(task._source_traceback[-1].line)
    await task


@debug('the origin of a coroutine that was never awaited')
async def coroutine_origin(t):
    async def work():
        pass

    t.loop.set_debug(True)
    t.tell(sys.get_coroutine_origin_tracking_depth())
    await asyncio.sleep(0)
    work()
    gc.collect()
    t.loop.set_debug(False)
    await asyncio.sleep(0)
    t.tell(sys.get_coroutine_origin_tracking_depth())


@debug('an exception handler is told where things were made')
async def report_sources(t):
    async def fails():
        raise KeyError('key')

    t.loop.set_debug(True)
    t.loop.slow_callback_duration = 10
    t.loop.set_exception_handler(lambda loop, context: t.tell(sorted(context), context['message']))
    task = t.loop.create_task(fails())
    await asyncio.sleep(0)
    del task
    gc.collect()
    t.loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)


@debug('PYTHONASYNCIODEBUG and -X dev')
def environment(t):
    code = 'import asyncio; print(asyncio.coroutines._is_debug_mode())'
    for options, variables in (([], {}), (['-X', 'dev'], {}), ([], {'PYTHONASYNCIODEBUG': '1'})):
        out = subprocess.run(
            [sys.executable, *options, '-c', code],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        t.tell(options, variables, out.stdout)


@debug('a loop that is not closed: ResourceWarning')
def unclosed_loop(t):
    loop = t.factory()
    loop.run_until_complete(asyncio.sleep(0))
    del loop
    gc.collect()


@debug('an asynchronous generator whose loop is closed')
def asyncgen_closed_loop(t):
    async def generator():
        yield 1

    async def main():
        iterator = generator()
        await anext(iterator)
        return iterator

    loop = t.new_loop()
    iterator = loop.run_until_complete(main())
    loop.close()
    del iterator
    gc.collect()


@debug('a future or task made where no loop runs')
def made_outside(t):
    async def work():
        pass

    t.aio.set_event_loop(None)
    with t.raised():
        t.aio.Future()
    coroutine = work()
    with t.raised():
        t.aio.ensure_future(coroutine)
    with t.raised():
        t.aio.gather(coroutine)
    with t.raised():
        t.aio.create_task(coroutine)
    coroutine.close()


@debug('tracebacks of a task that fails', named='lack the frame')
async def tracebacks(t):
    import traceback

    async def inner():
        await asyncio.sleep(0)
        raise KeyError('key')

    async def outer():
        await inner()

    try:
        await asyncio.create_task(outer())
    except KeyError as error:
        t.tell([frame.name for frame in traceback.extract_tb(error.__traceback__)])
    t.loop.set_exception_handler(
        lambda loop, context: t.tell(
            [frame.name for frame in traceback.extract_tb(context['exception'].__traceback__)]
        )
    )
    t.loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)


async def waits(futures):
    await futures.get()


@graph(
    'asyncio.capture_call_graph()',
    since=(3, 14),
    covers=(
        'asyncio.capture_call_graph(future=)',
        'asyncio.capture_call_graph(depth=)',
        'asyncio.capture_call_graph(limit=)',
        'asyncio.FutureCallGraph',
        'asyncio.FrameCallGraphEntry',
        'FutureCallGraph.future',
        'FutureCallGraph.call_stack',
        'FutureCallGraph.awaited_by',
        'FrameCallGraphEntry.frame',
    ),
)
async def capture_call_graph(t):
    async def inner():
        await asyncio.sleep(0)
        graph = t.aio.capture_call_graph()
        t.tell([entry.frame.f_code.co_name for entry in graph.call_stack][:2])
        t.tell([entry.future.get_name() for entry in graph.awaited_by])
        t.tell(len(t.aio.capture_call_graph(limit=1).call_stack))
        t.tell(type(graph).__name__, graph.future is t.aio.current_task())

    async def outer():
        await asyncio.create_task(inner(), name='inner')

    await asyncio.create_task(outer(), name='outer')
    one = asyncio.create_task(asyncio.sleep(1), name='other')
    await asyncio.sleep(0)
    graph = t.aio.capture_call_graph(one, depth=1)
    t.tell(len(graph.call_stack), graph.awaited_by)
    t.tell(t.aio.capture_call_graph(t.loop.create_future()))
    with t.raised():
        t.aio.capture_call_graph(5)


@graph(
    'asyncio.format_call_graph()',
    since=(3, 14),
    named='frames are stand-ins',
    covers=(
        'asyncio.format_call_graph(future=)',
        'asyncio.format_call_graph(depth=)',
        'asyncio.format_call_graph(limit=)',
    ),
)
async def format_call_graph(t):
    async def leaf():
        t.tell(t.aio.format_call_graph())

    async def middle():
        async with t.aio.TaskGroup() as group:
            group.create_task(leaf(), name='leaf')

    await asyncio.create_task(middle(), name='middle')
    await t.aio.gather(asyncio.create_task(leaf(), name='gathered'))
    await t.aio.wait_for(asyncio.create_task(leaf(), name='waited for'), 1)
    await t.aio.shield(asyncio.create_task(leaf(), name='shielded'))
    await t.aio.wait([asyncio.create_task(leaf(), name='waited')])


@graph(
    'asyncio.print_call_graph()',
    since=(3, 14),
    covers=(
        'asyncio.print_call_graph(future=)',
        'asyncio.print_call_graph(file=)',
        'asyncio.print_call_graph(depth=)',
        'asyncio.print_call_graph(limit=)',
    ),
)
async def print_call_graph(t):
    async def work():
        out = io.StringIO()
        t.aio.print_call_graph(file=out)
        t.tell(out.getvalue())
        out = io.StringIO()
        t.aio.print_call_graph(asyncio.current_task(), file=out, depth=2, limit=1)
        t.tell(out.getvalue())

    await asyncio.create_task(work(), name='work')


@graph(
    'asyncio.future_add_to_awaited_by()',
    since=(3, 14),
    covers=('asyncio.future_discard_from_awaited_by()',),
)
async def awaited_by(t):
    one, two = t.loop.create_future(), t.loop.create_future()
    t.tell(one._asyncio_awaited_by)
    t.aio.future_add_to_awaited_by(one, two)
    t.tell(one._asyncio_awaited_by == frozenset([two]))
    t.aio.future_discard_from_awaited_by(one, two)
    t.tell(one._asyncio_awaited_by)
    t.aio.future_add_to_awaited_by(one, 5)


SERVICE = """\
import asyncio, importlib, sys
import {module} as module

async def leaf():
    print('ready', flush=True)
    await asyncio.sleep(100)

async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(leaf(), name='leaf')

{setup}
with asyncio.Runner(loop_factory=module.{factory}) as runner:
    runner.run(main())
"""


def _from_outside(t, command):
    """What `python -m asyncio <command> PID` prints of a small service."""
    factory = getattr(t.factory, '__name__', 'new_event_loop')
    module = t.factory.__module__.split('.')[0]
    if module == 'asyncio':
        factory = 'SelectorEventLoop'
    accelerated = module == 'pyasync' and asyncio.sleep.__class__.__name__ != 'function'
    setup = 'module.install(accelerate=True)' if accelerated else ''
    code = SERVICE.format(module=module, factory=factory, setup=setup)
    child = subprocess.Popen([sys.executable, '-P', '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        t.tell(child.stdout.readline())
        seen = subprocess.run(
            [sys.executable, '-P', '-m', 'asyncio', command, str(child.pid)],
            capture_output=True,
            text=True,
            env={**os.environ, 'NO_COLOR': '1'},
        )
        t.tell('leaf' in seen.stdout, seen.returncode)
        if seen.returncode:
            t.tell(seen.stderr.strip().split('\n')[-1])
    finally:
        child.kill()
        child.communicate()


@graph('python -m asyncio ps', since=(3, 14), named='python -m asyncio ps')
def ps(t):
    _from_outside(t, 'ps')


@graph('python -m asyncio pstree', since=(3, 14), named='python -m asyncio ps')
def pstree(t):
    _from_outside(t, 'pstree')


@graph('python -m asyncio: a console that awaits', test='tests/test_main.py')
def console(t):
    out = subprocess.run(
        [sys.executable, '-P', '-m', 'asyncio'],
        input='import asyncio\nawait asyncio.sleep(0, 42)\n',
        capture_output=True,
        text=True,
        env={**os.environ, 'NO_COLOR': '1', 'TERM': 'dumb'},
    )
    t.tell('42' in out.stdout, out.returncode)
