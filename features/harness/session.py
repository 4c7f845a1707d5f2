"""session.py -- runs probes in child processes and says how each contender compares with stock.

One child runs many probes. A probe that crashes or hangs ends its child, and the next child goes
on behind it. What is not as stock's is run once more, in a process of its own: that one counts.
Where ours still differs, stock is run once more, too: what it tells then is as good.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import selectors
import signal
import subprocess
import sys
import time

from . import contenders

CHILD = pathlib.Path(__file__).with_name('child.py')
WORDS = re.compile(
    r'^((?:raised|UNCAUGHT|warning|unraisable|in a thread) [\w.]+|log [A-Z]+|lost \w+|error \w+).*'
)
MISSING = ('NotImplementedError', 'AttributeError', 'unexpected keyword', 'has no attribute')


class Session:
    """Session(hang_s, jobs): what was told by whom is kept in told[contender][row].

    A probe hangs that takes hang_s seconds; stock and ours have ten times as long, for a
    busy machine.
    """

    def __init__(self, hang_s=15, jobs=2):
        self.hang_s = hang_s
        self.jobs = jobs
        self.told = {}
        self.told_again = {}  # row: by stock

    def run(self, names, rows):
        """Run the rows under stock and the contenders of those names."""
        rows = list(rows)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            wanted = (contenders.STOCK, *names)
            self.told = dict(
                zip(wanted, pool.map(self._run_batch, wanted, [rows] * len(wanted)), strict=True)
            )
            again = [
                (name, row)
                for name in names
                for row in rows
                if self.told[name][row] != self.told[contenders.STOCK][row]
                and self.told[name][row] != ['HANG']
            ]
            for (name, row), told in zip(again, pool.map(self._run_alone, again), strict=True):
                self.told[name][row] = told
            rows = {
                row: (contenders.STOCK, row)
                for name, row in again
                if name in contenders.OURS
                and self.told[name][row] != self.told[contenders.STOCK][row]
            }
            self.told_again = dict(zip(rows, pool.map(self._run_alone, rows.values()), strict=True))

    def compare(self, name, row):
        """(state, note) of a contender's row: same, words, differs, missing, crash or hang.

        Words: all but the text of messages is the same.
        """
        stock = self.told[contenders.STOCK][row]
        told = self.told[name][row]
        if told in (stock, self.told_again.get(row)):
            return 'same', ''
        if told == ['HANG']:
            return 'hang', ''
        if told[:1] == ['CRASH']:
            return 'crash', told[1]
        expected, seen = _first_difference(stock, told)
        # What ended the probe says more than what was left out before.
        ended = [line for line in told if line.startswith('UNCAUGHT')]
        if ended:
            seen = ended[0].removeprefix('UNCAUGHT ')
            expected = None
        if [WORDS.sub(r'\1', line) for line in stock] == [WORDS.sub(r'\1', line) for line in told]:
            return 'words', f'{seen}, not: {expected}'
        for word in MISSING:
            if word in (seen or '') and word not in (expected or ''):
                return 'missing', seen
        if ended:
            return 'differs', seen
        return 'differs', f'{seen or "nothing"}, not: {expected or "nothing"}'

    def _run_alone(self, job):
        name, row = job
        return self._run_batch(name, [row])[row]

    def _run_batch(self, name, rows):
        told, left = {}, list(rows)
        while left:
            told.update(self._run_child(name, left))
            left = [row for row in left if row not in told]
        return told

    def _run_child(self, name, rows):
        """What the rows told, as far as the child got; at least one of them."""
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE='1')
        for variable in ('PYTHONASYNCIODEBUG', 'PYTHONDEVMODE', 'PYTHONWARNINGS'):
            environment.pop(variable, None)
        child = subprocess.Popen(
            [sys.executable, '-P', CHILD, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            child.stdin.write(json.dumps(rows).encode())
            child.stdin.close()
            patience = 1 if name in contenders.PEERS else 10
            told, begun, ended = self._read(child, self.hang_s * patience)
        finally:
            kill(child)
        if begun is None and not told:
            raise RuntimeError(f'{name}: the child process does not start')
        if begun is not None:
            if not ended:
                told[begun] = ['HANG']
            else:
                status = child.returncode
                how = signal.Signals(-status).name if status < 0 else f'exit status {status}'
                told[begun] = ['CRASH', how]
        return told

    def _read(self, child, hang_s):
        """(told, the row in which it stopped or None, whether the child has ended)."""
        told, begun, pending = {}, None, b''
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + hang_s
            while selector.select(max(0, deadline - time.monotonic())):
                data = os.read(child.stdout.fileno(), 65536)
                if not data:
                    child.wait()
                    return told, begun, True
                *lines, pending = (pending + data).split(b'\n')
                for line in map(json.loads, lines):
                    begun = line.get('begin')
                    if begun is None:
                        told[line['end']] = line['told']
                deadline = time.monotonic() + hang_s
        return told, begun, False


def kill(child):
    """End a child and what it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.stdout.close()
    child.wait()


def _first_difference(stock, told):
    for i in range(max(len(stock), len(told))):
        expected = stock[i] if i < len(stock) else None
        seen = told[i] if i < len(told) else None
        if expected != seen:
            return expected, seen
    return None, None
