"""The namespace: what `import pyasync as asyncio` gives is asyncio's, with ours in its place."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import signal
import subprocess
import sys
import types
import warnings

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync

stock_default_policy = asyncio.unix_events._UnixDefaultEventLoopPolicy
has_deprecated_names = hasattr(asyncio, '__getattr__')  # 3.14 and newer
LOADED = sorted(
    name for name, value in vars(asyncio).items() if getattr(value, '__package__', 0) == 'asyncio'
)
OURS = {
    'Future': pyasync._core.Future,
    'Task': pyasync._core.Task,
    'Handle': pyasync._core.Handle,
    'TimerHandle': pyasync._core.TimerHandle,
    'SelectorEventLoop': pyasync.EventLoop,
    'EventLoop': pyasync.EventLoop,
    'DefaultEventLoopPolicy': pyasync.EventLoopPolicy,
    '_DefaultEventLoopPolicy': pyasync.EventLoopPolicy,
    'new_event_loop': pyasync._policy.new_event_loop,
    'run': pyasync._runner.run,
    'Runner': pyasync._runner.Runner,
    'eager_task_factory': pyasync.__dict__.get('eager_task_factory'),
    **{stock.__name__: ours for stock, ours in pyasync._streams.OURS.items()},
    **{stock.__name__: ours for stock, ours in pyasync._locks.OURS.items()},
    **{stock.__name__: ours for stock, ours in pyasync._combinators.OURS.items()},
    **{stock.__name__: ours for stock, ours in pyasync._structured.OURS.items()},
}


def run_python(code):
    done = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code],
        env=support.script_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, '')
    return done.stdout


# ------------------------------------------------------------------ the package


def test_all_is_that_of_asyncio():
    assert pyasync.__all__ == asyncio.__all__


@pytest.mark.parametrize('name', asyncio.__all__)
def test_each_public_name_is_ours_or_the_very_object_of_asyncio(name):
    expected = OURS[name] if name in OURS else getattr(asyncio, name)
    assert getattr(pyasync, name) is expected


def test_dir_has_every_name_of_asyncio():
    assert set(dir(asyncio)) <= set(dir(pyasync))


def test_what_is_ours_differs_from_asyncio():
    for name, ours in OURS.items():
        if name in vars(asyncio):
            assert ours is not getattr(asyncio, name)


def test_star_import_and_dir_raise_no_warning():
    assert run_python('from pyasync import *\nimport pyasync\ndir(pyasync)\nprint(sleep)')


def test_no_such_name():
    with pytest.raises(AttributeError, match="module 'pyasync' has no attribute 'no_such_name'"):
        pyasync.no_such_name  # noqa: B018


def test_ours_can_be_named_on_every_version():
    assert issubclass(pyasync.EventLoop, asyncio.SelectorEventLoop)
    assert issubclass(pyasync.EventLoopPolicy, stock_default_policy)
    assert isinstance(pyasync.__version__, str)


@pytest.mark.skipif(not has_deprecated_names, reason='3.14 and newer')
@pytest.mark.parametrize('name', ['DefaultEventLoopPolicy', 'AbstractEventLoopPolicy'])
def test_deprecated_name_warns_as_asyncio_does_at_the_line_that_uses_it(name):
    caught = {}
    for module in (asyncio, pyasync):
        with warnings.catch_warnings(record=True) as caught[module]:
            warnings.simplefilter('always')
            line = inspect.currentframe().f_lineno + 1
            found = getattr(module, name)
        [warning] = caught[module]
        assert (warning.filename, warning.lineno) == (__file__, line)
    assert str(caught[pyasync][0].message) == str(caught[asyncio][0].message)
    assert found is OURS.get(name, asyncio.events._AbstractEventLoopPolicy)


@pytest.mark.skipif(not has_deprecated_names, reason='3.14 and newer')
def test_deprecated_function_warns_at_the_line_that_calls_it():
    with pytest.warns(DeprecationWarning, match='get_event_loop_policy') as caught:
        pyasync.get_event_loop_policy()
    assert caught[0].filename == __file__


# ------------------------------------------------------------------ submodules


@pytest.mark.parametrize('name', LOADED)
def test_submodule_is_there_as_in_asyncio(name):
    module = getattr(pyasync, name)
    stock = getattr(asyncio, name)
    assert module is importlib.import_module(f'pyasync.{name}')
    assert module is not stock
    assert isinstance(module, types.ModuleType)
    assert module.__name__ == f'pyasync.{name}'
    assert module.__doc__ == stock.__doc__
    assert set(dir(stock)) <= set(dir(module)) | {'__cached__', '__file__'}


@pytest.mark.parametrize('name', LOADED)
def test_each_name_of_a_submodule_is_ours_or_the_very_object_of_asyncio(name):
    module = getattr(pyasync, name)
    stock = getattr(asyncio, name)
    ours = {
        id(getattr(asyncio, name)): value for name, value in OURS.items() if name in vars(asyncio)
    }
    ours[id(stock_default_policy)] = pyasync.EventLoopPolicy
    ours[id(asyncio.futures._chain_future)] = pyasync._core._chain_future
    ours[id(asyncio.sslproto.SSLProtocol)] = pyasync._tls.SSLProtocol
    ours[id(asyncio.sslproto._SSLProtocolTransport)] = pyasync._tls._SSLProtocolTransport
    for attribute, value in vars(stock).items():
        if attribute.startswith('__'):
            continue
        found = getattr(module, attribute)
        if getattr(value, '__package__', None) == 'asyncio':
            assert found is getattr(pyasync, value.__name__.removeprefix('asyncio.'))
        else:
            assert found is ours.get(id(value), value), attribute


@pytest.mark.parametrize('name', LOADED)
def test_star_import_from_a_submodule(name):
    theirs, ours = {}, {}
    exec(f'from asyncio.{name} import *', theirs)
    exec(f'from pyasync.{name} import *', ours)
    assert theirs.keys() == ours.keys()


def test_import_forms():
    import pyasync.subprocess
    from pyasync import tasks
    from pyasync.events import AbstractEventLoop, new_event_loop

    assert pyasync.subprocess.PIPE == asyncio.subprocess.PIPE
    assert AbstractEventLoop is asyncio.AbstractEventLoop
    assert new_event_loop is pyasync.new_event_loop
    assert tasks.Task is pyasync.Task


def test_import_after_asyncio_has_run():
    """3.12 shows its free lists to the collector: taking a future's dead iterator out is fatal."""
    run_python(
        """
import asyncio

async def wait_for(count):
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]
    waiting = [asyncio.ensure_future(asyncio.wait_for(future, 9)) for future in futures]
    await asyncio.sleep(0)
    for future in futures:
        future.set_result(1)
    await asyncio.gather(*waiting)

asyncio.run(wait_for(1))
import pyasync
asyncio.run(wait_for(4))
"""
    )


def test_private_state_is_that_of_asyncio_and_not_a_copy(monkeypatch):
    assert pyasync.base_events._run_until_complete_cb is asyncio.base_events._run_until_complete_cb
    monkeypatch.setattr(asyncio.tasks, '_added_later', object(), raising=False)
    assert pyasync.tasks._added_later is asyncio.tasks._added_later
    monkeypatch.setattr(asyncio.tasks, '_added_later', object())
    assert pyasync.tasks._added_later is asyncio.tasks._added_later


def test_no_such_name_in_a_submodule():
    with pytest.raises(AttributeError, match=r"module 'pyasync\.tasks' has no attribute 'nope'"):
        pyasync.tasks.nope  # noqa: B018
    assert not hasattr(pyasync.tasks, '__file__')
    assert not hasattr(pyasync.tasks, '__path__')


def test_every_submodule_imports_where_that_of_asyncio_does():
    for info in pkgutil.iter_modules(asyncio.__path__):
        if info.name.startswith('_'):
            continue
        try:
            importlib.import_module(f'asyncio.{info.name}')
        except ImportError as exc:
            with pytest.raises(ImportError, match=str(exc)):
                importlib.import_module(f'pyasync.{info.name}')
        else:
            module = importlib.import_module(f'pyasync.{info.name}')
            assert vars(pyasync)[info.name] is module


def test_submodule_that_asyncio_lacks():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'pyasync\.nope'"):
        importlib.import_module('pyasync.nope')


def test_submodules_that_asyncio_loads_late_are_loaded_late():
    code = 'import sys, pyasync; print(*(name for name in sys.modules if {!r} in name))'
    assert run_python(code.format('proactor')).strip() == ''


# ------------------------------------------------------------------ what isinstance says


@pytest.mark.parametrize('factory', [asyncio.SelectorEventLoop, pyasync.EventLoop])
def test_objects_of_either_loop_are_instances(factory):
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        future.cancel()
        for module in (asyncio, pyasync):
            assert isinstance(future, module.Future)
            assert not isinstance(future, module.Task)
            assert isinstance(asyncio.current_task(), module.Task)
            assert isinstance(asyncio.current_task(), module.Future)
            assert isinstance(loop.call_soon(int), module.Handle)
            timer = loop.call_later(60, int)
            assert isinstance(timer, module.TimerHandle)
            assert isinstance(timer, module.Handle)
            timer.cancel()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize('name', ['Future', 'Task', 'Handle', 'TimerHandle'])
def test_stock_type_is_a_subclass_of_ours_but_not_of_what_derives_from_ours(name):
    ours, theirs = getattr(pyasync, name), getattr(asyncio, name)
    assert issubclass(theirs, ours)
    assert not issubclass(int, ours)
    if name in ('Future', 'Task'):
        derived = type('Derived', (ours,), {})
        assert issubclass(derived, ours)
        assert not issubclass(theirs, derived)


# ------------------------------------------------------------------ run and Runner


async def loop_and_task():
    return asyncio.get_running_loop(), asyncio.current_task()


def test_run_makes_our_loop_and_task():
    loop, task = pyasync.run(loop_and_task())
    assert type(loop) is pyasync.EventLoop
    assert type(task) is pyasync.Task
    assert loop.is_closed()


def test_runner_makes_our_loop():
    with pyasync.Runner(debug=True) as runner:
        assert isinstance(runner, asyncio.Runner)
        loop = runner.get_loop()
        assert type(loop) is pyasync.EventLoop
        assert loop.get_debug()
        assert runner.run(loop_and_task())[0] is loop
    assert loop.is_closed()


@pytest.mark.parametrize('factory', [asyncio.SelectorEventLoop, pyasync.EventLoop])
def test_runner_takes_a_loop_factory(factory):
    with pyasync.Runner(loop_factory=factory) as runner:
        assert type(runner.get_loop()) is factory


@pytest.mark.parametrize('name', ['run', 'Runner'])
def test_signature_and_docstring_are_those_of_asyncio(name):
    ours, theirs = getattr(pyasync, name), getattr(asyncio, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__doc__ == theirs.__doc__
    assert (ours.__module__, ours.__qualname__) == ('pyasync.runners', theirs.__qualname__)


def test_errors_are_those_of_asyncio(impl):
    async def nested():
        coroutine = loop_and_task()
        try:
            impl.run(coroutine)
        finally:
            coroutine.close()

    with pytest.raises(
        RuntimeError, match=r'^asyncio\.run\(\) cannot be called from a running event loop$'
    ):
        impl.run(nested())
    with pytest.raises((ValueError, TypeError), match=r'a coroutine was expected|a coroutine or'):
        impl.run(3)


def test_runner_sets_the_current_loop_while_it_is_open(impl, monkeypatch):
    monkeypatch.setattr(asyncio.events, '_event_loop_policy', None)
    with impl.Runner() as runner:
        loop = runner.get_loop()
        assert asyncio.get_event_loop() is loop
    with pytest.raises(RuntimeError, match='There is no current event loop'):
        asyncio.get_event_loop()


def test_runner_asks_a_policy_that_the_program_has_chosen(impl, monkeypatch):
    class Policy(stock_default_policy):
        _loop_factory = type('Loop', (asyncio.SelectorEventLoop,), {})

    monkeypatch.setattr(asyncio.events, '_event_loop_policy', Policy())
    assert type(impl.run(loop_and_task())[0]) is Policy._loop_factory


def test_interrupt_cancels_the_main_task(impl):
    async def main():
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append('cancelled')
            raise

    seen = []
    with pytest.raises(KeyboardInterrupt):
        impl.run(main())
    assert seen == ['cancelled']


# ------------------------------------------------------------------ eager tasks


@pytest.mark.skipif(not hasattr(asyncio, 'eager_task_factory'), reason='3.12 and newer')
def test_eager_task_factory_makes_our_tasks():
    async def main():
        asyncio.get_running_loop().set_task_factory(pyasync.eager_task_factory)
        eager = asyncio.create_task(child())
        assert seen == ['ran']
        return eager

    async def child():
        seen.append('ran')

    seen = []
    assert type(pyasync.run(main())) is pyasync.Task
