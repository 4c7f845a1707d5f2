"""The type stubs: they tell the truth, and a program that imports pyasync as asyncio checks."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import shutil
import subprocess
import sys

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)
if importlib.util.find_spec('mypy') is None:
    pytest.skip('mypy is not installed', allow_module_level=True)

import pyasync

PACKAGE = pathlib.Path(pyasync.__file__).parent
ALLOWLIST = support.TESTS / 'stubtest-allowlist.txt'
SUBMODULES = sorted(
    info.name
    for info in pkgutil.iter_modules(asyncio.__path__)
    if not info.name.startswith(('_', 'windows_'))
)

PROGRAM = """\
import pyasync
import pyasync as asyncio
from pyasync import Future, Task, create_task, run


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def main() -> list[int]:
    loop = asyncio.get_running_loop()
    future: Future[int] = loop.create_future()
    handle: asyncio.Handle = loop.call_soon(future.set_result, 1)
    handle.cancel()
    task: Task[int] = create_task(double(2))
    async with asyncio.TaskGroup() as group:
        other: asyncio.Task[int] = group.create_task(double(3))
    return [await task, other.result(), *await asyncio.gather(double(4), double(5))]


run(main())
with asyncio.Runner(loop_factory=asyncio.EventLoop) as runner:
    numbers: list[int] = runner.run(main())
loop: pyasync.EventLoop = asyncio.new_event_loop()
task: asyncio.Task[int] = loop.create_task(double(1))
loop.call_later(1, print, 'late')
loop.run_until_complete(asyncio.wait_for(task, 1))
asyncio.set_event_loop(asyncio.SelectorEventLoop())
asyncio.set_event_loop_policy(pyasync.EventLoopPolicy())
pyasync.install()
pyasync.uninstall()
pipe: int = asyncio.subprocess.PIPE
version: str = pyasync.__version__
"""

SUBMODULES_PROGRAM = """\
import sys

import pyasync as asyncio
import pyasync.events
import pyasync.subprocess
from pyasync import streams
from pyasync.events import AbstractEventLoop, TimerHandle
from pyasync.futures import Future
from pyasync.locks import Lock
from pyasync.queues import Queue
from pyasync.runners import Runner, run
from pyasync.subprocess import PIPE, Process
from pyasync.tasks import Task


async def start(loop: AbstractEventLoop, *command: str) -> Process:
    assert loop is pyasync.events.get_running_loop()
    return await asyncio.subprocess.create_subprocess_exec(*command, stdout=PIPE)


async def echo(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    return await reader.readline()


async def main() -> int:
    loop: AbstractEventLoop = asyncio.get_running_loop()
    queue: Queue[int] = asyncio.Queue()
    future: Future[str] = asyncio.Future()
    timer: TimerHandle = loop.call_later(1, future.cancel)
    async with Lock():
        task: Task[Process] = asyncio.create_task(start(loop, 'true'))
    pipes: int = asyncio.subprocess.PIPE | pyasync.subprocess.DEVNULL
    return await (await task).wait()


code: int = run(main())
with Runner() as runner:
    code = runner.run(main())
own: pyasync.EventLoop = pyasync.events.new_event_loop()
if sys.version_info >= (3, 13):
    own = asyncio.unix_events.EventLoop()
"""

WRONG_PROGRAM = """\
import pyasync as asyncio

asyncio.run(3)
asyncio.new_event_loop().call_soon(lambda number: number)
asyncio.no_such_name
asyncio.subprocess.no_such_name
from pyasync.events import no_such_name
import pyasync.no_such_module
"""


@pytest.fixture
def stubs(tmp_path):
    """A folder with the stubs alone: what a type checker sees of the package."""
    folder = tmp_path / 'stubs' / 'pyasync'
    folder.mkdir(parents=True)
    for path in [*PACKAGE.glob('*.pyi'), PACKAGE / 'py.typed']:
        shutil.copy(path, folder)
    return folder.parent


def check(stubs, *command):
    """(exit status, output) of a mypy command that finds the stubs, and our package to import."""
    path = [str(PACKAGE.parent), os.environ.get('PYTHONPATH', '')]
    done = subprocess.run(
        [sys.executable, '-m', *command],
        cwd=stubs.parent,
        env=dict(
            os.environ,
            MYPYPATH=str(stubs),
            MYPY_CACHE_DIR=str(stubs.parent / 'cache'),
            PYTHONPATH=os.pathsep.join(filter(None, path)),
        ),
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize('program', [PROGRAM, SUBMODULES_PROGRAM], ids=['package', 'submodules'])
def test_a_program_type_checks(stubs, program):
    (stubs.parent / 'program.py').write_text(program)
    status, output = check(stubs, 'mypy', '--strict', 'program.py', 'stubs/pyasync')
    assert status == 0, output


def lines_with_errors(output):
    return {int(line.split(':')[1]) for line in output.splitlines() if ' error: ' in line}


def test_a_wrong_program_does_not(stubs):
    (stubs.parent / 'program.py').write_text(WRONG_PROGRAM)
    status, output = check(stubs, 'mypy', '--strict', 'program.py')
    assert (status, lines_with_errors(output)) == (1, {3, 4, 5, 6, 7, 8}), output


@pytest.mark.parametrize('name', SUBMODULES)
def test_submodule_has_a_stub(name):
    assert (PACKAGE / f'{name}.pyi').is_file()


def test_submodules_have_the_names_that_those_of_asyncio_have_for_mypy(stubs):
    names = [
        f'{submodule}.{name}'
        for submodule in SUBMODULES
        for name in dir(importlib.import_module(f'pyasync.{submodule}'))
        if not name.startswith('__')
    ]
    known = {}
    for package in ('asyncio', 'pyasync'):
        imports = '; '.join(f'import {package}.{submodule}' for submodule in SUBMODULES)
        uses = [f'{package}.{name}' for name in names]
        (stubs.parent / 'program.py').write_text('\n'.join([*uses, imports]))
        _, output = check(stubs, 'mypy', 'program.py')
        wrong = lines_with_errors(output)
        known[package] = {name for line, name in enumerate(names, 1) if line not in wrong}
    assert 'subprocess.PIPE' in known['pyasync']
    assert known['pyasync'] == known['asyncio']


def test_the_stubs_agree_with_the_package(stubs):
    # Older mypys do not know of every difference that is allowed.
    options = ('--allowlist', str(ALLOWLIST), '--ignore-unused-allowlist')
    status, output = check(stubs, 'mypy.stubtest', 'pyasync', *options)
    assert status == 0, output


def test_each_difference_that_is_allowed_has_its_reason():
    for paragraph in ALLOWLIST.read_text().strip().split('\n\n'):
        reason, *entries = paragraph.splitlines()
        assert reason.startswith('# ')
        assert any(not entry.startswith('#') for entry in entries), reason
