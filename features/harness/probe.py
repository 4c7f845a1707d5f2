"""probe.py -- what a probe is, and what it is given: a Teller.

A probe is a small function, or coroutine function, that uses one feature and tells what a program
would see of it: results, their order, exceptions with their messages, reprs. Warnings, what is
logged, and errors that nobody can catch are told by themselves. Whatever differs from run to run
(addresses, ports, numbers of tasks) is taken out of the text.
"""

import contextlib
import dataclasses
import inspect
import re
import sys
import threading
import warnings
from collections.abc import Callable

PROBES = {}  # row: Probe, in the order of the table


@dataclasses.dataclass(frozen=True)
class Probe:
    """A row of the table, and the function that fills it."""

    row: str
    function: Callable
    group: str
    test: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] | None = None  # the first version without it
    covers: tuple[str, ...] = ()  # names of the public surface beside those in the row
    named: str | None = None  # words of the difference, in docs/compatibility.md, that it shows

    def exists(self, version=sys.version_info):
        """Whether asyncio of that version has the feature."""
        return self.since <= version[:2] and (self.until is None or version[:2] < self.until)


class Group:
    """A section of the table: the decorator of its probes, with the test that goes deeper."""

    def __init__(self, title, test):
        self.title = title
        self.test = test

    def __call__(self, row, *, test=None, **kwargs):
        def register(function):
            assert row not in PROBES, row
            PROBES[row] = Probe(row, function, self.title, test or self.test, **kwargs)
            return function

        return register


_REPLACED = [
    (re.compile(pattern), by)
    for pattern, by in (
        (r' at 0x[0-9a-f]+', ''),
        (r'0x[0-9a-f]{6,}', '0x'),
        (r'\bpyasync\.(?=[a-z]+\.[A-Z])', 'asyncio.'),  # a row of its own tells these
        (r'\bTask-\d+', 'Task-N'),
        (r'\bfd=\d+', 'fd=N'),
        (r'\bdescriptor \d+', 'descriptor N'),
        (r"\('(127\.0\.0\.1|::1)', \d+", r"('\1', PORT"),
        (r'<[\w.]+ (running=\w+ closed=\w+ debug=\w+)>', r'<loop \1>'),
        (r'/(?:[^/\s\'">]+/)+', ''),  # directories
        (r'\b\d+\.\d{3} seconds', 'S seconds'),
        (r'\b(?:when|deadline)=[\d.]+', 'when=T'),
        (r'\bFileIO name=\d+', 'FileIO name=N'),
        (r'\bsubprocess \d+', 'subprocess N'),
        (r'\bpid:?[ =]?\d+|<Process \d+>', 'pid'),
    )
]


def plain(value):
    """A value as the text of the table: no addresses, no numbers that change."""
    if isinstance(value, BaseException):
        text = f'{type(value).__name__}: {value}'
        if isinstance(value, BaseExceptionGroup):
            text += f' {[plain(inner) for inner in value.exceptions]}'
    else:
        text = value if isinstance(value, str) else repr(value)
    for pattern, by in _REPLACED:
        text = pattern.sub(by, text)
    return text


class Teller:
    """What a probe is given: the implementation, and the list that it tells to."""

    def __init__(self, aio, factory):
        self.aio = aio
        self.factory = factory
        self.told = []
        self.loop = None  # a coroutine's own loop
        self._loops = []

    def tell(self, *values):
        """Add a line."""
        self.told.append(' '.join(map(plain, values)))

    @contextlib.contextmanager
    def raised(self):
        """Tell the exception that ends the block, or that there was none."""
        try:
            yield
        except BaseException as error:
            self.tell('raised', error)
        else:
            self.tell('raised nothing')

    def new_loop(self):
        """A loop of the implementation, closed after the probe."""
        loop = self.factory()
        self._loops.append(loop)
        return loop

    def runner(self, **kwargs):
        """The namespace's Runner, with a loop of the implementation."""
        return self.aio.Runner(loop_factory=self.factory, **kwargs)

    def run(self, coroutine, **kwargs):
        """asyncio.run() on such a loop, on every version."""
        with self.runner(**kwargs) as runner:
            return runner.run(coroutine)

    def close(self):
        """Close the loops that the probe has left open."""
        for loop in self._loops:
            try:
                if not loop.is_closed():
                    loop.close()
            except Exception as error:
                self.tell('UNCAUGHT at the end', error)
        self._loops.clear()


class _Watch:
    """Tells what reaches logging and the interpreter's last hooks."""

    def __init__(self, teller):
        self.teller = teller

    def emit(self, record):
        told = ['log', record.levelname, record.getMessage().split('\n')[0]]
        if record.exc_info and record.exc_info[1]:
            told.append(record.exc_info[1])
        self.teller.tell(*told)

    def unraisable(self, args):
        self.teller.tell('unraisable', args.exc_value)

    def in_thread(self, args):
        self.teller.tell('in a thread', args.exc_value)


def perform(probe, aio, factory, handler, collect):
    """Run one probe; the list of lines that it told."""
    teller = Teller(aio, factory)
    watch = _Watch(teller)
    handler.emit = watch.emit
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = watch.unraisable, watch.in_thread
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            try:
                if inspect.iscoroutinefunction(probe.function):
                    _perform_coroutine(probe, teller)
                else:
                    probe.function(teller)
            except BaseException as error:
                teller.tell('UNCAUGHT', error)
            teller.close()
            collect()
        for warning in caught:
            told = str(warning.message).split('\n')
            # Of the traceback of an origin: the program's own line.
            teller.tell('warning', warning.category.__name__, told[0], *told[1:][-1:])
    finally:
        sys.unraisablehook, threading.excepthook = hooks
    return teller.told


async def nothing(t):
    """What a contender tells when nothing is asked of it is no part of any feature."""
    await t.loop.run_in_executor(None, int)


NOTHING = Probe('', nothing, '', '')


def _perform_coroutine(probe, teller):
    loop = teller.loop = teller.new_loop()
    teller.aio.set_event_loop(None)
    try:
        loop.run_until_complete(probe.function(teller))
    finally:
        for task in (left := teller.aio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(teller.aio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
