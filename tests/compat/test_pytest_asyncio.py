"""pytest-asyncio: loop scopes, fixtures, timeouts, leaks, in the ways that its version has.

The conftest.py of each way is that of docs/frameworks.md where pytest-asyncio is told of the loop.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import support
from compat.support import check_equal, needs, result_of

pytestmark = needs('pytest_asyncio')

DOCS = (support.ROOT / 'docs' / 'frameworks.md').read_text()

TESTS = """
import contextlib
import contextvars
import pytest
import pytest_asyncio

seen = []
variable = contextvars.ContextVar('variable', default='unset')

def kind():
    return type(asyncio.get_running_loop()).__module__

@pytest_asyncio.fixture
async def server():
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    async with server:
        yield server.sockets[0].getsockname()[1]

@pytest_asyncio.fixture(loop_scope='module', scope='module')
async def shared():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.Event().wait())
    yield loop, task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

async def test_loop_is_the_one_asked_for():
    assert kind() == LOOP

@pytest.mark.asyncio
async def test_streams(server):
    reader, writer = await asyncio.open_connection('127.0.0.1', server)
    for word in (b'one', b'two'):
        writer.write(word + b'\\n')
        assert await reader.readline() == word.upper() + b'\\n'
    writer.close()
    await writer.wait_closed()

@pytest.mark.asyncio(loop_scope='module')
async def test_module_loop_first(shared):
    loop, task = shared
    assert asyncio.get_running_loop() is loop and not task.done()
    assert kind() == LOOP

@pytest.mark.asyncio(loop_scope='module')
async def test_module_loop_again(shared):
    assert asyncio.get_running_loop() is shared[0]
    assert shared[1] in asyncio.all_tasks()

@pytest.mark.asyncio(loop_scope='class')
class TestClass:
    loop = None

    async def test_first(self):
        TestClass.loop = asyncio.get_running_loop()

    async def test_second(self):
        assert TestClass.loop is asyncio.get_running_loop()

@pytest.mark.asyncio
async def test_function_loops_differ(shared):
    assert asyncio.get_running_loop() is not shared[0]

@pytest.mark.parametrize('number', range(3))
@pytest.mark.asyncio
async def test_parameters(number):
    answers = await asyncio.gather(*(asyncio.sleep(0, n) for n in range(number)))
    assert answers == list(range(number))

@pytest.mark.asyncio
async def test_timeout_and_cancel():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

async def test_that_fails():
    await asyncio.sleep(0)
    assert 1 == 2

async def test_that_raises():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(int, 'x'))

@pytest.mark.xfail(strict=True)
@pytest.mark.asyncio
async def test_expected_to_fail():
    raise ValueError

@pytest.mark.asyncio
async def test_leaves_a_task():
    asyncio.create_task(asyncio.sleep(60))

async def test_process():
    child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    assert await child.communicate(b'words') == (b'words', None)
"""
POLICY = """
import warnings
import pytest

@pytest.fixture(scope='session')
def event_loop_policy():
    import pyasync
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return pyasync.EventLoopPolicy()
"""
INSTALL = 'import pyasync; pyasync.install({})'


def version():
    return tuple(map(int, importlib.metadata.version('pytest-asyncio').split('.')[:2]))


def ways():
    """{way: (what stands before the tests, conftest.py)}"""
    found = {
        'stock': ('import asyncio', ''),
        'install': ('import asyncio', INSTALL.format('')),
        'accelerate': ('import asyncio', INSTALL.format('accelerate=True')),
        'namespace': ('import pyasync as asyncio', INSTALL.format('')),
        'policy fixture': ('import asyncio', POLICY),
    }
    if hook := re.search(r'```python\n# conftest.py\n(.*?)```', DOCS, re.DOTALL):
        if version() >= (1, 4):
            found['loop factories'] = ('import asyncio', hook[1])
    return found


def test_suite(tmp_path):
    programs = {}
    for number, (way, (first, conftest)) in enumerate(ways().items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / 'conftest.py').write_text(conftest)
        loop = 'asyncio.unix_events' if way == 'stock' else 'pyasync._loop'
        (folder / 'test_program.py').write_text(f'{first}\nLOOP = {loop!r}\n{TESTS}')
        (folder / 'pytest.ini').write_text(
            '[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n'
        )
        programs[way] = subprocess.Popen(
            [sys.executable, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', '--tb=short'],
            cwd=folder,
            env=support.script_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    results = {way: seen_of(program) for way, program in programs.items()}
    assert '2 failed' in results['stock'][1][-1]
    check_equal(results)


def seen_of(program):
    """Status and outcomes, without what names files and times."""
    status, out, err = result_of(program)
    lines = [re.sub(r' in \d+\.\d+s|\[\w+\]|\s*\[ *\d+%\]', '', line) for line in out.splitlines()]
    kept = [line for line in lines if re.search('PASSED|FAILED|ERROR|XFAIL|^E |passed', line)]
    # The policy fixture is deprecated in favour of the loop factories.
    kept = [re.sub('(, 1 warning)? =+$|^=+ ', '', line) for line in kept]
    return status, kept, err
