"""Runner, run(), the current loop, policies, threads."""

import asyncio
import contextvars
import os
import signal
import threading
import warnings

from harness.probe import Group

probe = Group('Running: Runner, run(), the current loop, threads', 'tests/core/test_run.py')
VAR = contextvars.ContextVar('VAR', default='unset')


async def answer():
    await asyncio.sleep(0)
    return 42


@probe('asyncio.run()')
def run(t):
    t.tell(t.aio.run(answer()))
    with t.raised():
        t.aio.run(42)


@probe('asyncio.run(debug=)')
def run_debug(t):
    async def main():
        t.tell(asyncio.get_running_loop().get_debug())

    t.aio.run(main(), debug=True)
    t.aio.run(main(), debug=False)


@probe('asyncio.run(loop_factory=)', since=(3, 12))
def run_factory(t):
    async def main():
        t.tell(type(asyncio.get_running_loop()) is type(loop))

    loop = t.new_loop()
    t.aio.run(main(), loop_factory=t.factory)


@probe('run() within a running loop')
async def run_nested(t):
    coroutine = answer()
    with t.raised():
        t.aio.run(coroutine)
    coroutine.close()


@probe('run() cancels what is left, and waits')
def run_cancels(t):
    async def stays():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0)
            t.tell('left')

    async def fails():
        try:
            await asyncio.sleep(100)
        finally:
            raise KeyError('key')

    async def main():
        t.kept = [asyncio.create_task(stays()), asyncio.create_task(fails())]
        await asyncio.sleep(0)
        return 'main'

    t.tell(t.run(main()))


@probe('Runner.run()', covers=('Runner.close()',))
def runner_run(t):
    runner = t.runner()
    t.tell(runner.run(answer()), runner.run(answer()))
    with t.raised():
        runner.run(1)
    runner.close()
    runner.close()
    coroutine = answer()
    with t.raised():
        runner.run(coroutine)
    coroutine.close()


@probe('Runner.run(context=)')
def runner_context(t):
    async def main():
        t.tell(VAR.get())
        VAR.set('by main')

    context = contextvars.copy_context()
    context.run(VAR.set, 'set')
    with t.runner() as runner:
        runner.run(main(), context=context)
        runner.run(main())
        runner.run(main())
    t.tell(context[VAR], VAR.get())


@probe('Runner.get_loop()')
def runner_loop(t):
    with t.runner() as runner:
        loop = runner.get_loop()
        t.tell(loop.is_running(), loop is runner.get_loop())
    t.tell(loop.is_closed())
    with t.raised():
        runner.get_loop()


@probe('Runner(debug=, loop_factory=)')
def runner_arguments(t):
    with t.runner(debug=True) as runner:
        t.tell(runner.get_loop().get_debug())
    with t.aio.Runner(debug=False) as runner:
        t.tell(runner.get_loop().get_debug())


@probe('Runner within a running loop')
async def runner_nested(t):
    coroutine = answer()
    with t.raised(), t.runner() as runner:
        runner.run(coroutine)
    coroutine.close()


@probe('Runner and Ctrl-C: the main task is cancelled')
def runner_interrupt(t):
    async def main():
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            t.tell('cancelled')
            raise

    with t.raised():
        t.run(main())
    t.tell(signal.getsignal(signal.SIGINT) is signal.default_int_handler)


@probe('Runner and a second Ctrl-C')
def runner_interrupt_twice(t):
    async def main():
        for _ in range(2):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                t.tell('cancelled')

    with t.raised():
        t.run(main())


@probe('Runner leaves a handler of the program for SIGINT')
def runner_signal_handler(t):
    async def main():
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)

    before = signal.signal(signal.SIGINT, lambda number, frame: t.tell('handler', number))
    try:
        t.run(main())
    finally:
        signal.signal(signal.SIGINT, before)


@probe('Ctrl-C in a loop that no Runner runs')
def interrupt(t):
    loop = t.new_loop()
    loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
    loop.call_later(5, loop.stop)
    with t.raised():
        loop.run_forever()
    t.tell(loop.is_running())
    loop.call_soon(loop.stop)
    loop.run_forever()


@probe('asyncio.get_running_loop()')
async def get_running_loop(t):
    t.tell(t.aio.get_running_loop() is t.loop)
    t.tell(await asyncio.to_thread(_told_error, t.aio.get_running_loop))


def _told_error(function):
    try:
        return function()
    except Exception as error:
        return f'{type(error).__name__}: {error}'


@probe('asyncio.get_event_loop()')
async def get_event_loop_inside(t):
    t.tell(t.aio.get_event_loop() is t.loop)


@probe('get_event_loop() where no loop is set')
def get_event_loop_outside(t):
    t.aio.set_event_loop(None)
    with t.raised():
        t.aio.get_event_loop()


@probe('asyncio.set_event_loop()')
def set_event_loop(t):
    loop = t.new_loop()
    t.aio.set_event_loop(loop)
    t.tell(t.aio.get_event_loop() is loop)
    t.aio.set_event_loop(None)
    with t.raised():
        t.aio.set_event_loop(1)


@probe('asyncio.new_event_loop()')
def new_event_loop(t):
    loop = t.aio.new_event_loop()
    t.tell(isinstance(loop, asyncio.SelectorEventLoop), loop.is_running())
    loop.close()


@probe('asyncio._set_running_loop()', covers=('asyncio._get_running_loop()',))
def set_running_loop(t):
    loop = t.new_loop()
    t.tell(t.aio._get_running_loop())
    t.aio._set_running_loop(loop)
    t.tell(t.aio.get_running_loop() is loop)
    t.aio._set_running_loop(None)
    t.tell(t.aio._get_running_loop())


@probe(
    'asyncio.get_event_loop_policy()',
    test='tests/test_policy.py',
    covers=('asyncio.set_event_loop_policy()',),
)
def policy(t):
    with t.raised():
        before = t.aio.get_event_loop_policy()
        t.aio.set_event_loop_policy(None)
        t.aio.set_event_loop_policy(before)
        t.tell(t.aio.get_event_loop_policy() is before)
    with t.raised():
        t.aio.set_event_loop_policy(1)


@probe(
    'policy.get_event_loop()',
    test='tests/test_policy.py',
    covers=('policy.set_event_loop()', 'policy.new_event_loop()', 'asyncio.EventLoopPolicy'),
)
def policy_methods(t):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        policy = t.aio.DefaultEventLoopPolicy()
    with t.raised():
        policy.get_event_loop()
    loop = policy.new_event_loop()
    policy.set_event_loop(loop)
    t.tell(policy.get_event_loop() is loop)
    with t.raised():
        policy.set_event_loop(1)
    loop.close()
    t.aio.set_event_loop(None)


@probe(
    'asyncio.DefaultEventLoopPolicy',
    test='tests/test_policy.py',
    covers=('asyncio.AbstractEventLoopPolicy',),
)
def policy_names(t):
    t.tell(
        t.aio.DefaultEventLoopPolicy.__name__
        in ('_UnixDefaultEventLoopPolicy', '_DefaultEventLoopPolicy', 'EventLoopPolicy')
    )
    t.tell(isinstance(t.aio.AbstractEventLoopPolicy, type))


@probe('asyncio.to_thread()', test='tests/core/test_executor.py')
async def to_thread(t):
    VAR.set('seen')
    t.tell(await t.aio.to_thread(lambda *a, **k: (a, k, VAR.get()), 1, key=2))
    with t.raised():
        await t.aio.to_thread(int, 'x')


@probe('asyncio.run_coroutine_threadsafe()', test='tests/core/test_threadsafe.py')
async def run_coroutine_threadsafe(t):
    async def fails():
        raise KeyError('key')

    def caller():
        t.tell(t.aio.run_coroutine_threadsafe(answer(), t.loop).result())
        with t.raised():
            t.aio.run_coroutine_threadsafe(fails(), t.loop).result()
        future = t.aio.run_coroutine_threadsafe(asyncio.sleep(100), t.loop)
        t.tell(future.cancel())

    await asyncio.to_thread(caller)
    with t.raised():
        t.aio.run_coroutine_threadsafe(1, t.loop)


@probe('loops in several threads', test='tests/core/test_threadsafe.py')
def loops_in_threads(t):
    results = []

    def thread():
        results.append(t.run(answer()))

    threads = [threading.Thread(target=thread) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    t.tell(results)


@probe('a forked child makes a loop of its own', test='tests/core/test_fork.py')
def fork(t):
    async def main():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            pid = os.fork()
        if not pid:
            try:
                os._exit(asyncio._get_running_loop() is None)
            finally:
                os._exit(9)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    t.tell(t.run(main()))


@probe('a loop in a subinterpreter', since=(3, 14), test='tests/core/test_subinterpreter.py')
def subinterpreter(t):
    from concurrent import interpreters

    interpreter = interpreters.create()
    module = t.factory.__module__
    name = getattr(t.factory, '__qualname__', 'new_event_loop')
    if module.startswith('asyncio'):
        module, name = 'asyncio', 'SelectorEventLoop'
    with t.raised():
        interpreter.exec(
            'import asyncio, importlib\n'
            f'loop = importlib.import_module({module!r}).{name}()\n'
            'loop.run_until_complete(asyncio.sleep(0))\n'
            'loop.close()\n'
        )
    interpreter.close()


CHILD_WATCHERS = Group('Child watchers', 'tests/net/test_subprocess.py')


@CHILD_WATCHERS(
    'asyncio.get_child_watcher()',
    until=(3, 14),
    covers=(
        'asyncio.set_child_watcher()',
        'policy.get_child_watcher()',
        'policy.set_child_watcher()',
    ),
)
def child_watcher(t):
    watcher = t.aio.get_child_watcher()
    t.tell(type(watcher).__name__)
    t.aio.set_child_watcher(watcher)
    t.tell(t.aio.get_child_watcher() is watcher)
    policy = t.aio.get_event_loop_policy()
    t.tell(policy.get_child_watcher() is watcher)
    policy.set_child_watcher(watcher)
    policy.set_child_watcher(None)


def _watch(t, kind):
    async def main():
        watcher.attach_loop(t.aio.get_running_loop())
        t.tell(watcher.is_active())
        process = await asyncio.create_subprocess_exec('false')
        t.tell(await process.wait())
        exited = t.aio.get_running_loop().create_future()

        def callback(pid, code, *args):
            exited.get_loop().call_soon_threadsafe(exited.set_result, (code, *args))

        with watcher:
            pid = os.posix_spawnp('sh', ['sh', '-c', 'exit 3'], os.environ)
            watcher.add_child_handler(pid, callback, 'argument')
            t.tell(await exited)
        t.tell(watcher.remove_child_handler(pid))

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        watcher = getattr(t.aio, kind)()
        t.tell(type(watcher).__name__, watcher.is_active())
        t.aio.set_child_watcher(watcher)
        loop = t.new_loop()
        t.aio.set_event_loop(loop)
        try:
            loop.run_until_complete(main())
        finally:
            t.aio.set_child_watcher(None)
            t.aio.set_event_loop(None)


@CHILD_WATCHERS(
    'ChildWatcher.add_child_handler()',
    until=(3, 14),
    covers=(
        'asyncio.ThreadedChildWatcher',
        'ChildWatcher.remove_child_handler()',
        'ChildWatcher.attach_loop()',
        'ChildWatcher.close()',
        'ChildWatcher.is_active()',
    ),
)
def threaded_watcher(t):
    _watch(t, 'ThreadedChildWatcher')


@CHILD_WATCHERS('asyncio.PidfdChildWatcher', until=(3, 14))
def pidfd_watcher(t):
    _watch(t, 'PidfdChildWatcher')


@CHILD_WATCHERS('asyncio.SafeChildWatcher', until=(3, 14))
def safe_watcher(t):
    _watch(t, 'SafeChildWatcher')


@CHILD_WATCHERS('asyncio.FastChildWatcher', until=(3, 14))
def fast_watcher(t):
    _watch(t, 'FastChildWatcher')


@CHILD_WATCHERS('asyncio.MultiLoopChildWatcher', until=(3, 14))
def multi_loop_watcher(t):
    _watch(t, 'MultiLoopChildWatcher')
