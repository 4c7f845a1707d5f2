"""The type stubs: they tell the truth, and a program that imports pyasync as asyncio checks."""

from __future__ import annotations

import importlib.util
import os
import pathlib
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

WRONG_PROGRAM = """\
import pyasync as asyncio

asyncio.run(3)
asyncio.new_event_loop().call_soon(lambda number: number)
asyncio.no_such_name
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


def test_a_program_type_checks(stubs):
    (stubs.parent / 'program.py').write_text(PROGRAM)
    status, output = check(stubs, 'mypy', '--strict', 'program.py', 'stubs/pyasync')
    assert status == 0, output


def test_a_wrong_program_does_not(stubs):
    (stubs.parent / 'program.py').write_text(WRONG_PROGRAM)
    status, output = check(stubs, 'mypy', '--strict', 'program.py')
    lines = [line.split(':')[1] for line in output.splitlines() if ' error: ' in line]
    assert (status, sorted(set(lines))) == (1, ['3', '4', '5']), output


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
