"""workers.py -- the parent's end of a contender's process: start it, ask it, survive its failures.

Invariants: a worker has at most one request under way; after a crash or a hang its process is gone,
and the next request starts another.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / 'worker.py'
START_TIMEOUT_S = 60


class Missing(Exception):
    """The contender can't be imported here."""


class Failed(Exception):
    """A benchmark gave no number; `kind` is "error", "crash" or "hang"."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Worker:
    """One contender's process. Started by the first request."""

    def __init__(self, contender: str, environment: dict[str, str] | None = None) -> None:
        self.contender = contender
        self.environment = environment or {}
        self.process: subprocess.Popen | None = None
        self.stderr = tempfile.TemporaryFile('w+')

    def version(self) -> str:
        """Start the process and return the contender's version. Raises Missing."""
        self.stop()
        self.stderr.truncate(0)
        # A session of its own: Ctrl-C is for the parent, which then ends the workers.
        self.process = subprocess.Popen(
            [sys.executable, '-X', 'faulthandler', str(SCRIPT), self.contender],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            env=os.environ | self.environment,
            start_new_session=True,
        )
        hello = self._reply(START_TIMEOUT_S)
        if 'missing' in hello:
            self.stop()
            raise Missing(hello['missing'])
        return hello['version']

    def ask(self, timeout_s: float, **request: object) -> dict:
        """Send a request and return the reply. Raises Failed."""
        if self.process is None:
            self.version()
        # A process that is gone shows in its reply.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + '\n')
            self.process.stdin.flush()
        reply = self._reply(timeout_s)
        if 'error' in reply:
            raise Failed('error', reply['error'])
        return reply

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def close(self) -> None:
        """End the process for good."""
        self.stop()
        self.stderr.close()

    def _reply(self, timeout_s: float) -> dict:
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            answered = selector.select(timeout_s)
        if not answered:
            self.stop()
            raise Failed('hang', f'no answer in {timeout_s:.0f} s')
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.stop()
            raise Failed('crash', f'{_exit_text(status)}{self._last_words()}')
        return json.loads(line)

    def _last_words(self) -> str:
        """Where Python code was when the process crashed, or the end of what it printed."""
        self.stderr.seek(0)
        lines = [line.strip() for line in self.stderr if line.strip()]
        where = [line for line in lines if line.startswith('File ')]
        return ''.join(f'; {line}' for line in where[:1] or lines[-1:])


def _exit_text(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f'exit status {status}'
