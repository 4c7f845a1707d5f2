"""services.py -- database servers that a benchmark's clients talk to, on 127.0.0.1.

One of each kind is started when it is first needed and serves all that is measured in this process.
Its shell ends it as soon as this process is gone, however that came about.
"""

import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from harness.affinity import one_cpu

# Runs a command until its own input ends, then removes the directory.
KEEPER = """\
directory=$1; shift
"$@" >"$directory/log" 2>&1 &
cat >/dev/null
kill -INT $!
wait
rm -rf "$directory"
"""
POSTGRES = ('initdb', 'postgres')
REDIS = ('redis-server',)
START_TIMEOUT_S = 20
# As both kinds log it, but for the first letter.
READY = 'eady to accept connections'


def _free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def _keep(directory, command, **options):
    """Start it, away from the clients' CPU; returns once it says that it is ready."""
    with one_cpu(max):
        keeper = subprocess.Popen(
            ['sh', '-c', KEEPER, 'sh', directory, *command],
            stdin=subprocess.PIPE,
            env=os.environ | {'LC_ALL': 'C'},
            cwd=directory,
            **options,
        )
    _keepers.append(keeper)  # its input ends with this process
    log = Path(directory, 'log')
    end = time.monotonic() + START_TIMEOUT_S
    while not log.exists() or READY not in log.read_text():
        if time.monotonic() > end:
            raise RuntimeError(f'{command[0]} did not start')
        time.sleep(0.02)


_keepers = []


def _unprivileged():
    """PostgreSQL refuses to run as root: the options to run it as its own user."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam('postgres')
    return {'user': user.pw_uid, 'group': user.pw_gid, 'extra_groups': []}


@functools.cache
def postgres():
    """The port of a PostgreSQL server with the user `postgres` and no password."""
    directory = tempfile.mkdtemp(prefix='pyasync-benchmarks-')
    options = _unprivileged()
    if options:
        os.chown(directory, options['user'], options['group'])
    data = f'{directory}/data'
    initialize = ['initdb', '--pgdata', data, '--username=postgres', '--auth=trust', '--no-sync']
    subprocess.run(initialize, check=True, capture_output=True, cwd=directory, **options)
    port = _free_port()
    settings = ('fsync=off', 'listen_addresses=127.0.0.1', f'unix_socket_directories={directory}')
    command = ['postgres', '-D', data, '-p', str(port)]
    for setting in settings:
        command += ['-c', setting]
    _keep(directory, command, **options)
    return port


@functools.cache
def redis():
    """The port of a Redis server."""
    directory = tempfile.mkdtemp(prefix='pyasync-benchmarks-')
    port = _free_port()
    command = [shutil.which('redis-server'), '--bind', '127.0.0.1', '--port', str(port)]
    command += ['--save', '', '--appendonly', 'no', '--dir', directory]
    _keep(directory, command)
    return port
