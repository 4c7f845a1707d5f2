"""The type stubs: they tell the truth, and a program that imports pyasync as asyncio checks."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import re
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

CLASSES_PROGRAM = """\
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable

import pyasync
import pyasync as asyncio


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Datagrams(asyncio.DatagramProtocol):
    def datagram_received(self, data: bytes, addr: object) -> None:
        print(addr)


class Names(asyncio.Queue[str]):
    def _init(self, maxsize: int) -> None:
        self.names: list[str] = []


async def primitives() -> bool:
    lock: asyncio.Lock = asyncio.Lock()
    async with lock, asyncio.Semaphore(2), asyncio.BoundedSemaphore(1):
        held: bool = lock.locked()
    condition = asyncio.Condition(lock)
    async with condition:
        condition.notify_all()
        held = await condition.wait_for(lambda: True)
    event = asyncio.Event()
    event.set()
    barrier = asyncio.Barrier(1)
    async with barrier:
        place: int = await barrier.wait()
    return held and await event.wait() and place == 0


async def queues() -> int:
    numbers: asyncio.Queue[int] = asyncio.Queue(3)
    last: asyncio.LifoQueue[int] = asyncio.LifoQueue()
    first: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
    await numbers.put(1)
    last.put_nowait(2)
    await first.put((1, 'one'))
    names = Names()
    names.put_nowait('a')
    name: str = await names.get()
    rank, text = await first.get()
    numbers.task_done()
    if sys.version_info >= (3, 13):
        numbers.shutdown(immediate=True)
        try:
            await numbers.get()
        except asyncio.QueueShutDown:
            pass
    try:
        last.get_nowait()
    except asyncio.QueueEmpty:
        pass
    return await numbers.get() + rank + len(text) + len(name)


async def structure() -> list[str]:
    async def word() -> str:
        return 'word'

    async with asyncio.TaskGroup() as group:
        task: asyncio.Task[str] = group.create_task(word(), name='word')
    async with asyncio.timeout(1) as limit:
        limit.reschedule(None)
        deadline: float | None = limit.when()
    async with asyncio.timeout_at(deadline):
        both: tuple[str, int] = await asyncio.gather(word(), queues())
    results: list[str | BaseException] = await asyncio.gather(
        *[word(), word()], return_exceptions=True
    )
    done, pending = await asyncio.wait([task], return_when=asyncio.FIRST_COMPLETED)
    for awaitable in asyncio.as_completed([task]):
        text: str = await awaitable
    text = await asyncio.wait_for(asyncio.shield(task), timeout=None)
    future: asyncio.Future[str] = asyncio.ensure_future(word())
    slept: int = await asyncio.sleep(0, 3)
    size: int = await asyncio.to_thread(len, text)
    current: asyncio.Task[object] | None = asyncio.current_task()
    everyone: set[asyncio.Task[object]] = asyncio.all_tasks()
    assert current in everyone and len(done) + len(pending) + slept + size and both[1]
    print(results)
    return [text, await future, both[0]]


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        line: bytes = await reader.readuntil(b'\\n')
    except asyncio.IncompleteReadError as exc:
        line = exc.partial
    writer.write(line)
    await writer.drain()
    peer: object = writer.get_extra_info('peername')
    print(peer)
    writer.close()
    await writer.wait_closed()


async def network(context: ssl.SSLContext) -> None:
    loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
    server: asyncio.Server = await asyncio.start_server(talk, 'localhost', 0, ssl=context)
    async with server:
        reader, writer = await asyncio.open_connection('localhost', 1)
        await talk(reader, writer)
    transport, protocol = await loop.create_connection(Echo, 'localhost', 1)
    transport.write(protocol.transport.get_extra_info('peername'))
    datagrams, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=('localhost', 0))
    datagrams.sendto(b'')
    with socket.socket() as sock:
        data: bytes = await loop.sock_recv(sock, 10)
        await loop.sock_sendall(sock, data)
    process: asyncio.subprocess.Process = await asyncio.create_subprocess_exec(
        'true', stdin=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    print(out)
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    size: int = await loop.run_in_executor(None, len, 'text')
    handle: asyncio.TimerHandle = loop.call_at(loop.time() + size, print)
    handle.cancel()


def factory(loop: asyncio.AbstractEventLoop, number: int) -> asyncio.Future[int]:
    future = loop.create_future()
    future.add_done_callback(lambda done: print(done.exception()))
    future.set_result(number)
    return future


loop: pyasync.EventLoop = pyasync.new_event_loop()
entries: list[Callable[[], Awaitable[object]]] = [primitives, queues, structure]
if sys.version_info >= (3, 12):
    loop.set_task_factory(asyncio.eager_task_factory)
if sys.version_info >= (3, 14):
    graph: asyncio.FutureCallGraph | None = asyncio.capture_call_graph(factory(loop, 1))
    asyncio.print_call_graph(factory(loop, 2))
if sys.version_info >= (3, 13):
    loop = asyncio.EventLoop()
with asyncio.Runner(debug=True, loop_factory=pyasync.EventLoop) as runner:
    words: list[str] = runner.run(structure())
held: bool = pyasync.run(primitives(), debug=False)
try:
    loop.run_until_complete(network(ssl.create_default_context()))
except (asyncio.CancelledError, asyncio.InvalidStateError, asyncio.TimeoutError):
    pyasync.install(accelerate=True)
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


@pytest.mark.parametrize(
    'program',
    [PROGRAM, SUBMODULES_PROGRAM, CLASSES_PROGRAM],
    ids=['package', 'submodules', 'classes'],
)
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


def test_every_module_that_can_be_imported_has_a_stub():
    names = {path.stem for path in PACKAGE.glob('*.py') if not re.match('_[^_]', path.name)}
    assert names <= {path.stem for path in PACKAGE.glob('*.pyi')}


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
