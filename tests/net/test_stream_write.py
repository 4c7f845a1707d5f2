"""Writing to a stream: kinds of data, order, flow control, limits, and gigabytes."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import sys
import threading
import time

import pytest
from net.support import (
    LIMIT,
    Recorder,
    both_kinds,
    closed,
    connected,
    fill,
    iterations,
    receive,
    receive_all,
    report_about,
    require_own_transport,
)

pytestmark = pytest.mark.pollers


# Stock's writelines() of 3.12 and 3.13 came without flow control (CVE-2024-12254).
WRITELINES_PAUSES = not (3, 12) <= sys.version_info < (3, 12, 9) and not (
    (3, 13) <= sys.version_info < (3, 13, 2)
)
# Before gh-155888 and its like stock's writelines() kept empty chunks, which nothing drains.
WRITELINES_EMPTY = sys.version_info < (3, 12) or sys.version_info >= (3, 14)


async def fill_up(transport, limit=10_000):
    """Write until the transport has to keep some of it; answers how much was written."""
    written = 0
    for _ in range(limit):
        transport.write(b'f' * 4096)
        written += 4096
        await asyncio.sleep(0)
        if transport.get_write_buffer_size():
            return written
    raise AssertionError('the kernel takes everything')


class TestData:
    @both_kinds
    @pytest.mark.parametrize(
        'data',
        [
            b'bytes',
            bytearray(b'bytearray'),
            memoryview(b'memoryview'),
            memoryview(bytearray(b'writable')),
            memoryview(b'xxslicexx')[2:7],
            memoryview(array.array('I', [1, 2, 3])),
            memoryview(array.array('d', [1.5])),
            memoryview(b'abcdef').cast('B', (2, 3)),
            memoryview(b'c').cast('c'),
        ],
        ids=lambda data: type(data).__name__,
    )
    async def test_kinds(self, loop, kind, data):
        protocol = Recorder()
        async with connected(protocol, kind) as (transport, peer):
            assert transport.write(data) is None
            wanted = bytes(data)
            assert await receive(peer, len(wanted)) == wanted

    async def test_the_first_write_is_sent_at_once(self, loop):
        async with connected(Recorder()) as (transport, peer):
            transport.write(b'now')
            assert peer.recv(100) == b'now'

    @pytest.mark.parametrize('data', [b'', bytearray(), memoryview(b''), memoryview(b'abc')[3:]])
    async def test_nothing_to_write(self, loop, data):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(data)
            assert transport.get_write_buffer_size() == 0
            with pytest.raises(BlockingIOError):
                peer.recv(1)

    @pytest.mark.parametrize('data', ['str', None, 1, [1, 2], array.array('b', [1]), object()])
    async def test_wrong_types(self, loop, data):
        if sys.version_info >= (3, 14):
            text = 'data argument must be a bytes, bytearray, or memoryview object, not '
        else:
            text = 'data argument must be a bytes-like object, not '
        async with connected(Recorder()) as (transport, peer):
            with pytest.raises(TypeError) as caught:
                transport.write(data)
            assert str(caught.value) == text + repr(type(data).__name__)
            transport.write(b'still works')
            assert await receive(peer, 11) == b'still works'

    @pytest.mark.parametrize('arguments', [(), (b'1', b'2')])
    async def test_wrong_number_of_arguments(self, loop, arguments):
        async with connected(Recorder()) as (transport, _):
            with pytest.raises(TypeError):
                transport.write(*arguments)

    @pytest.mark.parametrize('kind', [bytearray, memoryview], ids=['bytearray', 'memoryview'])
    async def test_data_changed_once_sent(self, loop, kind):
        async with connected(Recorder()) as (transport, peer):
            data = bytearray(b'before')
            transport.write(kind(data))
            await iterations()
            data[:] = b'after!'
            data.clear()
            assert await receive(peer, 6) == b'before'

    @pytest.mark.parametrize('kind', [bytearray, memoryview], ids=['bytearray', 'memoryview'])
    async def test_data_changed_while_queued(self, loop, kind):
        async with connected(Recorder(), 'unix', small=True) as (transport, peer):
            if sys.version_info >= (3, 12):
                require_own_transport(transport, 'keeps a view of what it queues')
            written = await fill_up(transport)
            data = bytearray(b'1' * 5000)
            transport.write(kind(data))
            data[:] = b'2' * 5000
            data.clear()
            assert (await receive(peer, written + 5000))[written:] == b'1' * 5000

    async def test_items_wider_than_a_byte_and_more_than_fits(self, loop):
        async with connected(Recorder()) as (transport, peer):
            require_own_transport(transport, 'counts items for bytes after a partial send')
            data = array.array('I', range(2_000_000))
            transport.write(memoryview(data))
            assert await receive(peer, 8_000_000) == data.tobytes()

    async def test_memory_that_is_not_contiguous(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            transport.write(memoryview(b'a-b-c-')[::2])
            error = await protocol.lost()
            assert isinstance(error, BufferError)
            message = 'Fatal write error on socket transport'
            report = report_about(loop, message, transport, protocol)
            assert report['exception'] is error
            error.__traceback__ = None


class TestOrder:
    @both_kinds
    @pytest.mark.parametrize('small', [False, True])
    async def test_many_small_writes_in_one_callback(self, loop, kind, small):
        chunks = [str(number).encode() * (number % 7) for number in range(2000)]
        async with connected(Recorder(), kind, small=small) as (transport, peer):
            for chunk in chunks:
                transport.write(chunk)
            wanted = b''.join(chunks)
            assert await receive(peer, len(wanted)) == wanted

    async def test_large_and_small_writes(self, loop):
        chunks = [bytes([number]) * (1 if number % 3 else 300_000) for number in range(30)]
        async with connected(Recorder()) as (transport, peer):
            for chunk in chunks:
                transport.write(chunk)
            transport.writelines(chunks[:3])
            wanted = b''.join(chunks + chunks[:3])
            assert await receive(peer, len(wanted)) == wanted

    async def test_more_chunks_than_one_system_call_takes(self, loop):
        count = 3 * os.sysconf('SC_IOV_MAX')
        async with connected(Recorder(), 'unix', small=True) as (transport, peer):
            written = await fill_up(transport)
            for number in range(count):
                transport.write(number.to_bytes(4, 'big'))
            received = (await receive(peer, written + 4 * count))[written:]
            assert received == b''.join(number.to_bytes(4, 'big') for number in range(count))

    @pytest.mark.parametrize('how', ['close', 'write_eof', 'abort'])
    async def test_what_follows_small_writes(self, loop, how):
        async with connected(Recorder()) as (transport, peer):
            transport.write(b'one ')
            transport.write(b'two ')
            transport.write(b'three')
            getattr(transport, how)()
            assert await receive_all(peer) == b'one two three'

    async def test_the_socket_comes_after_small_writes(self, loop):
        async with connected(Recorder()) as (transport, peer):
            transport.write(b'one ')
            transport.write(b'two')
            transport.get_extra_info('socket').shutdown(socket.SHUT_WR)
            assert await receive_all(peer) == b'one two'

    async def test_before_the_loop_is_run_within_a_callback(self, loop):
        async with connected(Recorder()) as (transport, peer):
            received, late = bytearray(), []
            loop.add_reader(peer, lambda: received.extend(peer.recv(10)))
            timer = loop.call_later(LIMIT / 2, late.append, True)
            transport.write(b'one ')
            transport.write(b'two')
            while len(received) < 7 and not late:
                loop._run_once()
            timer.cancel()
            loop.remove_reader(peer)
            assert received == b'one two'

    @pytest.mark.filterwarnings('ignore:.*fork:DeprecationWarning')
    async def test_once_though_the_process_forks(self, loop):
        async with connected(Recorder()) as (transport, peer):
            transport.write(b'one ')
            transport.write(b'two')
            child = os.fork()
            if child == 0:
                try:
                    loop.call_soon(int)
                    loop._run_once()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            transport.write_eof()
            assert await receive_all(peer) == b'one two'

    async def test_from_other_threads_while_the_loop_sleeps(self, loop):
        async with connected(Recorder()) as (transport, peer):
            done = loop.create_future()

            def talk():
                peer.settimeout(LIMIT)
                for number in range(5):
                    transport.write(b'%d' % number)
                    received.append(peer.recv(1))
                loop.call_soon_threadsafe(done.set_result, None)

            received = []
            thread = threading.Thread(target=talk)
            thread.start()
            await done
            thread.join()
            assert received == [b'0', b'1', b'2', b'3', b'4']


class TestLines:
    @pytest.mark.parametrize('kind', [list, tuple, iter, lambda chunks: (c for c in chunks)])
    async def test_kinds(self, loop, kind):
        chunks = [b'one', bytearray(b'two'), memoryview(b'three'), b'4']
        async with connected(Recorder()) as (transport, peer):
            assert transport.writelines(kind(chunks)) is None
            assert await receive(peer, 12) == b'onetwothree4'

    @pytest.mark.parametrize('chunks', [[], (), iter(()), [b''], [b'', b'']])
    async def test_nothing(self, loop, chunks):
        async with connected(Recorder()) as (transport, peer):
            if not WRITELINES_EMPTY and chunks not in ([], ()):
                require_own_transport(transport, 'queues empty chunks')
            transport.writelines(chunks)
            assert transport.get_write_buffer_size() == 0
            transport.write(b'x')
            assert await receive(peer, 1) == b'x'

    @pytest.mark.parametrize('chunks', [['str'], [1], [b'x', 7], None, 5])
    async def test_wrong_types(self, loop, chunks):
        if chunks is None and sys.version_info >= (3, 12):
            pytest.skip('None is nothing to write')
        async with connected(Recorder()) as (transport, _):
            with pytest.raises(TypeError):
                transport.writelines(chunks)

    async def test_refused_as_a_whole(self, loop):
        async with connected(Recorder()) as (transport, peer):
            if sys.version_info >= (3, 15):
                require_own_transport(transport, 'queues what comes before')
            with pytest.raises(TypeError):
                transport.writelines([b'not sent', bytearray(b'nor this'), 7])
            assert transport.get_write_buffer_size() == 0
            transport.write(b'x')
            assert await receive(peer, 1) == b'x'

    async def test_flow_control(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            if not WRITELINES_PAUSES:
                require_own_transport(transport, 'CVE-2024-12254')
            chunks = [b'l' * 100_000] * 80
            transport.writelines(chunks)
            assert protocol.calls == ['made', 'pause']
            await receive(peer, 8_000_000)
            await protocol.has('resume')

    async def test_order_with_writes(self, loop):
        async with connected(Recorder(), 'unix', small=True) as (transport, peer):
            written = await fill_up(transport)
            transport.write(b'a' * 3000)
            transport.writelines([b'b' * 3000, b'c' * 3000])
            transport.write(b'd' * 3000)
            received = (await receive(peer, written + 12_000))[written:]
            assert received == b'a' * 3000 + b'b' * 3000 + b'c' * 3000 + b'd' * 3000


class TestFlowControl:
    @both_kinds
    async def test_pause_within_write_and_resume_when_drained(self, loop, kind):
        protocol = Recorder()
        async with connected(protocol, kind) as (transport, peer):
            payload = os.urandom(1 << 16) * 100
            transport.write(payload)
            assert protocol.calls == ['made', 'pause']
            before = transport.get_write_buffer_size()
            assert 64 * 1024 < before < len(payload)
            assert await receive(peer, len(payload)) == payload
            await protocol.has('resume')
            assert protocol.calls == ['made', 'pause', 'resume']
            await iterations()
            assert transport.get_write_buffer_size() == 0

    async def test_pause_comes_once(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            for _ in range(100):
                transport.write(b'x' * 100_000)
            assert protocol.count('pause') == 1
            await receive(peer, 10_000_000)
            await protocol.has('resume')
            assert protocol.calls == ['made', 'pause', 'resume']

    async def test_size_counts_what_is_queued(self, loop):
        async with connected(Recorder(), 'unix', small=True) as (transport, _):
            await fill_up(transport)
            before = transport.get_write_buffer_size()
            transport.write(b'x' * 1000)
            assert transport.get_write_buffer_size() == before + 1000
            transport.write(bytearray(234))
            assert transport.get_write_buffer_size() == before + 1234

    async def test_pause_at_the_limit(self, loop):
        protocol = Recorder()
        async with connected(protocol, 'unix', small=True) as (transport, _):
            await fill_up(transport)
            size = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(high=size + 1000)
            transport.write(b'x' * 1000)
            assert 'pause' not in protocol.calls
            transport.write(b'x')
            assert 'pause' in protocol.calls

    async def test_limits_below_what_is_queued_pause_at_once(self, loop):
        protocol = Recorder()
        async with connected(protocol, 'unix', small=True) as (transport, _):
            await fill_up(transport)
            transport.set_write_buffer_limits(high=10)
            assert protocol.calls == ['made', 'pause']
            transport.set_write_buffer_limits()
            assert protocol.calls == ['made', 'pause']

    async def test_limit_of_zero(self, loop):
        protocol = Recorder()
        async with connected(protocol, 'unix', small=True) as (transport, peer):
            transport.set_write_buffer_limits(0)
            written = await fill_up(transport)
            assert protocol.calls == ['made', 'pause']
            await receive(peer, written)
            await protocol.has('resume')
            assert transport.get_write_buffer_size() == 0

    async def test_writing_on_in_resume_writing(self, loop):
        class Pushing(Recorder):
            left = 5

            def resume_writing(self):
                super().resume_writing()
                if self.left:
                    self.left -= 1
                    self.transport.write(b'x' * 1_000_000)

        protocol = Pushing()
        async with connected(protocol, 'unix') as (transport, peer):
            transport.write(b'x' * 1_000_000)
            assert await receive(peer, 6_000_000) == b'x' * 6_000_000
            await protocol.until(lambda: protocol.count('resume') == 6)
            assert protocol.calls == ['made'] + ['pause', 'resume'] * 6

    @pytest.mark.parametrize('how', ['abort', 'reset'])
    async def test_no_resume_once_the_connection_is_lost(self, loop, how):
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            transport.write(b'x' * 8_000_000)
            if how == 'abort':
                transport.abort()
            else:
                # Unread data makes this a reset.
                await receive(peer, 1)
                peer.close()
            await protocol.lost()
            await iterations()
            assert protocol.calls == ['made', 'pause', 'lost']
            assert transport.get_write_buffer_size() == 0

    async def test_pause_belongs_to_the_protocol_of_the_moment(self, loop):
        first, second = Recorder(), Recorder()
        async with connected(first) as (transport, peer):
            transport.write(b'x' * 8_000_000)
            transport.set_protocol(second)
            await receive(peer, 8_000_000)
            await second.has('resume')
            assert first.calls == ['made', 'pause']


class TestLimits:
    @pytest.mark.parametrize(
        ('arguments', 'limits'),
        [
            ({}, (16 * 1024, 64 * 1024)),
            ({'high': 1000}, (250, 1000)),
            ({'low': 1000}, (1000, 4000)),
            ({'high': 1000, 'low': 10}, (10, 1000)),
            ({'high': 10, 'low': 10}, (10, 10)),
            ({'high': 0}, (0, 0)),
            ({'low': 0}, (0, 0)),
            ({'high': None, 'low': None}, (16 * 1024, 64 * 1024)),
            ({'high': 3}, (0, 3)),
        ],
        ids=repr,
    )
    async def test_values(self, loop, arguments, limits):
        async with connected(Recorder()) as (transport, _):
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            assert transport.set_write_buffer_limits(**arguments) is None
            assert transport.get_write_buffer_limits() == limits

    @pytest.mark.parametrize(('high', 'low'), [(1, 2), (-1, None), (None, -1), (0, 1), (-1, -2)])
    async def test_refused(self, loop, high, low):
        async with connected(Recorder()) as (transport, _):
            with pytest.raises(ValueError) as caught:
                transport.set_write_buffer_limits(high=high, low=low)
            if low is None:
                low = high // 4
            if high is None:
                high = 4 * low
            assert str(caught.value) == f'high ({high}) must be >= low ({low}) must be >= 0'
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)

    @pytest.mark.parametrize('value', ['x', [], b''])
    async def test_wrong_types(self, loop, value):
        async with connected(Recorder()) as (transport, _):
            with pytest.raises(TypeError):
                transport.set_write_buffer_limits(high=value)
            with pytest.raises(TypeError):
                transport.set_write_buffer_limits(low=value)

    async def test_positional(self, loop):
        async with connected(Recorder()) as (transport, _):
            transport.set_write_buffer_limits(100, 50)
            assert transport.get_write_buffer_limits() == (50, 100)


class TestMuch:
    async def test_one_object(self, loop):
        """A gigabyte where PYASYNC_TESTS_BIG is set."""
        size = 1 << (30 if os.environ.get('PYASYNC_TESTS_BIG') else 24)
        payload = bytes(range(256)) * (size // 256)
        protocol = Recorder()
        async with connected(protocol) as (transport, peer):
            received = 0

            def drain():
                nonlocal received
                buffer, view = bytearray(1 << 20), memoryview(payload)
                peer.settimeout(LIMIT)
                while received < size:
                    count = peer.recv_into(buffer)
                    assert count
                    assert memoryview(buffer)[:count] == view[received : received + count]
                    received += count

            thread = threading.Thread(target=drain)
            thread.start()
            transport.write(payload)
            transport.close()
            assert await protocol.lost() is None
            await loop.run_in_executor(None, thread.join)
            assert received == size

    async def test_a_peer_that_reads_nothing(self, loop):
        protocol = Recorder()
        async with connected(protocol) as (transport, _):
            fill(transport._sock)
            for _ in range(1000):
                transport.write(b'x' * 10_000)
            assert transport.get_write_buffer_size() == 10_000_000
            assert protocol.calls == ['made', 'pause']
            # The loop sleeps meanwhile: what cannot be written costs nothing.
            used = []
            for _ in range(3):  # a virtual processor's time may count while its host runs others
                before = time.process_time()
                await asyncio.sleep(0.05)
                used.append(time.process_time() - before)
            assert min(used) < 0.04
            transport.close()
            await iterations()
            assert protocol.calls == ['made', 'pause']
            transport.abort()
            assert await protocol.lost() is None
            await closed(transport)
