"""install(accelerate=True): our objects under asyncio's own names, and everything back again."""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
import threading
import typing
import unittest.mock
from asyncio import Future, Queue, Runner, SelectorEventLoop, Task, gather, sleep

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync
from pyasync import _namespace

# By id: a class counts as equal to nothing but itself.
KEPT = ('new_event_loop', 'eager_task_factory')
KEPT += ('open_connection', 'start_server', 'open_unix_connection', 'start_unix_server')
REPLACED = {
    stock: ours
    for stock, ours in _namespace.OURS.items()
    if not any(stock is getattr(asyncio, name, None) for name in KEPT)
}


def asyncio_modules():
    return {
        name: dict(vars(module))
        for name, module in sys.modules.items()
        if name.partition('.')[0] == 'asyncio'
    }


def changed(before):
    """The names that hold something else than before, by module."""
    after = asyncio_modules()
    return {
        (module, name)
        for module, names in before.items()
        for name, value in names.items()
        if name != '__warningregistry__' and after[module].get(name) is not value
    }


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    before = asyncio_modules()
    monkeypatch.setattr(asyncio.events, '_event_loop_policy', None)
    yield
    while pyasync._policy._installed:
        pyasync.uninstall()
    monkeypatch.undo()
    assert not changed(before)


@pytest.fixture
def accelerated(nothing_installed):
    pyasync.install(accelerate=True)


# ------------------------------------------------------------------ what is replaced


def test_every_name_of_every_submodule_holds_ours(accelerated):
    left = [
        (module, name)
        for module, names in asyncio_modules().items()
        for name, value in names.items()
        for stock in REPLACED
        if value is stock
    ]
    assert left == []
    for name in ('Future', 'Task', 'Handle', 'TimerHandle', 'SelectorEventLoop', 'Runner', 'run'):
        assert getattr(asyncio, name) is getattr(pyasync, name)
    assert asyncio.tasks.Task is asyncio.Task is pyasync.Task
    assert asyncio.unix_events.SelectorEventLoop is pyasync.EventLoop


def test_all_else_stays(accelerated):
    assert asyncio.tasks is not pyasync.tasks
    assert asyncio.futures._PyFuture is not pyasync.Future
    assert asyncio.CancelledError is pyasync.CancelledError
    assert asyncio.AbstractEventLoop is pyasync.AbstractEventLoop


def test_plain_install_replaces_no_name():
    before = asyncio_modules()
    pyasync.install()
    assert {name for _, name in changed(before)} == {'_event_loop_policy'}


def test_uninstall_puts_everything_back():
    before = asyncio_modules()
    pyasync.install(accelerate=True)
    assert len(changed(before)) > 10
    pyasync.uninstall()
    assert changed(before) == set()


def test_installs_nest():
    before = asyncio_modules()
    pyasync.install(accelerate=True)
    pyasync.install()
    pyasync.install(accelerate=True)
    pyasync.uninstall()
    assert asyncio.Task is pyasync.Task
    pyasync.uninstall()
    assert asyncio.Task is pyasync.Task
    pyasync.uninstall()
    assert changed(before) == set()


def test_plain_install_first():
    pyasync.install()
    pyasync.install(accelerate=True)
    assert asyncio.Task is pyasync.Task
    pyasync.uninstall()
    assert asyncio.Task is Task
    assert type(asyncio.run(running_loop())) is pyasync.EventLoop


def test_threads_install_and_uninstall_at_once():
    def work():
        start.wait()
        for _ in range(20):
            pyasync.install(accelerate=True)
            found.append(asyncio.Task)
            pyasync.uninstall()

    found = []
    before = asyncio_modules()
    start = threading.Barrier(4)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(kind is pyasync.Task for kind in found)
    assert changed(before) == set()


# ------------------------------------------------------------------ what others do meanwhile


def test_a_reader_class_that_a_test_has_put_there(accelerated):
    class Reader(asyncio.StreamReader):
        pass

    async def main():
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.close()
        await writer.wait_closed()
        return reader, writer

    ours, theirs = socket.socketpair()
    with theirs, unittest.mock.patch('asyncio.streams.StreamReader', Reader):
        reader, writer = asyncio.run(main())
    assert type(reader) is Reader
    assert type(writer) is pyasync.StreamWriter


async def fake_sleep(delay):
    pass


def test_what_others_replaced_before_is_left_alone(monkeypatch):
    monkeypatch.setattr(asyncio.tasks, 'Task', type('Traced', (asyncio.Task,), {}))
    monkeypatch.setattr(asyncio, 'run', fake_sleep)
    before = asyncio_modules()
    pyasync.install(accelerate=True)
    assert asyncio.tasks.Task.__name__ == 'Traced'
    assert asyncio.run is fake_sleep
    pyasync.uninstall()
    assert changed(before) == set()


def test_what_others_replaced_meanwhile_is_left_alone(accelerated):
    original = asyncio.run
    asyncio.run = fake_sleep
    asyncio.tasks.Task = theirs = type('Traced', (asyncio.Task,), {})
    pyasync.uninstall()
    assert asyncio.run is fake_sleep
    assert asyncio.tasks.Task is theirs
    assert asyncio.Task is Task
    assert original is pyasync.run
    asyncio.run, asyncio.tasks.Task = stock_run, Task


stock_run = asyncio.run


def test_what_others_put_there_of_ours_stays(monkeypatch):
    monkeypatch.setattr(asyncio, 'Task', pyasync.Task)
    pyasync.install(accelerate=True)
    pyasync.uninstall()
    assert asyncio.Task is pyasync.Task
    assert asyncio.tasks.Task is Task


def test_name_deleted_meanwhile(accelerated):
    del asyncio.TimerHandle
    pyasync.uninstall()
    assert not hasattr(asyncio, 'TimerHandle')
    asyncio.TimerHandle = asyncio.events.TimerHandle


def test_module_reloaded_meanwhile():
    support.run_silently("""
        import asyncio, importlib, pyasync
        stock = asyncio.Runner, asyncio.Task
        pyasync.install(accelerate=True)
        importlib.reload(asyncio.runners)     # it makes new classes, which nobody knows
        theirs = asyncio.runners.Runner
        assert theirs not in (stock[0], pyasync.Runner)
        importlib.reload(asyncio.tasks)
        assert asyncio.tasks.Task is stock[1]
        pyasync.install(accelerate=True)      # puts in what the reload has put back
        assert asyncio.tasks.Task is pyasync.Task
        importlib.reload(asyncio)             # takes them from the submodules
        assert asyncio.Runner is theirs and asyncio.Task is pyasync.Task
        pyasync.uninstall()
        pyasync.uninstall()
        assert asyncio.runners.Runner is theirs and asyncio.Task is stock[1]
        asyncio.run(asyncio.sleep(0))
    """)


def test_submodule_imported_meanwhile():
    """What it imports by name it holds by that name of its own."""
    support.run_silently("""
        import asyncio, importlib.util, sys, pyasync
        names = asyncio.Future, asyncio.Task
        pyasync.install(accelerate=True)
        spec = importlib.util.spec_from_loader('asyncio.late', loader=None)
        late = sys.modules['asyncio.late'] = importlib.util.module_from_spec(spec)
        exec('from asyncio import Future\\nfrom asyncio.tasks import Task as T', vars(late))
        assert (late.Future, late.T) == (pyasync.Future, pyasync.Task)
        pyasync.uninstall()
        assert (late.Future, late.T) == names
    """)


@pytest.mark.skipif(sys.version_info < (3, 14), reason='3.14 and newer')
def test_subinterpreter_has_names_of_its_own():
    from concurrent import interpreters

    made = interpreters.create()
    made.exec(f"""if True:
        import sys
        sys.path[:] = {sys.path!r}
        import asyncio, pyasync
        pyasync.install(accelerate=True)
        assert asyncio.Task is pyasync.Task
        asyncio.run(asyncio.sleep(0))
        pyasync.uninstall()
        assert asyncio.Task is not pyasync.Task
        pyasync.install(accelerate=True)
    """)
    assert asyncio.Task is Task
    made.close()


# ------------------------------------------------------------------ old names beside new ones


async def running_loop():
    return asyncio.get_running_loop()


def test_what_was_imported_before_works_beside_ours(accelerated):
    async def produce(queue):
        await sleep(0)
        await queue.put(asyncio.current_task())
        return 1

    async def main():
        queue = Queue()
        future = Future()
        tasks = [asyncio.create_task(produce(queue)), Task(produce(queue))]
        asyncio.get_running_loop().call_soon(future.set_result, 2)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            tasks.append(group.create_task(produce(queue)))
            results = await gather(*tasks, future)
        assert {type(await queue.get()) for _ in tasks} == {Task, pyasync.Task}
        return results

    assert asyncio.run(main()) == [1, 1, 1, 2]
    with Runner() as runner:
        assert runner.run(main()) == [1, 1, 1, 2]
        assert type(runner.get_loop()) is pyasync.EventLoop


@pytest.mark.parametrize('debug', [False, True])
def test_stock_loop_runs_our_objects(accelerated, debug):
    async def main():
        loop = asyncio.get_running_loop()
        assert type(loop) is SelectorEventLoop
        assert type(asyncio.current_task()) is pyasync.Task
        timer = loop.call_later(0, int)
        assert type(timer) is pyasync.TimerHandle
        loop.call_later(60, int).cancel()
        async with asyncio.timeout(10):
            await asyncio.sleep(0.001)
            process = await asyncio.create_subprocess_exec(
                sys.executable, '-c', 'print(1)', stdout=asyncio.subprocess.PIPE
            )
            assert await process.communicate() == (b'1\n', None)
        return await asyncio.gather(asyncio.to_thread(int), asyncio.sleep(0, 1))

    with asyncio.Runner(loop_factory=SelectorEventLoop, debug=debug) as runner:
        assert runner.run(main()) == [0, 1]


def each_class():
    return [pytest.param(s, o, id=o.__name__) for s, o in REPLACED.items() if isinstance(s, type)]


@pytest.mark.parametrize(('stock', 'ours'), each_class())
def test_stock_class_is_a_subclass_of_ours(stock, ours):
    assert issubclass(stock, ours)
    assert issubclass(ours, ours)
    assert not issubclass(int, ours)


def test_instances_made_before_are_instances(monkeypatch):
    queue, event, loop = asyncio.Queue(), asyncio.Event(), SelectorEventLoop()
    future = loop.create_future()
    pyasync.install(accelerate=True)
    assert isinstance(queue, asyncio.Queue)
    assert isinstance(event, asyncio.Event)
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert isinstance(future, asyncio.Future)
    assert not isinstance(future, asyncio.Task)
    assert not isinstance(queue, asyncio.LifoQueue)
    loop.close()


def test_subclasses_made_before_and_after():
    class Before(asyncio.Queue):
        pass

    pyasync.install(accelerate=True)

    class After(asyncio.Queue):
        pass

    class MyTask(asyncio.Task):
        pass

    async def main():
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coro, **kwargs: MyTask(coro, loop=loop, **kwargs)
        )
        return await asyncio.create_task(use_queues())

    async def use_queues():
        for queue in (Before(), After()):
            queue.put_nowait(1)
            assert await queue.get() == 1
            assert isinstance(queue, asyncio.Queue)
        assert not isinstance(Before(), After)
        return type(asyncio.current_task())

    assert asyncio.run(main()) is MyTask
    pyasync.uninstall()
    assert asyncio.run(main()) is MyTask
    assert isinstance(After(), asyncio.Queue)


def test_types_with_parameters(accelerated):
    for name in ('Future', 'Task', 'Queue'):
        kind = getattr(asyncio, name)
        assert typing.get_origin(kind[int]) is kind
        assert typing.get_args(kind[int]) == (int,)


def test_exceptions_and_functions_can_be_pickled(accelerated):
    for exc in (
        asyncio.QueueFull(),
        asyncio.IncompleteReadError(b'a', 2),
        asyncio.CancelledError('a'),
    ):
        assert type(pickle.loads(pickle.dumps(exc))) is type(exc)
    for name in ('run', 'sleep', 'gather', 'Queue', 'Lock', 'Task'):
        found = getattr(asyncio, name)
        assert pickle.loads(pickle.dumps(found)) is found


def test_class_imported_before_cannot_be_pickled(accelerated):
    with pytest.raises(pickle.PicklingError, match='not the same object'):
        pickle.dumps(Runner)


# ------------------------------------------------------------------ loops


def test_loop_class_that_is_named_directly_is_ours(accelerated):
    loop = asyncio.SelectorEventLoop()
    assert type(loop) is pyasync.EventLoop
    loop.close()
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert type(runner.run(running_loop())) is pyasync.EventLoop


def test_new_event_loop_is_ours_and_that_of_a_policy_set_later(accelerated):
    loop = asyncio.new_event_loop()
    assert type(loop) is pyasync.EventLoop
    loop.close()

    class Policy(asyncio.unix_events._UnixDefaultEventLoopPolicy):
        _loop_factory = type('Loop', (SelectorEventLoop,), {})

    asyncio.events._event_loop_policy = Policy()
    loop = asyncio.new_event_loop()
    assert type(loop) is Policy._loop_factory
    loop.close()
    assert type(asyncio.run(running_loop())) is Policy._loop_factory


def test_default_policy_made_anew_is_ours(accelerated):
    asyncio.events._event_loop_policy = None
    assert type(asyncio.run(running_loop())) is pyasync.EventLoop


@pytest.mark.skipif(not hasattr(asyncio, 'eager_task_factory'), reason='3.12 and newer')
def test_eager_task_factory_makes_our_tasks(accelerated):
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return asyncio.create_task(asyncio.sleep(0))

    assert type(asyncio.run(main())) is pyasync.Task
