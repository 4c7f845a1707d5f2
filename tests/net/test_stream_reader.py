"""StreamReader: feeding, every way of reading, limits, and who may look at the buffer."""

from __future__ import annotations

import asyncio
import sys

import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st
from net.stream_support import FakeTransport, both_kinds_of_streams, outcome, streams
from net.support import iterations

__all__ = ['streams']  # a fixture

TAKES_TUPLES = sys.version_info >= (3, 13)

pytestmark = both_kinds_of_streams


@pytest.fixture
def reader(streams, loop):
    """A reader with a limit of 8 bytes and a transport that counts."""
    reader = streams.StreamReader(limit=8, loop=loop)
    reader.set_transport(FakeTransport())
    return reader


async def parked(coroutine):
    """A task of it that has begun to wait."""
    task = asyncio.create_task(coroutine)
    await iterations()
    assert not task.done()
    return task


class TestReady:
    """What is there is given at once: the loop does not come by."""

    @staticmethod
    def now(coroutine):
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        return stop.value.value

    @pytest.mark.parametrize('size, left', [(1, b'bcdef'), (3, b'def'), (6, b''), (9, b'')])
    def test_read(self, reader, size, left):
        reader.feed_data(b'abcdef')
        assert self.now(reader.read(size)) == b'abcdef'[:size]
        assert reader._buffer == left

    @pytest.mark.parametrize('size', [0, 1, 5, 6])
    def test_readexactly(self, reader, size):
        reader.feed_data(b'abc')
        reader.feed_data(b'def')
        data = self.now(reader.readexactly(n=size))
        assert type(data) is bytes
        assert data == b'abcdef'[:size]

    def test_lines(self, reader):
        reader.feed_data(b'one\ntwo\n\nend')
        reader.feed_eof()
        lines = [self.now(reader.readline()) for _ in range(5)]
        assert lines == [b'one\n', b'two\n', b'\n', b'end', b'']
        assert reader.at_eof()

    def test_readuntil(self, reader):
        reader.feed_data(b'one--two--')
        assert self.now(reader.readuntil(b'--')) == b'one--'
        assert self.now(reader.readuntil(separator=b'o-')) == b'two-'

    def test_all_of_what_was_fed_as_it_is(self, reader):
        for data in (b'abc', bytearray(b'abc'), memoryview(b'abc'), [97, 98, 99]):
            reader.feed_data(data)
            assert self.now(reader.read(100)) == b'abc'

    def test_empty_data_is_nothing(self, reader):
        for data in (b'', bytearray(), []):
            reader.feed_data(data)
        assert not reader.at_eof()
        assert reader._buffer == b''

    def test_what_was_fed_may_change_afterwards(self, reader):
        data = bytearray(b'abc')
        reader.feed_data(data)
        data[:] = b'xyz'
        assert self.now(reader.read(3)) == b'abc'

    def test_bytes_that_were_handed_out_stay(self, reader):
        first = b'a' * 20_000
        reader.feed_data(first)
        reader.feed_data(b'b' * 20_000)
        taken = self.now(reader.readexactly(20_000))
        reader.feed_data(b'c' * 20_000)
        rest = self.now(reader.read(100_000))
        assert (taken, rest) == (first, b'b' * 20_000 + b'c' * 20_000)
        assert hash(rest) == hash(b'b' * 20_000 + b'c' * 20_000)


class TestWaiting:
    @pytest.mark.parametrize(
        'method, args, result',
        [
            ('read', (3,), b'ab'),
            ('readexactly', (4,), b'ab\nc'),
            ('readline', (), b'ab\n'),
            ('readuntil', (b'\nc',), b'ab\nc'),
            ('read', (-1,), b'ab\ncd'),
            ('__anext__', (), b'ab\n'),
        ],
    )
    async def test_pieces(self, loop, reader, method, args, result):
        task = await parked(getattr(reader, method)(*args))
        for piece in (b'ab', b'\n', b'c', b'd'):
            reader.feed_data(piece)
            await iterations()
        reader.feed_eof()
        assert await task == result
        assert reader._waiter is None

    async def test_a_waiter_is_a_future_of_the_loop(self, loop, reader):
        task = await parked(reader.read(1))
        assert asyncio.isfuture(reader._waiter)
        assert repr(reader).startswith('<StreamReader limit=8 waiter=<Future pending')
        reader.feed_data(b'x')
        assert reader._waiter is None
        assert await task == b'x'

    @pytest.mark.parametrize(
        'method, name',
        [('read', 'read'), ('readline', 'readuntil'), ('readuntil', 'readuntil')],
    )
    async def test_one_at_a_time(self, loop, reader, method, name):
        task = await parked(reader.readexactly(1))
        with pytest.raises(RuntimeError) as error:
            await getattr(reader, method)()
        assert str(error.value) == (
            f'{name}() called while another coroutine is already waiting for incoming data'
        )
        reader.feed_data(b'x')
        await task

    @pytest.mark.parametrize('method', ['read', 'readline', 'readuntil', '__anext__'])
    async def test_cancelled_in_the_middle(self, loop, reader, method):
        task = await parked(getattr(reader, method)())
        task.cancel('why')
        with pytest.raises(asyncio.CancelledError):
            await task
        assert reader._waiter is None
        reader.feed_data(b'x\n')
        assert await reader.readline() == b'x\n'

    async def test_cancelled_after_it_was_woken(self, loop, reader):
        task = await parked(reader.readexactly(1))
        reader.feed_data(b'xy')
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await reader.read(2) == b'xy'

    async def test_read_to_the_end_loses_its_blocks_when_cancelled(self, loop, reader):
        task = await parked(reader.read())
        reader.feed_data(b'abc')
        await iterations()
        task.cancel()
        await asyncio.wait([task])
        reader.feed_data(b'd')
        assert await reader.read(9) == b'd'

    async def test_data_that_somebody_else_took(self, loop, reader):
        task = await parked(reader.read(5))
        reader.feed_data(b'abc')
        reader._buffer.clear()
        assert await task == b''

    async def test_a_reader_that_is_dropped(self, loop, reader):
        coroutine = reader.read(1)
        coroutine.send(None)
        assert reader._waiter is not None
        coroutine.close()
        assert reader._waiter is None

    async def test_the_waiter_is_set_by_hand(self, loop, reader):
        reader._waiter = loop.create_future()
        with pytest.raises(RuntimeError):
            await reader.read(1)
        reader.feed_data(b'x')
        assert reader._waiter is None


class TestEnd:
    async def test_incomplete(self, loop, reader):
        reader.feed_data(b'abc')
        reader.feed_eof()
        for wanted, expected in ((reader.readexactly(4), 4), (reader.readuntil(), None)):
            with pytest.raises(asyncio.IncompleteReadError) as error:
                await wanted
            assert (error.value.partial, error.value.expected) == (b'abc', expected)
            assert reader._buffer == b''
            reader._eof = False
            reader.feed_data(b'abc')
            reader.feed_eof()

    async def test_end_while_waiting(self, loop, reader):
        tasks = []
        for coroutine in (reader.read(1), reader.readline(), reader.read()):
            tasks.append(await parked(coroutine))
            reader.feed_eof()
            await iterations()
            reader._eof = False
        assert [await task for task in tasks] == [b'', b'', b'']

    def test_data_after_the_end(self, reader):
        reader.feed_eof()
        with pytest.raises(AssertionError, match='feed_data after feed_eof'):
            reader.feed_data(b'x')

    async def test_iteration(self, loop, reader):
        reader.feed_data(b'a\nb\nc')
        reader.feed_eof()
        assert [line async for line in reader] == [b'a\n', b'b\n', b'c']
        with pytest.raises(StopAsyncIteration):
            await reader.__anext__()


class TestException:
    @pytest.mark.parametrize('method', ['read', 'readline', 'readuntil', '__anext__'])
    async def test_before(self, loop, reader, method):
        error = ValueError('broken')
        reader.feed_data(b'a\n')
        reader.set_exception(error)
        assert reader.exception() is error
        with pytest.raises(ValueError) as raised:
            await getattr(reader, method)()
        assert raised.value is error

    @pytest.mark.parametrize('method', ['read', 'readline', 'readuntil'])
    async def test_while_waiting(self, loop, reader, method):
        task = await parked(getattr(reader, method)())
        reader.set_exception(ConnectionResetError('peer'))
        with pytest.raises(ConnectionResetError, match='peer'):
            await task
        assert repr(reader) == (
            "<StreamReader limit=8 exception=ConnectionResetError('peer') "
            'transport=<FakeTransport>>'
        )

    async def test_readline_takes_it_for_one_of_its_own(self, loop, reader):
        reader.set_exception(asyncio.IncompleteReadError(b'rest', 5))
        assert await reader.readline() == b'rest'
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readuntil()
        reader.feed_data(b'ab\ncd')
        reader.set_exception(asyncio.LimitOverrunError('long', 2))
        with pytest.raises(ValueError, match='long'):
            await reader.readline()
        assert reader._buffer == b'cd'

    async def test_no_wait_where_nothing_is_wanted(self, loop, reader):
        reader.set_exception(OSError('x'))
        with pytest.raises(ValueError, match='can not be less than zero'):
            await reader.readexactly(-1)
        with pytest.raises(OSError):
            await reader.readexactly(0)
        with pytest.raises(OSError):
            await reader.read(0)


class TestLimit:
    """The limit is 8."""

    @pytest.mark.parametrize('size', [7, 8, 9, 10])
    @pytest.mark.parametrize('separator', [b'\n', b'--', b'-=-'])
    @pytest.mark.parametrize('method', ['readuntil', 'readline'])
    async def test_a_long_line(self, loop, streams, reader, size, separator, method):
        stock = asyncio.StreamReader(limit=8, loop=loop)
        stock.set_transport(FakeTransport())
        seen = []
        for each in (stock, reader):
            each.feed_data(b'x' * size + separator + b'rest')
            args = (separator,) if method == 'readuntil' else ()
            task = asyncio.create_task(getattr(each, method)(*args))
            await iterations()
            each.feed_eof()
            await asyncio.wait([task])
            seen.append((outcome(task), bytes(each._buffer), each._transport.calls))
        assert seen[0] == seen[1]

    async def test_pause_and_resume(self, loop, reader):
        calls = reader._transport.calls
        reader.feed_data(b'x' * 16)
        assert not calls
        reader.feed_data(b'x')
        assert calls == ['pause']
        assert repr(reader).endswith('<FakeTransport> paused>')
        reader.feed_data(b'x')
        await reader.readexactly(9)
        assert calls == ['pause']
        await reader.read(1)
        assert calls == ['pause', 'resume']
        assert not reader._paused

    async def test_waiting_for_more_than_is_let_in(self, loop, reader):
        reader.feed_data(b'x' * 17)
        task = await parked(reader.readexactly(30))
        assert reader._transport.calls == ['pause', 'resume']
        reader.feed_data(b'x' * 13)
        assert await task == b'x' * 30
        assert reader._transport.calls == ['pause', 'resume', 'pause', 'resume']

    async def test_a_transport_that_cannot_pause(self, loop, reader):
        class Stubborn(FakeTransport):
            def pause_reading(self):
                raise NotImplementedError

        reader._transport = Stubborn()
        reader.feed_data(b'x' * 17)
        assert reader._transport is None
        reader.feed_data(b'x' * 17)
        assert len(await reader.read(99)) == 34

    def test_a_transport_that_fails_to_pause(self, reader):
        class Failing(FakeTransport):
            def pause_reading(self):
                raise ZeroDivisionError

        reader._transport = Failing()
        with pytest.raises(ZeroDivisionError):
            reader.feed_data(b'x' * 17)
        assert not reader._paused
        assert len(reader._buffer) == 17

    @pytest.mark.parametrize('limit', [0, -1])
    def test_no_limit_below_one(self, streams, loop, limit):
        with pytest.raises(ValueError, match='Limit cannot be <= 0'):
            streams.StreamReader(limit=limit, loop=loop)

    @pytest.mark.parametrize('limit', [2**64, 8.5, True])
    async def test_unusual_limits(self, loop, streams, limit):
        reader = streams.StreamReader(limit, loop=loop)
        assert reader._limit is limit
        reader.set_transport(FakeTransport())
        reader.feed_data(b'a\n' * 20)
        assert await reader.readline() == b'a\n'
        paused = ['pause'] if limit < 40 else []
        assert reader._transport.calls == paused
        reader._limit = 3
        assert reader._limit == 3
        assert await reader.read(36) == b'a\n' * 18
        assert reader._transport.calls == paused + ['resume'] * bool(paused)

    def test_a_transport_is_set_once(self, reader):
        with pytest.raises(AssertionError, match='Transport already set'):
            reader.set_transport(FakeTransport())


class TestSeparators:
    @pytest.mark.parametrize('separator', [b'S', b'SE', b'SEPARATOR', b'SSSA', b'\0'])
    async def test_cut_anywhere(self, loop, streams, separator):
        data = b'some' + separator[:-1] + b'data' + separator + b'rest' + separator
        for cut in range(1, len(data)):
            reader = streams.StreamReader(loop=loop)
            first = asyncio.create_task(reader.readuntil(separator))
            await asyncio.sleep(0)
            reader.feed_data(data[:cut])
            await asyncio.sleep(0)
            reader.feed_data(data[cut:])
            reader.feed_eof()
            found = [await first]
            while not reader.at_eof():
                found.append(await reader.readuntil(separator))
            assert b''.join(found) == data
            assert all(part.count(separator) == 1 for part in found)

    @pytest.mark.skipif(not TAKES_TUPLES, reason='before 3.13 one separator')
    @pytest.mark.parametrize(
        'separators, line',
        [
            ((b'\r\n', b'\n'), b'ab\r\n'),
            ((b'\r', b'\r\n'), b'ab\r'),
            ((b'b\r\n', b'ab'), b'ab'),
            ((b'zz', b'\n'), b'ab\r\n'),
            ((b'\n',), b'ab\r\n'),
        ],
    )
    async def test_tuples(self, loop, reader, separators, line):
        task = await parked(reader.readuntil(separators))
        for byte in b'ab\r\ncd':
            reader.feed_data(bytes([byte]))
            await iterations()
        assert await task == line

    @pytest.mark.parametrize('separator', [b'', (), (b'',), (b'a', b''), [b'x'], 'x', (b'x', 'y')])
    async def test_unusual_ones(self, loop, reader, separator):
        stock = asyncio.StreamReader(limit=8, loop=loop)
        results = []
        for each in (stock, reader):
            each.feed_data(b'axb')
            task = asyncio.create_task(each.readuntil(separator))
            await iterations()
            each.feed_eof()
            await asyncio.wait([task])
            results.append(outcome(task))
        assert results[0] == results[1]

    async def test_a_bytearray(self, loop, reader):
        reader.feed_data(b'axb')
        assert await reader.readuntil(bytearray(b'x')) == b'ax'


class TestArguments:
    @pytest.mark.parametrize('size', [True, 2**70, -(2**70), None, 1.5, 'x'])
    @pytest.mark.parametrize('method', ['read', 'readexactly'])
    async def test_unusual_sizes(self, loop, reader, method, size):
        stock = asyncio.StreamReader(limit=8, loop=loop)
        results = []
        for each in (stock, reader):
            each.feed_data(b'axb')
            each.feed_eof()
            task = asyncio.create_task(getattr(each, method)(size))
            await asyncio.wait([task])
            results.append(outcome(task))
        assert results[0] == results[1]

    @pytest.mark.parametrize(
        'method, args, kwargs',
        [
            ('read', (1, 2), {}),
            ('read', (), {'size': 1}),
            ('readexactly', (), {}),
            ('readline', (1,), {}),
            ('readuntil', (b'a', b'b'), {}),
            ('feed_data', (), {}),
            ('set_exception', (1, 2), {}),
            ('set_transport', (), {}),
        ],
    )
    def test_errors_are_those_of_asyncio(self, loop, reader, method, args, kwargs):
        messages = []
        for each in (asyncio.StreamReader(loop=loop), reader):
            with pytest.raises(TypeError) as error:
                getattr(each, method)(*args, **kwargs)
            messages.append(str(error.value))
        assert messages[0] == messages[1]

    def test_keywords(self, reader):
        reader.feed_data(data=b'x')
        reader._transport = None
        reader.set_transport(transport=None)
        reader.set_exception(exc=None)
        assert reader._buffer == b'x'

    @pytest.mark.parametrize('method', ['read', 'readline', 'readuntil', '__anext__'])
    def test_coroutines(self, reader, method):
        coroutine = getattr(reader, method)()
        assert asyncio.iscoroutine(coroutine)
        assert (coroutine.__name__, coroutine.__qualname__) == (method, f'StreamReader.{method}')
        coroutine.close()

    def test_never_awaited(self, reader):
        with pytest.warns(RuntimeWarning, match=r"'StreamReader\.read' was never awaited"):
            reader.read()

    def test_a_loop_is_found(self, streams, loop):
        async def make():
            return streams.StreamReader()

        assert loop.run_until_complete(make())._loop is loop
        assert streams.StreamReader(loop=loop)._source_traceback is None

    def test_debug_mode_tells_where_it_was_made(self, streams, loop):
        loop.set_debug(True)
        reader = streams.StreamReader(loop=loop)
        assert reader._source_traceback[-1].filename == __file__
        reader.feed_data(b'x')
        assert loop.run_until_complete(reader.read(1)) == b'x'


class TestBuffer:
    async def test_it_is_a_bytearray_that_may_be_changed(self, loop, reader):
        reader.feed_data(b'abc')
        buffer = reader._buffer
        assert type(buffer) is bytearray
        buffer.extend(b'def')
        assert await reader.read(4) == b'abcd'
        assert buffer == b'ef'
        reader.feed_data(b'gh')
        assert buffer == b'efgh'
        assert reader._buffer is buffer
        del buffer[:1]
        assert await reader.readexactly(3) == b'fgh'
        buffer += b'line\n'
        assert await reader.readline() == b'line\n'
        buffer += b'xyz'
        buffer.clear()
        reader.feed_data(b'!')
        del buffer
        reader.feed_data(b'?')
        assert await reader.read(9) == b'!?'

    async def test_it_may_be_replaced(self, loop, reader):
        reader.feed_data(b'abc')
        own = bytearray(b'own\n')
        reader._buffer = own
        assert reader._buffer is own
        assert await reader.readline() == b'own\n'
        reader._buffer += b'more'
        assert await reader.read(9) == b'more'

    async def test_somebody_has_a_view(self, loop, reader):
        reader.feed_data(b'abc')
        with memoryview(reader._buffer):
            with pytest.raises(BufferError):
                reader.feed_data(b'd')
            with pytest.raises(BufferError):
                await reader.read(1)
        reader.feed_data(b'd')
        assert await reader.read(9) == b'abcd'

    def test_at_eof_looks_at_it(self, reader):
        reader.feed_data(b'x')
        reader.feed_eof()
        assert not reader.at_eof()
        reader._buffer.clear()
        assert reader.at_eof()

    async def test_it_is_fed_to_itself(self, loop, reader):
        reader.feed_data(b'abc')
        reader.feed_data(reader._buffer)
        assert await reader.read(9) == b'abcabc'

    async def test_data_that_feeds_as_it_is_looked_at(self, loop, reader):
        class Feeding(bytearray):
            def __bool__(self):
                reader.feed_data(b'first')
                return True

        reader.feed_data(Feeding(b'second'))
        assert await reader.read(99) == b'firstsecond'


class TestSubclasses:
    async def test_overridden_methods_are_called(self, loop, streams):
        calls = []

        class Counting(streams.StreamReader):
            async def readuntil(self, separator=b'\n'):
                calls.append(separator)
                return await super().readuntil(separator)

            async def _wait_for_data(self, func_name):
                calls.append(func_name)
                await super()._wait_for_data(func_name)

            def _wakeup_waiter(self):
                calls.append('wake')
                super()._wakeup_waiter()

        reader = Counting(loop=loop)
        task = await parked(reader.readline())
        reader.feed_data(b'x\n')
        assert await task == b'x\n'
        assert calls == [b'\n', 'readuntil', 'wake']
        reader.feed_eof()
        assert [line async for line in reader] == []
        assert calls[3:] == ['wake', b'\n']

    async def test_methods_of_one_object(self, loop, reader):
        async def readuntil(separator):
            return b'mine'

        reader.readuntil = readuntil
        assert await reader.readline() == b'mine'
        del reader.readuntil
        reader.feed_data(b'x\n')
        assert await reader.readline() == b'x\n'

    async def test_a_subclass_with_attributes(self, loop, streams):
        class Named(streams.StreamReader):
            def __init__(self, name, **kwargs):
                super().__init__(**kwargs)
                self.name = name

        reader = Named('me', loop=loop, limit=8)
        reader.feed_data(b'ab\n')
        assert (reader.name, await reader.readline()) == ('me', b'ab\n')
        assert repr(reader) == '<StreamReader limit=8>'

    def test_isinstance(self, streams, loop):
        reader = streams.StreamReader(loop=loop)
        stock = asyncio.StreamReader(loop=loop)
        assert isinstance(reader, asyncio.StreamReader)
        assert isinstance(stock, streams.StreamReader)

        class Own(streams.StreamReader):
            pass

        assert not isinstance(reader, Own)
        assert isinstance(Own(loop=loop), streams.StreamReader)


# ------------------------------------------------------------------ the same schedule on both

PIECES = st.binary(max_size=12).map(lambda data: bytes(b'ab\n\r'[byte % 4] for byte in data))
SEPARATORS = [b'\n', b'\r\n', b'ab'] + ([(b'\n', b'\r\n'), (b'ba', b'a')] * TAKES_TUPLES)
STEPS = st.one_of(
    st.tuples(st.just('feed_data'), PIECES),
    st.tuples(st.just('feed_data'), PIECES),
    st.tuples(st.sampled_from(['read', 'readexactly']), st.integers(-1, 14)),
    st.tuples(st.just('readuntil'), st.sampled_from(SEPARATORS)),
    st.tuples(st.sampled_from(['readline', '__anext__'])),
    st.tuples(st.sampled_from(['run', 'cancel', 'look', 'hold', 'release', 'change'])),
    st.tuples(st.sampled_from(['feed_eof', 'fail'])),
)


class Replay:
    """Runs a schedule on a reader and keeps everything that can be seen."""

    def __init__(self, loop, reader):
        self.loop = loop
        self.reader = reader
        self.transport = FakeTransport()
        reader.set_transport(self.transport)
        self.tasks = []
        self.held = None

    def step(self, name, *args):
        reader = self.reader
        if name == 'cancel' and self.tasks:
            self.tasks[-1].cancel()
        elif name == 'hold':
            self.held = reader._buffer
        elif name == 'release':
            self.held = None
        elif name == 'change' and self.held is not None:
            self.held += b'b\n'
        elif name == 'fail':
            reader.set_exception(OSError('failed'))
        elif name in ('feed_data', 'feed_eof'):
            try:
                getattr(reader, name)(*args)
            except AssertionError as error:
                return str(error)
        elif name.startswith(('read', '__anext__')):
            self.tasks.append(self.loop.create_task(getattr(reader, name)(*args)))
        elif name == 'look':
            return repr(reader), bytes(reader._buffer), reader.at_eof()
        return None

    def seen(self):
        done = [outcome(task) if task.done() else 'waits' for task in self.tasks]
        return done, len(self.reader._buffer), self.reader._paused, list(self.transport.calls)

    def end(self):
        for task in self.tasks:
            task.cancel()


@pytest.mark.skipif(support.STOCK_ONLY, reason='compares both')
def test_the_same_as_asyncio(kind_of_streams, loop):
    if kind_of_streams == 'asyncio':
        pytest.skip('both are compared once')
    import pyasync

    @settings(max_examples=150)
    @given(st.lists(STEPS, max_size=30))
    def check(schedule):
        kinds = (asyncio.StreamReader, pyasync.StreamReader)
        replays = [Replay(loop, kind(limit=5, loop=loop)) for kind in kinds]
        for step in schedule:
            if step[0] == 'run':
                support.run_once(loop)
            said = [replay.step(*step) for replay in replays]
            if step[0] == 'look':
                said = [[str(answer).split('waiter')[0]] for answer in said]
            assert said[0] == said[1]
            assert replays[0].seen() == replays[1].seen()
        for replay in replays:
            replay.end()
        for _ in range(3):
            support.run_once(loop)
        assert replays[0].seen() == replays[1].seen()

    check()
