"""The examples of docs/scaling-out.md: services and a cluster of several processes each."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

import pytest
import support

EXAMPLES = support.ROOT / 'examples'
LOOPS = {False: 'asyncio.unix_events._UnixSelectorEventLoop', True: 'pyasync._loop.EventLoop'}


@contextlib.contextmanager
def started(*command):
    """A process that writes lines; killed with its children, which are of its session, at last."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env=support.script_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=EXAMPLES,
        bufsize=0,  # what has come is in the pipe, for select()
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def lines_until(process, pattern, count=1):
    """Read what it writes until `count` lines match; answers their groups."""
    found, seen = [], []
    while len(found) < count:
        assert select.select([process.stdout], [], [], support.LIMIT)[0], f'hangs after {seen}'
        line = process.stdout.readline().decode()
        assert line, f'ended after {seen}'
        seen.append(line)
        found += [match.groups() for match in [re.search(pattern, line)] if match]
    return found


def needs(*names):
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f'not installed: {", ".join(absent)}')


def ends_well(process):
    out, _ = process.communicate(timeout=support.LIMIT)
    assert process.returncode == 0, out.decode()
    assert 'Traceback' not in out.decode(), out.decode()
    return out.decode()


# ------------------------------------------------------------------ SO_REUSEPORT


def ask(port):
    """(process id, class of the loop) of the worker that a new connection comes to."""
    with socket.create_connection(('127.0.0.1', port), 60) as sock:
        sock.sendall(b'who\n')
        pid, kind = sock.makefile().readline().split()
    return int(pid), kind


def workers_of(ask, port, pids):
    """Ask until each of them has answered; answers the classes of their loops."""
    seen = {}
    for _ in range(10_000):
        pid, kind = ask(port)
        seen[pid] = kind
        if set(pids) <= set(seen):
            return set(seen.values())
    raise AssertionError(f'{seen} of {pids}')


def start_reuse_port(impl, workers):
    way = ['-m', 'pyasync'] if impl.ours else []
    return started(*way, 'reuse_port.py', '--workers', str(workers))


def port_and_pids(process, workers):
    [(port,)] = lines_until(process, r'^port (\d+)$')
    pids = lines_until(process, r'^worker (\d+) serves$', workers)
    return int(port), [int(pid) for (pid,) in pids]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_reuse_port(impl, number):
    with start_reuse_port(impl, 2) as process:
        port, pids = port_and_pids(process, 2)
        assert workers_of(ask, port, pids) == {LOOPS[impl.ours]}
        with socket.create_connection(('127.0.0.1', port), 60) as sock:
            # One that is open when the service is to end is served to its end.
            answers = sock.makefile()
            sock.sendall(b'who\n')
            pid = answers.readline().split()[0]
            os.killpg(process.pid, number)  # as a terminal does
            ending = dict(lines_until(process, r'^worker (\d+) ends, open connections: (\d)$', 2))
            assert ending.keys() == set(map(str, pids))
            assert ending[pid] == '1'
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(('127.0.0.1', port), 60)
            sock.sendall(b'who\n')
            assert answers.readline().split()[0] == pid
            answers.close()
        assert ends_well(process).endswith('ended\n')


def test_reuse_port_starts_dead_workers_again(impl):
    with start_reuse_port(impl, 2) as process:
        port, pids = port_and_pids(process, 2)
        os.kill(pids[0], signal.SIGKILL)
        assert lines_until(process, r'^worker (\d+) died: (-\d+)$') == [(str(pids[0]), '-9')]
        [(pid,)] = lines_until(process, r'^worker (\d+) serves$')
        assert workers_of(ask, port, [int(pid), pids[1]]) == {LOOPS[impl.ours]}
        process.terminate()
        ends_well(process)


def test_reuse_port_workers_end_with_their_parent(impl):
    with start_reuse_port(impl, 2) as process:
        port_and_pids(process, 2)
        process.kill()
        # Its output ends when the last of them has.
        process.communicate(timeout=support.LIMIT)


# ------------------------------------------------------------------ ASGI workers


def connect(port):
    """A connection; uvicorn says that it has started before its workers listen."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(('127.0.0.1', port), 60)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


def get(port):
    with connect(port) as sock:
        sock.sendall(b'GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
        answer = b''.join(iter(lambda: sock.recv(4096), b''))
    pid, kind = answer.decode().split('\r\n\r\n')[1].split()
    return int(pid), kind


@contextlib.contextmanager
def reserved_port():
    """A port that nobody else is given meanwhile; a server that sets SO_REUSEADDR can bind it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('127.0.0.1', 0))
        yield sock.getsockname()[1]


def test_uvicorn_workers():
    needs('uvicorn')
    command = ['-m', 'uvicorn', '--app-dir', '.', '--loop', 'pyasync:new_event_loop']
    with (
        reserved_port() as port,
        started(*command, '--workers', '2', '--port', str(port), 'asgi_workers:app') as process,
    ):
        found = lines_until(process, r'Started server process \[(\d+)\]', 2)
        lines_until(process, r'Application startup complete', 1)
        pids = [int(pid) for (pid,) in found]
        assert workers_of(get, port, pids) == {LOOPS[True]}
        process.terminate()
        ends_well(process)


GUNICORN = {
    'our worker class': [
        ['-m', 'gunicorn', '--worker-class', 'asgi_workers.Worker'],
        ['uvicorn_worker'],
    ],
    'its own ASGI worker': [
        ['-m', 'pyasync', '-m', 'gunicorn', '--worker-class', 'asgi', '--asgi-loop', 'asyncio'],
        [],
    ],
}


@pytest.mark.parametrize('way', GUNICORN)
def test_gunicorn_workers(way):
    [*command], needed = GUNICORN[way]
    needs('gunicorn', *needed)
    command += ['--workers', '2', '--no-control-socket']
    with (
        reserved_port() as port,
        started(*command, '--bind', f'127.0.0.1:{port}', 'asgi_workers:app') as process,
    ):
        found = lines_until(process, r'Booting worker with pid: (\d+)', 2)
        pids = [int(pid) for (pid,) in found]
        assert workers_of(get, port, pids) == {LOOPS[True]}
        process.terminate()
        ends_well(process)


# ------------------------------------------------------------------ Dask


def dask_example(*command):
    needs('distributed')
    done = subprocess.run(
        [sys.executable, *command],
        env=support.script_environment(),
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=support.LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dask_cluster(impl):
    way = ['-m', 'pyasync'] if impl.ours else []
    assert dask_example(*way, 'dask_cluster.py', '--tasks', '100') == [
        'the cluster runs on the loop of this program: yes',
        'sum of 100 squares: 328350',
        'sum of 32 arrays: 17195597824',
    ]


def test_dask_clusters_compared():
    out = dask_example('dask_cluster.py', '--compare', '--rounds', '1', '--tasks', '10')
    assert out[:3] == [
        f'asyncio: {LOOPS[False]}',
        f'pyasync: {LOOPS[True]}',
        'equal results: [285, 17195597824]',
    ]
