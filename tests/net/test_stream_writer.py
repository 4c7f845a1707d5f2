"""StreamWriter: what goes to the transport, drain() and its flow control, and the end."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st
from net.stream_support import FakeTransport, both_kinds_of_streams, outcome, streams
from net.support import iterations, receive, small_buffers, stream_pair

__all__ = ['streams']  # a fixture

pytestmark = both_kinds_of_streams


def make(streams, loop, reader_type=None):
    """(reader, writer, protocol, transport) with a transport that counts."""
    reader = (reader_type or streams.StreamReader)(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    transport = FakeTransport()
    protocol.connection_made(transport)
    return reader, streams.StreamWriter(transport, protocol, reader, loop), protocol, transport


@pytest.fixture
def parts(streams, loop):
    reader, writer, protocol, transport = make(streams, loop)
    yield reader, writer, protocol, transport
    transport.closing = True


async def connected_streams(streams, loop):
    """(reader, writer, peer) on a transport of the loop."""
    left, right = stream_pair()
    small_buffers(left, right)
    reader, writer = await streams.open_connection(sock=left)
    return reader, writer, right


async def end(writer, peer):
    writer.transport.abort()
    peer.close()
    await iterations()


class TestForwarding:
    def test_to_the_transport(self, parts):
        _reader, writer, _, transport = parts
        assert writer.write(b'a') is None
        assert writer.write(data=bytearray(b'b')) is None
        assert writer.writelines([b'c', b'd']) is None
        assert writer.write_eof() is None
        assert writer.can_write_eof() is True
        assert writer.is_closing() is False
        assert writer.transport is writer._transport is transport
        assert writer.close() is None
        assert writer.is_closing() is True
        assert transport.calls == [
            ('write', b'a'),
            ('write', b'b'),
            ('writelines', [b'c', b'd']),
            'write_eof',
            'close',
        ]

    def test_extra_info(self, streams, loop):
        transport = FakeTransport({'name': 'value'})
        transport.closing = True
        writer = streams.StreamWriter(transport, None, None, loop)
        assert writer.get_extra_info('name') == 'value'
        assert writer.get_extra_info('other', 3) == 3

    def test_attributes(self, parts, loop):
        reader, writer, protocol, _transport = parts
        assert (writer._reader, writer._protocol, writer._loop) == (reader, protocol, loop)
        assert writer._complete_fut.result() is None
        assert writer._complete_fut is writer._complete_fut
        assert repr(writer) == (f'<StreamWriter transport=<FakeTransport> reader={reader!r}>')
        refusal = "^property 'transport' of 'StreamWriter' object has no "
        with pytest.raises(AttributeError, match=refusal + 'setter$'):
            writer.transport = None
        with pytest.raises(AttributeError, match=refusal + 'deleter$'):
            del writer.transport

    def test_a_transport_whose_write_was_replaced(self, parts, loop, streams):
        async def main():
            _, writer, peer = await connected_streams(streams, loop)
            written = []
            if isinstance(writer.transport, asyncio.Transport):
                writer.transport.write = written.append
            writer.write(b'x')
            assert written == [b'x']
            await end(writer, peer)

        loop.run_until_complete(main())

    @pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
    def test_arguments(self, streams, loop):
        messages = []
        for kind in (asyncio, streams):
            for args in ((), (1, 2, 3, 4, 5)):
                with pytest.raises(TypeError) as error:
                    kind.StreamWriter(*args)
                messages.append(str(error.value))
        assert messages[:2] == messages[2:]

    def test_a_reader_must_be_one(self, streams, loop):
        transport = FakeTransport()
        transport.closing = True
        with pytest.raises(AssertionError):
            streams.StreamWriter(transport, None, object(), loop)
        for reader in (None, asyncio.StreamReader(loop=loop)):
            assert streams.StreamWriter(transport, None, reader, loop)._reader is reader


class TestDrain:
    def test_at_once(self, parts):
        _, writer, _, _ = parts
        coroutine = writer.drain()
        assert asyncio.iscoroutine(coroutine)
        assert coroutine.__qualname__ == 'StreamWriter.drain'
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert stop.value.value is None

    def test_waits_while_paused(self, parts, loop):
        async def main():
            _, writer, protocol, _ = parts
            protocol.pause_writing()
            tasks = [asyncio.create_task(writer.drain()) for _ in range(3)]
            await iterations()
            assert len(protocol._drain_waiters) == 3
            tasks[1].cancel()
            await iterations()
            assert len(protocol._drain_waiters) == 2
            protocol.resume_writing()
            await iterations()
            assert [outcome(task) for task in tasks] == [None, 'cancelled', None]
            assert not protocol._drain_waiters

        loop.run_until_complete(main())

    @pytest.mark.parametrize('with_error', [False, True])
    def test_the_connection_ends_meanwhile(self, parts, loop, with_error):
        async def main():
            error = ConnectionAbortedError('gone') if with_error else None
            _, writer, protocol, _ = parts
            protocol.pause_writing()
            task = asyncio.create_task(writer.drain())
            await iterations()
            protocol.connection_lost(error)
            if error is None:
                await task
            else:
                with pytest.raises(ConnectionAbortedError):
                    await task
            assert not protocol._drain_waiters
            expected = ConnectionResetError if error is None else ConnectionAbortedError
            with pytest.raises(expected):
                await writer.drain()

        loop.run_until_complete(main())

    def test_raises_what_the_reader_was_told(self, parts, loop):
        reader, writer, _, _ = parts
        error = OSError('told')
        reader.set_exception(error)
        with pytest.raises(OSError) as raised:
            loop.run_until_complete(writer.drain())
        assert raised.value is error

    def test_a_closing_transport_gives_the_loop_one_turn(self, parts, loop):
        _, writer, protocol, transport = parts
        transport.closing = True
        coroutine = writer.drain()
        assert coroutine.send(None) is None
        protocol.connection_lost(None)
        with pytest.raises(ConnectionResetError, match='Connection lost'):
            coroutine.send(None)

    def test_a_closing_transport_that_is_not_lost(self, parts, loop):
        _, writer, _, transport = parts
        transport.closing = True
        assert loop.run_until_complete(writer.drain()) is None

    def test_dropped_while_it_waits(self, parts):
        _, writer, protocol, _ = parts
        protocol.pause_writing()
        coroutine = writer.drain()
        assert asyncio.isfuture(coroutine.send(None))
        assert len(protocol._drain_waiters) == 1
        coroutine.close()
        assert len(protocol._drain_waiters) == 0

    def test_flow_control_is_asserted(self, parts):
        _, _, protocol, _ = parts
        with pytest.raises(AssertionError):
            protocol.resume_writing()
        protocol.pause_writing()
        with pytest.raises(AssertionError):
            protocol.pause_writing()

    def test_a_protocol_of_another_kind(self, streams, loop):
        class Protocol(asyncio.streams.FlowControlMixin):
            async def _drain_helper(self):
                return calls.append('helper')

        calls = []
        transport = FakeTransport()
        writer = streams.StreamWriter(transport, Protocol(loop=loop), None, loop)
        assert loop.run_until_complete(writer.drain()) is None
        assert calls == ['helper']
        transport.closing = True

    def test_overridden_helpers_are_called(self, streams, loop):
        class Protocol(streams.StreamReaderProtocol):
            async def _drain_helper(self):
                calls.append('helper')

        calls = []
        reader = streams.StreamReader(loop=loop)
        transport = FakeTransport()
        writer = streams.StreamWriter(transport, Protocol(reader, loop=loop), reader, loop)
        loop.run_until_complete(writer.drain())
        assert calls == ['helper']
        transport.closing = True

    @pytest.mark.parametrize('debug', [False, True])
    def test_a_peer_that_does_not_read(self, streams, loop, debug):
        async def main():
            _reader, writer, peer = await connected_streams(streams, loop)
            writer.transport.set_write_buffer_limits(high=10_000)
            sent = 0
            task = None
            while task is None or task.done():
                writer.write(b'x' * 5_000)
                sent += 5_000
                task = asyncio.create_task(writer.drain())
                await iterations()
            assert writer._protocol._paused
            received = asyncio.create_task(receive(peer, sent))
            await task
            assert not writer._protocol._paused
            assert await received == b'x' * sent
            await end(writer, peer)

        loop.set_debug(debug)
        loop.run_until_complete(main())


class TestHeldBack:
    """Pipelined requests: their answers leave together."""

    def test_answers_to_lines_that_came_together(self, streams, loop):
        async def main():
            reader, writer, peer = await connected_streams(streams, loop)
            peer.send(b'a\nb\nc\n')
            for _ in range(3):
                writer.write(await reader.readline())
                await writer.drain()
            assert await receive(peer, 6) == b'a\nb\nc\n'
            writer.write(b'last')
            assert await receive(peer, 4) == b'last'
            await end(writer, peer)

        loop.run_until_complete(main())

    def test_the_error_of_one_shows_in_the_next_iteration(self, streams, loop):
        async def main():
            reader, writer, peer = await connected_streams(streams, loop)
            peer.send(b'a\nb\n')
            assert await reader.readline() == b'a\n'
            peer.close()
            with pytest.raises(ConnectionError):
                for _ in range(100):
                    writer.write(b'x')
                    await writer.drain()
                    await asyncio.sleep(0)
            await end(writer, peer)

        loop.run_until_complete(main())
        loop.reports.clear()

    def test_closing_sends_it_first(self, streams, loop):
        async def main():
            reader, writer, peer = await connected_streams(streams, loop)
            peer.send(b'a\nb\n')
            writer.write(await reader.readline())
            writer.close()
            assert peer.recv(10) == b'a\n'
            await writer.wait_closed()
            peer.close()

        loop.run_until_complete(main())


class TestEnd:
    def test_wait_closed(self, parts, loop):
        async def main():
            _, writer, protocol, _transport = parts
            task = asyncio.create_task(writer.wait_closed())
            await iterations()
            assert not task.done()
            protocol.connection_lost(None)
            await task
            await writer.wait_closed()

        loop.run_until_complete(main())

    @pytest.mark.parametrize('asked_before', [False, True])
    def test_wait_closed_raises(self, parts, loop, asked_before):
        _, writer, protocol, _ = parts
        error = ConnectionResetError('x')
        if asked_before:
            assert not protocol._closed.done()
        protocol.connection_lost(error)
        assert protocol._closed is protocol._closed
        with pytest.raises(ConnectionResetError) as raised:
            loop.run_until_complete(writer.wait_closed())
        assert raised.value is error

    def test_an_error_that_nobody_waits_for_is_not_told(self, streams, loop):
        reader, writer, protocol, transport = make(streams, loop)
        transport.closing = True
        assert not protocol._closed.done()
        protocol.connection_lost(OSError('x'))
        del reader, writer, protocol
        gc.collect()
        assert not loop.reports

    def test_dropped_while_open(self, streams, loop):
        _, writer, _, transport = make(streams, loop)
        text = repr(writer)
        with pytest.warns(ResourceWarning) as warned:
            del writer
            gc.collect()
        assert str(warned[0].message) == f'unclosed {text}'
        assert transport.calls == ['close']

    def test_dropped_after_the_loop(self, streams, loop):
        _, writer, _, _transport = make(streams, loop)
        loop.close()
        with pytest.warns(ResourceWarning, match='loop is closed'):
            del writer
            gc.collect()

    def test_start_tls(self, streams, loop):
        async def main():
            reader, writer, protocol, transport = make(streams, loop)
            calls = []
            secure = FakeTransport({'sslcontext': 'context'})

            async def start_tls(*args, **kwargs):
                calls.append((args, kwargs['server_side'], kwargs['server_hostname']))
                return secure

            loop.start_tls = start_tls
            await writer.start_tls('context', server_hostname='name')
            del loop.start_tls
            assert calls == [((transport, protocol, 'context'), False, 'name')]
            assert writer.transport is protocol._transport is secure
            assert protocol._over_ssl is True
            if sys.version_info >= (3, 14):
                assert reader._transport is secure
            transport.closing = secure.closing = True

        loop.run_until_complete(main())


# ------------------------------------------------------------------ the same schedule on both

STEPS = st.sampled_from(
    [
        'drain',
        'drain',
        'pause',
        'resume',
        'close',
        'lost',
        'failed',
        'told',
        'cancel',
        'run',
        'wait',
    ]
)


class Replay:
    """Runs a schedule on a writer and keeps everything that can be seen."""

    def __init__(self, loop, streams):
        self.loop = loop
        self.reader, self.writer, self.protocol, self.transport = make(streams, loop)
        self.tasks = []

    def step(self, name):
        protocol = self.protocol
        if name in ('drain', 'wait'):
            method = self.writer.drain if name == 'drain' else self.writer.wait_closed
            self.tasks.append(self.loop.create_task(method()))
        elif name in ('pause', 'resume'):
            try:
                getattr(protocol, f'{name}_writing')()
            except AssertionError:
                return 'asserted'
        elif name == 'close':
            self.writer.close()
        elif name in ('lost', 'failed'):
            protocol.connection_lost(None if name == 'lost' else OSError('failed'))
        elif name == 'told':
            self.reader.set_exception(ValueError('told'))
        elif name == 'cancel' and self.tasks:
            self.tasks[-1].cancel()
        return None

    def seen(self):
        done = [outcome(task) if task.done() else 'waits' for task in self.tasks]
        return done, len(self.protocol._drain_waiters), self.protocol._closed.done()

    def end(self):
        self.transport.closing = True
        for task in self.tasks:
            task.cancel()


@pytest.mark.skipif(support.STOCK_ONLY, reason='compares both')
def test_the_same_as_asyncio(kind_of_streams, loop):
    if kind_of_streams == 'asyncio':
        pytest.skip('both are compared once')
    import pyasync

    @settings(max_examples=100)
    @given(st.lists(STEPS, max_size=20))
    def check(schedule):
        replays = [Replay(loop, kind) for kind in (asyncio, pyasync)]
        for step in schedule:
            said = [replay.step(step) for replay in replays]
            if step == 'run':
                support.run_once(loop)
            assert said[0] == said[1]
            assert replays[0].seen() == replays[1].seen()
        for replay in replays:
            replay.end()
        for _ in range(3):
            support.run_once(loop)
        assert replays[0].seen() == replays[1].seen()

    check()
