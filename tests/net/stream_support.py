"""What the tests of streams share: both kinds of classes, and a transport that only keeps count."""

from __future__ import annotations

import asyncio

import pytest
import support

NAMES = ['asyncio'] if support.STOCK_ONLY else ['asyncio', 'pyasync']

# Both kinds of streams, each on both kinds of loops: `streams` is the namespace that has them.
both_kinds_of_streams = pytest.mark.parametrize('kind_of_streams', NAMES)


@pytest.fixture
def streams(kind_of_streams):
    """asyncio, or pyasync: StreamReader and the others are its."""
    return support.implementation(kind_of_streams).module


class FakeTransport(asyncio.Transport):
    """Nobody's transport: keeps what it is asked for in self.calls."""

    def __init__(self, extra=None):
        super().__init__(extra)
        self.calls = []
        self.closing = False

    def __repr__(self):
        return '<FakeTransport>'

    def is_closing(self):
        return self.closing

    def close(self):
        self.calls.append('close')
        self.closing = True

    def abort(self):
        self.calls.append('abort')
        self.closing = True

    def write(self, data):
        self.calls.append(('write', bytes(data)))

    def writelines(self, list_of_data):
        self.calls.append(('writelines', list(list_of_data)))

    def write_eof(self):
        self.calls.append('write_eof')

    def can_write_eof(self):
        return True

    def pause_reading(self):
        self.calls.append('pause')

    def resume_reading(self):
        self.calls.append('resume')


def outcome(task):
    """What a task that is done came to, in a form that can be compared."""
    if task.cancelled():
        return 'cancelled'
    error = task.exception()
    if error is None:
        return task.result()
    details = [type(error).__name__, str(error)]
    details += [getattr(error, name, None) for name in ('partial', 'expected', 'consumed')]
    return (*details, error.__context__ and type(error.__context__).__name__)
