"""What the tests share: the implementations under test, and small ways to drive a loop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import pathlib
import selectors
import subprocess
import sys
import textwrap
import time

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
LIMIT = 300  # Seconds: a process that takes longer hangs, on a slow and busy machine, too.
STOCK_ONLY = os.environ.get('PYASYNC_TESTS_STOCK_ONLY') == '1'


def hide_unbuilt_sources() -> None:
    """Let the installed package win over the source tree, unless that one is built in place.

    `python -m pytest` puts the current directory first in sys.path, and there pyasync/ has no
    extension module after a plain `pip install .`.
    """
    if any((ROOT / 'pyasync').glob('_core*.so')):
        return
    cwd = os.getcwd()
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or cwd).resolve() != ROOT]


class Stock:
    """Stock asyncio, as the running interpreter has it."""

    name = 'asyncio'
    ours = False
    module = asyncio
    Future = asyncio.Future
    Task = asyncio.Task
    Handle = asyncio.Handle
    TimerHandle = asyncio.TimerHandle
    EventLoop = asyncio.SelectorEventLoop
    Runner = asyncio.Runner

    def new_event_loop(self):
        return self.EventLoop()

    def run(self, coro, **kwargs):
        return self.module.run(coro, **kwargs)

    def __repr__(self):
        return f'<implementation {self.name}>'


class Ours(Stock):
    """pyasync, with its default poller."""

    name = 'pyasync'
    ours = True

    def __init__(self):
        import pyasync

        self.module = pyasync
        self.Future = pyasync.Future
        self.Task = pyasync.Task
        self.Handle = pyasync.Handle
        self.TimerHandle = pyasync.TimerHandle
        self.EventLoop = pyasync.EventLoop
        self.Runner = pyasync.Runner


class OursWithPoll(Ours):
    """pyasync on poll() instead of epoll."""

    name = 'pyasync-poll'

    def new_event_loop(self):
        return self.EventLoop(selectors.PollSelector())


IMPLEMENTATIONS = {kind.name: kind for kind in (Stock, Ours, OursWithPoll)}
_instances: dict[str, Stock] = {}


def implementation(name: str) -> Stock:
    """The implementation of that name; ImportError where pyasync is not installed."""
    if name not in _instances:
        _instances[name] = IMPLEMENTATIONS[name]()
    return _instances[name]


def implementations() -> list[Stock]:
    """All of them, for tests that draw their own examples."""
    names = ['asyncio'] if STOCK_ONLY else list(IMPLEMENTATIONS)
    return [implementation(name) for name in names]


@contextlib.contextmanager
def environment(**variables):
    """Environment variables set for a while; in one thread at a time."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ------------------------------------------------------------------ driving a loop


def run_once(loop) -> None:
    """One iteration: what is ready now runs, and nothing that it schedules."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def call_handling(function, *args) -> KeyError:
    """Call function(*args) while an exception is being handled; answers that exception."""
    handled = KeyError()
    try:
        raise handled
    except KeyError:
        function(*args)
    return handled


def run_until(loop, condition, limit: int = 10_000) -> int:
    """Iterate without sleeping until condition() holds; answers the number of iterations."""
    for count in range(limit):
        if condition():
            return count
        run_once(loop)
        if count > limit // 10:
            time.sleep(0.001)  # a thread or another process has to come first
    raise AssertionError(f'not so after {limit} iterations: {condition}')


class CoroutineAlike:
    """collections.abc.Coroutine by its methods, all but send(value)."""

    def throw(self, *args):
        raise args[0]

    def close(self):
        pass

    def __await__(self):
        return iter(())


def open_fds() -> frozenset[int]:
    """The file descriptors of this process."""
    try:
        names = os.listdir('/proc/self/fd')
    except OSError:
        names = range(512)
    found = set()
    for name in names:
        with contextlib.suppress(OSError):
            os.fstat(int(name))
            found.add(int(name))
    return frozenset(found)


def live_objects() -> dict[str, int]:
    """Objects alive by type: counted by debug builds of pyasync only."""
    core = sys.modules.get('pyasync._core')
    count = getattr(core, '_live_objects', None)
    return dict(count()) if count else {}


# ------------------------------------------------------------------ scripts in a process

PREAMBLE = f"""\
import sys; sys.path.insert(0, {str(TESTS)!r})
import asyncio, support
impl = support.implementation({{name!r}})
new_event_loop = impl.new_event_loop
"""


def script_environment() -> dict[str, str]:
    """For a child interpreter that is to see the same pyasync as we do."""
    env = dict(os.environ, PYTHONSAFEPATH='1', PYTHONDONTWRITEBYTECODE='1')
    package = sys.modules.get('pyasync')
    if package is not None:
        home = str(pathlib.Path(package.__file__).parent.parent)
        env['PYTHONPATH'] = os.pathsep.join(filter(None, [home, env.get('PYTHONPATH')]))
    return env


def start_script(impl, code: str, *arguments: str, options: tuple[str, ...] = (), **kwargs):
    """Popen of a child interpreter that runs code, with impl and new_event_loop defined."""
    source = PREAMBLE.format(name=impl.name) + textwrap.dedent(code)
    command = [sys.executable, '-X', 'faulthandler', *options, '-c', source, *arguments]
    kwargs.setdefault('stdout', subprocess.PIPE)
    kwargs.setdefault('stderr', subprocess.PIPE)
    return subprocess.Popen(command, env=script_environment(), text=True, **kwargs)


def run_script(impl, code: str, *arguments: str, status: int = 0, **kwargs):
    """Run code in a child interpreter; answers (stdout, stderr) once the status is as expected."""
    with start_script(impl, code, *arguments, **kwargs) as child:
        try:
            out, err = child.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f'script hangs\n{out}\n{err}') from None
    assert child.returncode == status, f'script exited {child.returncode}\n{out}\n{err}'
    return out, err


def run_silently(code: str) -> None:
    """Run code in a child interpreter that knows no implementation: it says nothing at all."""
    done = subprocess.run(
        [sys.executable, '-W', 'error', '-c', textwrap.dedent(code)],
        env=script_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def run_coroutine_test(pyfuncitem, limit: float):
    """pytest_pyfunc_call of a coroutine: run on the loop of its fixture, within limit seconds.

    None where the test is none, which leaves it to pytest.
    """
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def main():
        async with asyncio.timeout(limit):
            await test(**arguments)

    pyfuncitem.funcargs['loop'].run_until_complete(main())
    return True
