"""Stream transports: reading, pausing, protocols of both kinds, the order of callbacks."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
import support
from net.support import (
    BufferedRecorder,
    GrowingRecorder,
    PausedRecorder,
    Recorder,
    both_kinds,
    both_protocols,
    closed,
    connected,
    iterations,
    receive,
    stream_pair,
)

pytestmark = pytest.mark.pollers


class TestReading:
    @both_kinds
    @both_protocols
    async def test_data_comes(self, loop, kind, protocol_type):
        protocol = protocol_type()
        async with connected(protocol, kind) as (_, peer):
            peer.send(b'hello')
            assert await protocol.received(5) == b'hello'
            peer.send(b' world')
            assert await protocol.received(11) == b'hello world'

    @both_kinds
    @both_protocols
    async def test_megabytes_come_whole(self, loop, kind, protocol_type):
        protocol = protocol_type()
        payload = bytes(range(256)) * 8192
        async with connected(protocol, kind) as (_, peer):
            await loop.sock_sendall(peer, payload)
            assert await protocol.received(len(payload)) == payload

    async def test_data_waiting_before_the_transport_exists(self, loop):
        left, right = stream_pair()
        right.send(b'early')
        right.close()
        protocol = Recorder()
        await loop.create_connection(lambda: protocol, sock=left)
        assert await protocol.lost() is None
        assert protocol.calls == ['made', 'data', 'eof', 'lost']
        assert protocol.data == b'early'

    async def test_each_wake_up_reads_what_there_is(self, loop):
        protocol = Recorder()
        async with connected(protocol, 'unix') as (_, peer):
            for _ in range(10):
                peer.send(b'x')
            await protocol.received(10)
            assert protocol.count('data') == 1

    async def test_data_received_is_looked_up_each_time(self, loop):
        seen = []
        protocol = Recorder()
        async with connected(protocol) as (_, peer):
            peer.send(b'1')
            await protocol.received(1)
            arrived = loop.create_future()
            protocol.data_received = lambda data: (seen.append(data), arrived.set_result(None))
            peer.send(b'2')
            await arrived
            assert seen == [b'2']

    @pytest.mark.parametrize('make', [bytearray, lambda n: memoryview(bytearray(n))])
    async def test_kinds_of_buffers(self, loop, make):
        protocol = BufferedRecorder()
        protocol.buffer = make(100)
        async with connected(protocol) as (_, peer):
            peer.send(b'y' * 250)
            assert await protocol.received(250) == b'y' * 250
            assert set(protocol.hints) == {-1}
            assert protocol.count('data') >= 3

    async def test_a_buffer_is_free_after_the_call(self, loop):
        protocol = GrowingRecorder(size=10)
        async with connected(protocol) as (_, peer):
            for count in range(1, 5):
                peer.send(b'ab')
                await protocol.received(2 * count)
            assert protocol.data == b'ab' * 4
            protocol.buffer.clear()


class TestPausing:
    @both_protocols
    async def test_nothing_comes_while_paused(self, loop, protocol_type):
        protocol = protocol_type()
        async with connected(protocol) as (transport, peer):
            assert transport.is_reading() is True
            transport.pause_reading()
            assert transport.is_reading() is False
            peer.send(b'late')
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            assert transport.is_reading() is True
            assert await protocol.received(4) == b'late'

    async def test_idempotent(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            for _ in range(3):
                assert transport.pause_reading() is None
            for _ in range(3):
                assert transport.resume_reading() is None
            peer.send(b'x')
            await protocol.received(1)

    async def test_after_close_they_do_nothing(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.close()
            assert transport.is_reading() is False
            transport.pause_reading()
            transport.resume_reading()
            await protocol.lost()
            transport.pause_reading()
            transport.resume_reading()
            assert transport.is_reading() is False

    async def test_closed_while_paused(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            peer.send(b'x')
            transport.close()
            transport.resume_reading()
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'lost']

    async def test_paused_in_connection_made(self, loop):
        protocol = PausedRecorder()
        async with connected(protocol) as (transport, peer):
            peer.send(b'x')
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            await protocol.received(1)

    async def test_paused_in_data_received(self, loop):
        class Paused(BufferedRecorder):
            def buffer_updated(self, nbytes):
                self.transport.pause_reading()
                super().buffer_updated(nbytes)

        protocol = Paused(size=3)
        async with connected(protocol) as (transport, peer):
            peer.send(b'abcdef')
            await protocol.received(3)
            await iterations(5)
            assert protocol.data == b'abc'
            transport.resume_reading()
            assert await protocol.received(6) == b'abcdef'

    async def test_end_of_file_waits_too(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            peer.close()
            await iterations(5)
            assert protocol.calls == ['made']
            transport.resume_reading()
            await protocol.lost()
            assert protocol.calls == ['made', 'eof', 'lost']


class TestSwitching:
    async def test_get_protocol(self, loop):
        first, second = Recorder(), Recorder()
        async with connected(first) as (transport, peer):
            assert transport.get_protocol() is first
            assert transport.set_protocol(second) is None
            assert transport.get_protocol() is second
            peer.send(b'x')
            await second.received(1)
            assert first.calls == ['made']
            assert second.calls == ['data']
            transport.close()
            assert await second.lost() is None
            assert first.calls == ['made']

    @pytest.mark.parametrize(
        'types',
        [
            (Recorder, BufferedRecorder),
            (BufferedRecorder, Recorder),
            (BufferedRecorder, BufferedRecorder),
            (Recorder, Recorder),
        ],
    )
    async def test_from_within_a_callback_and_back(self, loop, types):
        first, second = types[0](), types[1]()

        def switching(protocol, other, method):
            def switch(argument):
                method(argument)
                protocol.transport.set_protocol(other)
                other.transport = protocol.transport

            name = 'buffer_updated' if type(protocol) is BufferedRecorder else 'data_received'
            setattr(protocol, name, switch)

        for protocol, other in ((first, second), (second, first)):
            buffered = type(protocol) is BufferedRecorder
            method = protocol.buffer_updated if buffered else protocol.data_received
            switching(protocol, other, method)
        async with connected(first) as (_, peer):
            for number in range(3):
                peer.send(b'1')
                await first.received(number + 1)
                peer.send(b'2')
                await second.received(number + 1)
            assert first.data == b'111'
            assert second.data == b'222'
        for protocol in (first, second):
            protocol.__dict__.clear()

    async def test_in_get_buffer(self, loop):
        second = Recorder()

        class Switching(BufferedRecorder):
            def get_buffer(self, sizehint):
                self.transport.pause_reading()
                self.transport.set_protocol(second)
                self.transport.resume_reading()
                return super().get_buffer(sizehint)

        first = Switching()
        async with connected(first) as (transport, peer):
            # Whatever this first read gives: what comes later is the second protocol's.
            second.buffer_updated = second.data_received = lambda data: second.note('data')
            peer.send(b'1')
            await second.has('data')
            peer.send(b'2')
            await second.until(lambda: second.count('data') == 2)
            assert transport.get_protocol() is second
        second.__dict__.clear()

    async def test_any_object_is_a_protocol(self, loop):
        class Duck:
            def connection_made(self, transport):
                pass

            def data_received(self, data):
                got.set_result(data)

            def connection_lost(self, exc):
                lost.set_result(exc)

        got, lost = loop.create_future(), loop.create_future()
        async with connected(Duck()) as (transport, peer):
            peer.send(b'x')
            assert await got == b'x'
            transport.close()
            assert await lost is None
            await closed(transport)


class TestOrder:
    """connection_made() first, then what create_connection() waits for, connection_lost() last."""

    def test_iteration_of_connection_made(self, loop):
        left, right = stream_pair()
        right.send(b'x')
        protocol = Recorder()
        task = loop.create_task(loop.create_connection(lambda: protocol, sock=left))
        support.run_once(loop)
        assert protocol.calls == []
        support.run_once(loop)
        assert protocol.calls == ['made']
        assert not task.done()
        support.run_until(loop, task.done, 2)
        transport, _ = task.result()
        transport.close()
        right.close()
        support.run_until(loop, lambda: 'lost' in protocol.calls)

    async def test_no_data_before_the_connection_is_made(self, loop):
        for _ in range(20):
            left, right = stream_pair('unix')
            right.send(b'x')
            protocol = Recorder()
            transport, _ = await loop.create_connection(lambda: protocol, sock=left)  # noqa: B023
            await protocol.received(1)
            assert protocol.calls == ['made', 'data']
            transport.abort()
            await protocol.lost()
            right.close()

    @pytest.mark.parametrize('how', ['close', 'abort'])
    async def test_iteration_of_connection_lost(self, loop, how):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            order = []
            protocol.connection_lost = lambda exc: order.append('lost')
            loop.call_soon(order.append, 'before')
            getattr(transport, how)()
            loop.call_soon(order.append, 'after')
            assert order == []
            await asyncio.sleep(0)
            assert order == ['before', 'lost', 'after']
            assert transport.get_extra_info('socket').fileno() == -1

    async def test_lost_comes_once(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            peer.close()
            transport.close()
            transport.abort()
            transport.close()
            await protocol.lost()
            transport.abort()
            transport.close()
            await iterations()
            assert protocol.calls == ['made', 'lost']

    async def test_the_protocol_is_released(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.close()
            await protocol.lost()
            assert transport.get_protocol() is None


class TestContext:
    async def test_callbacks_see_the_context_of_the_connecting_task(self, loop):
        variable = contextvars.ContextVar('variable', default='none')
        seen = []

        class Seeing(Recorder):
            def note(self, *call):
                seen.append((call[0], variable.get()))
                super().note(*call)

        variable.set('connecting')
        protocol = Seeing()
        async with connected(protocol) as (_, peer):
            variable.set('later')
            peer.send(b'x')
            await protocol.has('data')
            peer.close()
            await protocol.lost()
        names = [name for name, _ in seen]
        assert names == ['made', 'data', 'eof', 'lost']
        # What runs in the task's own context sees its later changes too.
        assert {value for _, value in seen} <= {'connecting', 'later'}

    async def test_a_context_of_its_own(self, loop):
        variable = contextvars.ContextVar('variable', default='outside')
        seen = []

        class Seeing(Recorder):
            def note(self, *call):
                seen.append((call[0], variable.get()))
                super().note(*call)

        protocol = Seeing()
        left, right = stream_pair()

        async def connect():
            variable.set('inside')
            return await loop.create_connection(lambda: protocol, sock=left)

        transport, _ = await asyncio.create_task(connect())
        right.send(b'x')
        await protocol.has('data')
        assert seen == [('made', 'inside'), ('data', 'inside')]
        assert variable.get() == 'outside'
        transport.abort()
        await protocol.lost()
        right.close()


class TestStopping:
    def test_stop_from_within_data_received(self, loop):
        class Stopping(Recorder):
            def data_received(self, data):
                super().data_received(data)
                loop.stop()

        protocol = Stopping()
        left, right = stream_pair()
        transport, _ = loop.run_until_complete(
            loop.create_connection(lambda: protocol, sock=left),
        )
        for count in range(1, 4):
            right.send(b'x')
            loop.run_forever()
            assert protocol.data == b'x' * count
        transport.close()
        right.close()
        support.run_until(loop, lambda: 'lost' in protocol.calls)

    @both_protocols
    @pytest.mark.parametrize('how', ['close', 'abort'])
    async def test_close_from_within_data_received(self, loop, how, protocol_type):
        protocol = protocol_type(size=2) if protocol_type is BufferedRecorder else Recorder()
        name = 'buffer_updated' if protocol_type is BufferedRecorder else 'data_received'
        usual = getattr(protocol, name)

        def closing(argument):
            usual(argument)
            getattr(protocol.transport, how)()
            protocol.transport.write(b'goodbye')

        setattr(protocol, name, closing)
        async with connected(protocol) as (_, peer):
            peer.send(b'xxxxxx')
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'data', 'lost']
            # One byte read or all of them: the unread rest may reset the connection.
        protocol.__dict__.pop(name)

    async def test_write_from_within_data_received(self, loop):
        class Echo(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.write(data.upper())
                self.transport.write(b'!')

        protocol = Echo()
        async with connected(protocol) as (_, peer):
            peer.send(b'abc')
            assert await receive(peer, 4) == b'ABC!'
