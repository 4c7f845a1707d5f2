"""Protocols whose methods raise, each at its point: reported, closed or not, as asyncio does."""

from __future__ import annotations

import sys

import pytest
import support
from net.support import (
    FLUSH_LOSES_TWICE,
    BufferedRecorder,
    Recorder,
    closed,
    connected,
    forget,
    only_report,
    receive,
    report_about,
    require_own_transport,
    stream_pair,
    unpatch,
)

pytestmark = pytest.mark.pollers


class Expected(Exception):
    """What our protocols raise."""


def raising(kind, name, error=Expected):
    """A protocol of that kind with one method that notes the call and raises."""
    protocol = kind()
    usual = getattr(kind, name)

    def method(*args):
        usual(protocol, *args)
        raise error

    setattr(protocol, name, method)
    return protocol


READING = [
    (Recorder, 'data_received', 'Fatal error: protocol.data_received() call failed.'),
    (Recorder, 'eof_received', 'Fatal error: protocol.eof_received() call failed.'),
    (BufferedRecorder, 'get_buffer', 'Fatal error: protocol.get_buffer() call failed.'),
    (BufferedRecorder, 'buffer_updated', 'Fatal error: protocol.buffer_updated() call failed.'),
    (BufferedRecorder, 'eof_received', 'Fatal error: protocol.eof_received() call failed.'),
]


@pytest.mark.parametrize(('kind', 'name', 'message'), READING)
class TestReading:
    async def test_closes_and_is_reported(self, loop, kind, name, message):
        protocol = raising(kind, name)
        async with connected(protocol) as (transport, peer):
            peer.send(b'x')
            peer.close()
            error = await protocol.lost()
            assert type(error) is Expected
            assert protocol.count('lost') == 1
            report = report_about(loop, message, transport, protocol)
            assert report['exception'] is error
            forget(protocol, report)

    async def test_is_handled_while_it_is_reported(self, loop, kind, name, message):
        protocol = raising(kind, name)
        handled = []
        loop.set_exception_handler(lambda loop, context: handled.append(sys.exc_info()[1]))
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            peer.close()
            error = await protocol.lost()
            assert handled == [error]
            handled.clear()
            error.__traceback__ = None
            unpatch(protocol)

    async def test_os_errors_are_not_reported(self, loop, kind, name, message):
        protocol = raising(kind, name, OSError)
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            peer.close()
            error = await protocol.lost()
            assert type(error) is OSError
            error.__traceback__ = None
            unpatch(protocol)

    @pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt])
    def test_exits_leave_the_loop(self, loop, kind, name, message, error):
        protocol = raising(kind, name, error)
        left, right = stream_pair()
        transport, _ = loop.run_until_complete(
            loop.create_connection(lambda: protocol, sock=left),
        )
        right.send(b'x')
        right.close()
        with pytest.raises(error):
            loop.run_forever()
        assert not transport.is_closing()
        transport.abort()
        support.run_until(loop, lambda: 'lost' in protocol.calls)
        unpatch(protocol)


class TestConnection:
    async def test_connection_made(self, loop):
        """Reported as any callback's error; the connection lives on."""
        protocol = raising(Recorder, 'connection_made')
        async with connected(protocol) as (transport, peer):
            report = only_report(loop)
            assert type(report['exception']) is Expected
            assert report['message'].startswith('Exception in callback ')
            assert 'connection_made' in report['message'] or 'raising' in report['message']
            peer.send(b'x')
            assert await protocol.received(1) == b'x'
            transport.write(b'y')
            assert await receive(peer, 1) == b'y'
            forget(protocol, report)

    async def test_connection_lost(self, loop):
        protocol = raising(Recorder, 'connection_lost')
        async with connected(protocol) as (transport, peer):
            peer.close()
            await protocol.lost()
            await closed(transport)
            report = only_report(loop)
            assert type(report['exception']) is Expected
            assert report['message'].startswith('Exception in callback ')
            assert transport._sock is None
            assert transport._protocol is None
            forget(protocol, report)

    async def test_connection_lost_after_a_flush(self, loop):
        protocol = raising(Recorder, 'connection_lost')
        async with connected(protocol) as (transport, peer):
            transport.write(b'x' * 8_000_000)
            transport.close()
            await receive(peer, 8_000_000)
            await protocol.lost()
            await closed(transport)
            report = only_report(loop)
            assert type(report['exception']) is Expected
            forget(protocol, report)


class TestFlowControl:
    async def test_pause_writing(self, loop):
        protocol = raising(Recorder, 'pause_writing')
        async with connected(protocol) as (transport, peer):
            transport.write(b'x' * 8_000_000)
            message = 'protocol.pause_writing() failed'
            report = report_about(loop, message, transport, protocol)
            assert type(report['exception']) is Expected
            assert not transport.is_closing()
            assert len(await receive(peer, 8_000_000)) == 8_000_000
            await protocol.has('resume')
            forget(protocol, report)

    async def test_resume_writing(self, loop):
        protocol = raising(Recorder, 'resume_writing')
        async with connected(protocol) as (transport, peer):
            transport.write(b'x' * 8_000_000)
            assert len(await receive(peer, 8_000_000)) == 8_000_000
            await protocol.has('resume')
            message = 'protocol.resume_writing() failed'
            report = report_about(loop, message, transport, protocol)
            assert type(report['exception']) is Expected
            assert not transport.is_closing()
            transport.write(b'y')
            assert await receive(peer, 1) == b'y'
            forget(protocol, report)

    def test_what_the_caller_of_the_loop_handles(self, loop):
        # It is shown in the coroutine while that caller runs it, and no longer.
        handled = []
        protocol = raising(Recorder, 'pause_writing')
        loop.set_exception_handler(lambda loop, context: handled.append(sys.exc_info()[0]))

        async def main(future):
            async with connected(protocol) as (transport, _):
                transport.write(b'x' * 8_000_000)
                handled.append(sys.exc_info()[0])
                loop.stop()
                await future
                handled.append(sys.exc_info()[0])
                unpatch(protocol)

        future = loop.create_future()
        task = loop.create_task(main(future))
        support.call_handling(loop.run_forever)
        future.set_result(None)
        loop.run_until_complete(task)
        assert handled == [Expected, KeyError, None]

    @pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt])
    async def test_exits_leave_write(self, loop, error):
        protocol = raising(Recorder, 'pause_writing', error)
        async with connected(protocol) as (transport, _):
            with pytest.raises(error):
                transport.write(b'x' * 8_000_000)
            unpatch(protocol)

    @pytest.mark.parametrize('how', ['close', 'abort'])
    async def test_closed_by_pause_writing(self, loop, how):
        class Closing(Recorder):
            def pause_writing(self):
                super().pause_writing()
                getattr(self.transport, how)()

        protocol = Closing()
        async with connected(protocol) as (transport, peer):
            transport.write(b'x' * 20_000_000)
            assert transport.is_closing()
            if how == 'close':
                assert len(await receive(peer, 20_000_000)) == 20_000_000
            assert await protocol.lost() is None
            assert protocol.count('lost') == 1

    async def test_aborted_by_resume_writing(self, loop):
        class Aborting(Recorder):
            def resume_writing(self):
                super().resume_writing()
                self.transport.abort()

        protocol = Aborting()
        async with connected(protocol) as (transport, peer):
            if FLUSH_LOSES_TWICE:
                require_own_transport(transport, 'gh-156512, connection_lost() twice')
            transport.write(b'x' * 8_000_000)
            await receive(peer, 8_000_000)
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'pause', 'resume', 'lost']


class TestBuffers:
    @pytest.mark.parametrize(
        ('buffer', 'error'),
        [
            (b'', RuntimeError),
            (bytearray(), RuntimeError),
            (memoryview(b''), RuntimeError),
            (b'read only', TypeError),
            ('str', TypeError),
            (None, TypeError),
            (5, TypeError),
        ],
        ids=repr,
    )
    async def test_refused(self, loop, buffer, error):
        protocol = BufferedRecorder()
        protocol.buffer = buffer
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            lost = await protocol.lost()
            report = only_report(loop)
            assert type(lost) is error
            assert report['exception'] is lost
            if error is RuntimeError:
                assert str(lost) == 'get_buffer() returned an empty buffer'
            forget(protocol, report)

    async def test_smaller_than_what_comes(self, loop):
        protocol = BufferedRecorder(size=1)
        async with connected(protocol) as (_, peer):
            peer.send(b'abc')
            assert await protocol.received(3) == b'abc'
            assert protocol.count('data') == 3

    async def test_another_each_time(self, loop):
        class Changing(BufferedRecorder):
            def get_buffer(self, sizehint):
                self.buffer = bytearray(len(self.buffer) + 1)
                return super().get_buffer(sizehint)

        protocol = Changing(size=1)
        async with connected(protocol) as (_, peer):
            peer.send(b'abcdefghi')
            assert await protocol.received(9) == b'abcdefghi'

    async def test_missing_methods(self, loop):
        class Nothing:
            def connection_made(self, transport):
                pass

            def connection_lost(self, exc):
                lost.set_result(exc)

        lost = loop.create_future()
        protocol = Nothing()
        async with connected(protocol) as (_, peer):
            peer.send(b'x')
            assert type(await lost) is AttributeError
            report = only_report(loop)
            assert report['message'] == READING[0][2]
            report['exception'].__traceback__ = None
