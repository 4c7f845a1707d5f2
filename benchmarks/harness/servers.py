"""servers.py -- starts database servers on 127.0.0.1, with their data in a temporary directory.

The benchmarks use them (services.py) and the tests of libraries (tests/compat), which load this
file alone. A server's shell ends it as soon as the process that started it is gone,
however that came about.
"""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Runs a command until its own input ends, then removes the directory.
KEEPER = """\
directory=$1; signal=$2; shift 2
"$@" >"$directory/log" 2>&1 </dev/null &
cat >/dev/null
kill -$signal $!
wait
rm -rf "$directory"
"""
POSTGRES = ('initdb', 'postgres')
REDIS = ('redis-server',)
MARIADB = ('mariadb-install-db', 'mariadbd')
# Where Debian puts what is no command of every user.
PLACES = ('/usr/lib/postgresql/*/bin', '/usr/local/sbin', '/usr/sbin')
START_TIMEOUT_S = 60


def find(program: str) -> str | None:
    """Where that program is: on the PATH, or where systems keep servers."""
    places = [place for pattern in PLACES for place in sorted(glob.glob(pattern), reverse=True)]
    path = os.pathsep.join([os.environ.get('PATH', os.defpath), *places])
    return shutil.which(program, path=path)


class Server:
    """A server that runs: its port on 127.0.0.1, its directory, and stop().

    With privileges it is run by `nobody`: PostgreSQL refuses to run as root, and MariaDB warns.
    """

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix='pyasync-')
        self.options = {'cwd': self.directory, 'env': os.environ | {'LC_ALL': 'C'}}
        if os.geteuid() == 0:
            user = pwd.getpwnam('nobody')
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.options |= {'user': user.pw_uid, 'group': user.pw_gid, 'extra_groups': []}
        # Never listening, it keeps others from being given the port; servers set SO_REUSEADDR too.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(('127.0.0.1', 0))
        self.port = self._reserved.getsockname()[1]

    def run(self, program: str, *arguments: str, given: str = '') -> None:
        """Run a program that prepares the directory, with what its input gives it."""
        command = [find(program), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, **self.options)
        if done.returncode:
            raise RuntimeError(f'{program} failed: {done.stdout}{done.stderr}')

    def start(self, program: str, *arguments: str, ready: str, signal: str) -> None:
        """Start the server; returns once its log has the words by which it is ready.

        It is ended by that signal: the fastest, as its data are not kept.
        """
        command = ['sh', '-c', KEEPER, 'sh', self.directory, signal, find(program), *arguments]
        self.keeper = subprocess.Popen(command, stdin=subprocess.PIPE, **self.options)
        log = Path(self.directory, 'log')
        end = time.monotonic() + START_TIMEOUT_S
        while not log.exists() or ready not in log.read_text(errors='replace'):
            if time.monotonic() > end:
                said = log.read_text(errors='replace') if log.exists() else 'nothing'
                self.stop()
                raise RuntimeError(f'{program} did not start, its log says: {said}')
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and remove its directory."""
        self.keeper.stdin.close()
        self.keeper.wait()
        self._reserved.close()


def postgres(certificate: str | None = None) -> Server:
    """A PostgreSQL server with the user `postgres` and no password.

    It speaks TLS as well where it is given a PEM file with its certificate and key.
    """
    server = Server()
    data = f'{server.directory}/data'
    kind = ('--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-sync')
    server.run('initdb', f'--pgdata={data}', *kind)
    settings = [
        'fsync=off',
        'listen_addresses=127.0.0.1',
        f'unix_socket_directories={server.directory}',
    ]
    if certificate:
        # A copy that is the server's own, as it insists.
        pem = Path(certificate).read_text()
        server.run('sh', '-c', 'umask 077; cat >server.pem', given=pem)
        settings += ['ssl=on']
        settings += [f'ssl_{kind}_file={server.directory}/server.pem' for kind in ('cert', 'key')]
    options = [part for setting in settings for part in ('-c', setting)]
    ready = 'ready to accept connections'
    where = ('-D', data, '-p', str(server.port))
    server.start('postgres', *where, *options, ready=ready, signal='QUIT')
    return server


def redis() -> Server:
    """A Redis server."""
    server = Server()
    where = ('--bind', '127.0.0.1', '--port', str(server.port), '--dir', server.directory)
    memory = ('--save', '', '--appendonly', 'no')
    ready = 'Ready to accept connections'
    server.start('redis-server', *where, *memory, ready=ready, signal='KILL')
    return server


def mariadb() -> Server:
    """A MariaDB server with the user `root` and no password."""
    server = Server()
    data = ('--no-defaults', f'--datadir={server.directory}/data')
    server.run(
        'mariadb-install-db', *data, '--auth-root-authentication-method=normal', '--skip-test-db'
    )
    where = ('--bind-address=127.0.0.1', f'--port={server.port}')
    where += (f'--socket={server.directory}/socket', f'--pid-file={server.directory}/pid')
    cheap = ('--innodb-flush-log-at-trx-commit=0', '--innodb-flush-method=nosync')
    ready = 'ready for connections'
    server.start('mariadbd', *data, *where, *cheap, ready=ready, signal='KILL')
    return server
