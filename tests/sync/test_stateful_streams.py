"""Streams: a reader that is fed, a writer that is paused and lost; random schedules as on stock."""

from __future__ import annotations

import sys

from sync.schedules import Scenario, check_same, plain

CHUNKS = (b'', b'a', b'bc', b'\n', b'd\ne', b'\r\n', b'longer than the limit', b'\n\n', b';')
SEPARATORS = (b'\n', b'\r\n', b';', b'', b'\n\n')
if sys.version_info >= (3, 13):
    SEPARATORS += ((b'\n', b'\r\n'), (b'e\r\n', b';'), (), (b'',))
SIZES = (1, 2, 5, 0, -1, 30)
ERRORS = (None, ConnectionResetError, ValueError)


class FakeTransport:
    """Tells what is asked of it."""

    def __init__(self, scenario, can_pause):
        self.calls = []
        self.closing = False
        if can_pause:
            self.pause_reading = lambda: self.calls.append('pause')
            self.resume_reading = lambda: self.calls.append('resume')

    def pause_reading(self):
        raise NotImplementedError

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.calls.append(bytes(data))

    def writelines(self, data):
        self.calls.append(list(data))

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.calls.append('eof')

    def is_closing(self):
        return self.closing

    def close(self):
        self.calls.append('close')
        self.closing = True

    def __repr__(self):
        return '<transport>'


class Streams(Scenario):
    def make(self, limit, can_pause):
        self.reader = self.asyncio.StreamReader(limit=limit, loop=self.loop)
        self.protocol = self.asyncio.StreamReaderProtocol(self.reader, loop=self.loop)
        self.transport = FakeTransport(self, can_pause)
        self.protocol.connection_made(self.transport)
        self.writer = self.asyncio.StreamWriter(
            self.transport, self.protocol, self.reader, self.loop
        )
        self.is_lost = False
        for name in ('read', 'readexactly', 'readuntil', 'readline'):
            setattr(self, name, getattr(self.reader, name))
        for name in ('write', 'writelines', 'write_eof', 'drain', 'close', 'wait_closed'):
            setattr(self, name, getattr(self.writer, name))

    def look(self):
        reader = self.reader
        return (
            plain(repr(reader)),
            plain(repr(self.writer)),
            bytes(reader._buffer),
            reader.at_eof(),
            reader._paused,
            repr(reader.exception()),
            self.writer.is_closing(),
            self.transport.calls[:],
        )

    async def next_line(self):
        async for line in self.reader:
            return line

    def feed(self, chunk):
        self.protocol.data_received(chunk)

    def feed_eof(self):
        return self.protocol.eof_received()

    def pause_writing(self):
        self.protocol.pause_writing()

    def resume_writing(self):
        self.protocol.resume_writing()

    def lose(self, kind):
        if not self.is_lost:
            self.is_lost = True
            self.protocol.connection_lost(kind and kind('lost'))

    def end(self):
        self.writer.close()

    def set_exception(self, kind):
        self.reader.set_exception((kind or KeyError)('set'))


READING = [
    ('read', SIZES),
    ('readexactly', SIZES),
    ('readline',),
    ('readuntil', SEPARATORS),
    ('next_line',),
]
WRITING = [('drain',)] * 4 + [('wait_closed',)]
AT_ONCE = [
    *[('feed', CHUNKS)] * 12,
    *[('pause_writing',), ('resume_writing',)] * 2,
    ('write', CHUNKS),
    ('writelines', (CHUNKS,)),
    ('write_eof',),
    ('close',),
    ('feed_eof',),
    ('lose', ERRORS),
    ('set_exception', ERRORS),
]


def test_reading():
    check_same(Streams, READING, AT_ONCE, arguments=[(8, 2, 2**16), (True, False)])


def test_writing():
    at_once = [operation for operation in AT_ONCE if operation[0] != 'feed']
    check_same(Streams, WRITING, at_once, arguments=[(2**16,), (True,)])
