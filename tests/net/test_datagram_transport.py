"""Datagram transports: addresses, order, queues, errors, families, and what they are."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import socket
import struct
import sys
import weakref
from asyncio import constants, transports, trsock

import pytest
from net.support import DatagramRecorder, closed, iterations

pytestmark = pytest.mark.pollers

LOOPBACK = ('127.0.0.1', 0)


@contextlib.asynccontextmanager
async def endpoint(protocol=None, local_addr=LOOPBACK, **options):
    """A transport and its protocol, closed at last."""
    loop = asyncio.get_running_loop()
    protocol = protocol or DatagramRecorder()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: protocol, local_addr=local_addr, **options
    )
    try:
        yield transport, protocol
    finally:
        if transport.get_extra_info('socket').fileno() >= 0:
            transport.abort()
        await closed(transport)


@contextlib.contextmanager
def udp_socket(family=socket.AF_INET, host='127.0.0.1'):
    """The other end."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        yield sock


@contextlib.asynccontextmanager
async def stuffed(tmp_path):
    """An endpoint whose peer, a Unix socket, takes nothing more; and that peer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        peer.bind(str(tmp_path / 'peer'))
        options = {'family': socket.AF_UNIX, 'remote_addr': str(tmp_path / 'peer')}
        async with endpoint(local_addr=None, **options) as (transport, protocol):
            sent = 0
            while not transport.get_write_buffer_size():
                transport.sendto(b'%d' % sent)
                sent += 1
            yield transport, protocol, peer, sent


async def drain(peer, count):
    """So many datagrams from the peer's queue."""
    loop = asyncio.get_running_loop()
    return [await loop.sock_recv(peer, 65536) for _ in range(count)]


class TestReceiving:
    async def test_data_and_address(self, loop):
        async with endpoint() as (transport, protocol):
            with udp_socket() as sock:
                sock.sendto(b'hello', transport.get_extra_info('sockname'))
                assert await protocol.received(1) == [b'hello']
                assert protocol.addresses == [sock.getsockname()]
                assert type(protocol.datagrams[0]) is bytes

    async def test_several_in_order(self, loop):
        async with endpoint() as (transport, protocol):
            with udp_socket() as sock:
                wanted = [b'%d' % number for number in range(50)]
                for data in wanted:
                    sock.sendto(data, transport.get_extra_info('sockname'))
                assert await protocol.received(50) == wanted
                assert protocol.calls == ['made'] + ['datagram'] * 50

    @pytest.mark.parametrize('size', [0, 1, 65507])
    async def test_sizes(self, loop, size):
        async with endpoint() as (transport, protocol):
            with udp_socket() as sock:
                sock.sendto(b'x' * size, transport.get_extra_info('sockname'))
                assert await protocol.received(1) == [b'x' * size]

    async def test_none_before_the_connection_is_made(self, loop):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(LOOPBACK)
        with udp_socket() as peer:
            peer.sendto(b'early', sock.getsockname())
        async with endpoint(local_addr=None, sock=sock) as (_, protocol):
            await protocol.received(1)
            assert protocol.calls == ['made', 'datagram']

    @pytest.mark.parametrize('how', ['close', 'abort'])
    async def test_none_after_closing_among_several(self, loop, how):
        class Closing(DatagramRecorder):
            def datagram_received(self, data, addr):
                super().datagram_received(data, addr)
                getattr(self.transport, how)()

        async with endpoint(Closing()) as (transport, protocol):
            with udp_socket() as sock:
                for _ in range(5):
                    sock.sendto(b'x', transport.get_extra_info('sockname'))
            assert await protocol.lost() is None
            assert protocol.calls == ['made', 'datagram', 'lost']

    async def test_protocol_that_raises(self, loop):
        class Expected(Exception):
            pass

        class Raising(DatagramRecorder):
            def datagram_received(self, data, addr):
                super().datagram_received(data, addr)
                raise Expected

        async with endpoint(Raising()) as (transport, protocol):
            with udp_socket() as sock:
                for number in (1, 2):
                    sock.sendto(b'x', transport.get_extra_info('sockname'))
                    await protocol.received(number)
                await iterations()
            # Stock lets the event loop report it, and goes on.
            assert len(loop.reports) == 2
            for report in loop.reports:
                assert type(report.pop('exception')) is Expected
            loop.reports.clear()
            assert not transport.is_closing()

    async def test_another_protocol(self, loop):
        async with endpoint() as (transport, first):
            second = DatagramRecorder()
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            with udp_socket() as sock:
                sock.sendto(b'x', transport.get_extra_info('sockname'))
                await second.received(1)
            assert first.calls == ['made']
            transport.close()
            await second.lost()


class TestSending:
    @pytest.mark.parametrize(
        'data', [b'bytes', bytearray(b'bytearray'), memoryview(b'view'), memoryview(b'xaxb')[1:3]]
    )
    async def test_to_an_address(self, loop, data):
        async with endpoint() as (transport, _):
            with udp_socket() as sock:
                assert transport.sendto(data, sock.getsockname()) is None
                received, address = await loop.sock_recvfrom(sock, 100)
                assert received == bytes(data)
                assert address == transport.get_extra_info('sockname')

    async def test_connected(self, loop):
        with udp_socket() as sock:
            address = sock.getsockname()
            async with endpoint(local_addr=None, remote_addr=address) as (transport, protocol):
                assert transport.get_extra_info('peername') == address
                transport.sendto(b'1')
                transport.sendto(b'2', None)
                transport.sendto(b'3', address)
                transport.sendto(data=b'4', addr=address)
                received = [await loop.sock_recvfrom(sock, 100) for _ in range(4)]
                assert [data for data, _ in received] == [b'1', b'2', b'3', b'4']
                sock.sendto(b'back', received[0][1])
                assert await protocol.received(1) == [b'back']

    async def test_wrong_address_on_a_connected_socket(self, loop):
        with udp_socket() as sock:
            address = sock.getsockname()
            async with endpoint(local_addr=None, remote_addr=address) as (transport, _):
                with pytest.raises(ValueError) as caught:
                    transport.sendto(b'x', ('127.0.0.1', 1))
                text = f'Invalid address: must be None or {address}'
                assert str(caught.value) == text

    @pytest.mark.parametrize('data', ['str', None, 5, [1]])
    async def test_wrong_types(self, loop, data):
        async with endpoint() as (transport, _):
            with pytest.raises(TypeError) as caught:
                transport.sendto(data, LOOPBACK)
            text = f'data argument must be a bytes-like object, not {type(data).__name__!r}'
            assert str(caught.value) == text

    @pytest.mark.parametrize('address', [None, 'str', ('127.0.0.1',), ('127.0.0.1', 'x'), 5])
    async def test_wrong_addresses(self, loop, address):
        """What sendto() itself refuses: an OSError for the protocol, others end the transport."""
        async with endpoint() as (transport, protocol):
            transport.sendto(b'x', address)
            if protocol.errors:
                assert address is None
                assert isinstance(protocol.errors[0], OSError)
                assert not transport.is_closing()
                return
            assert isinstance(await protocol.lost(), TypeError)
            (report,) = loop.reports
            assert report['message'] == 'Fatal write error on datagram transport'
            report['exception'].__traceback__ = None
            loop.reports.clear()

    async def test_empty(self, loop):
        async with endpoint() as (transport, _):
            with udp_socket() as sock:
                transport.sendto(b'', sock.getsockname())
                transport.sendto(b'x', sock.getsockname())
                received = [await loop.sock_recv(sock, 10)]
                # Before 3.13 there was nothing to send.
                if sys.version_info >= (3, 13):
                    received.append(await loop.sock_recv(sock, 10))
                    assert received == [b'', b'x']
                else:
                    assert received == [b'x']

    async def test_too_large(self, loop):
        async with endpoint() as (transport, protocol):
            transport.sendto(b'x' * 70_000, ('127.0.0.1', 9))
            assert isinstance(protocol.errors[0], OSError)
            assert not transport.is_closing()

    async def test_refused_by_the_peer(self, loop):
        """An ICMP error on a connected socket comes to error_received()."""
        with udp_socket() as sock:
            address = sock.getsockname()
        async with endpoint(local_addr=None, remote_addr=address) as (transport, protocol):
            transport.sendto(b'x')
            await protocol.has('error')
            assert isinstance(protocol.errors[0], ConnectionRefusedError)
            assert not transport.is_closing()

    async def test_after_close(self, loop, caplog):
        caplog.set_level(logging.WARNING, 'asyncio')
        with udp_socket() as sock:
            options = {'local_addr': None, 'remote_addr': sock.getsockname()}
            async with endpoint(**options) as (transport, protocol):
                transport.close()
                for _ in range(10):
                    transport.sendto(b'dropped')
                expected = 11 - constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
                assert caplog.messages == ['socket.send() raised exception.'] * expected
                await protocol.lost()
            with pytest.raises(BlockingIOError):
                sock.recv(10)


class TestQueue:
    async def test_sent_when_the_peer_reads(self, loop, tmp_path):
        async with stuffed(tmp_path) as (transport, _, peer, sent):
            data = bytearray(b'changed later')
            transport.sendto(data)
            data[:] = b'?'
            wanted = [b'%d' % number for number in range(sent)] + [b'changed later']
            assert await drain(peer, len(wanted)) == wanted
            await iterations()
            assert not loop.remove_writer(peer)

    async def test_close_flushes(self, loop, tmp_path):
        async with stuffed(tmp_path) as (transport, protocol, peer, sent):
            transport.close()
            assert transport.is_closing()
            await iterations()
            assert 'lost' not in protocol.calls
            assert len(await drain(peer, sent)) == sent
            assert await protocol.lost() is None

    async def test_abort_does_not(self, loop, tmp_path):
        async with stuffed(tmp_path) as (transport, protocol, peer, sent):
            transport.abort()
            assert await protocol.lost() is None
            assert len(await drain(peer, sent - 1)) == sent - 1
            with pytest.raises(BlockingIOError):
                peer.recv(10)

    async def test_flow_control(self, loop, tmp_path):
        async with stuffed(tmp_path) as (transport, protocol, peer, sent):
            transport.set_write_buffer_limits(high=1000)
            size = transport.get_write_buffer_size()
            transport.sendto(b'x' * 500)
            assert transport.get_write_buffer_size() >= size + 500
            assert 'pause' not in protocol.calls
            transport.sendto(b'x' * 600)
            assert protocol.calls == ['made', 'pause']
            await drain(peer, sent + 2)
            await protocol.has('resume')

    async def test_peer_gone_meanwhile(self, loop, tmp_path):
        async with stuffed(tmp_path) as (transport, protocol, peer, _):
            peer.close()
            await protocol.has('error')
            assert isinstance(protocol.errors[0], OSError)
            assert not transport.is_closing()
            # Stock's abort() fails as long as it watches for writing.
            while 'write=<polling' in repr(transport):
                await asyncio.sleep(0)


class TestFamilies:
    async def test_ipv6(self, loop):
        try:
            with udp_socket(socket.AF_INET6, '::1'):
                pass
        except OSError:
            pytest.skip('no IPv6 on loopback')
        async with endpoint(local_addr=('::1', 0)) as (transport, protocol):
            name = transport.get_extra_info('sockname')
            assert len(name) == 4
            with udp_socket(socket.AF_INET6, '::1') as sock:
                sock.sendto(b'x', name)
                await protocol.received(1)
                assert protocol.addresses == [sock.getsockname()]
                transport.sendto(b'y', protocol.addresses[0])
                assert await loop.sock_recv(sock, 10) == b'y'

    async def test_unix(self, loop, tmp_path):
        path = str(tmp_path / 'mine')
        async with endpoint(local_addr=path, family=socket.AF_UNIX) as (transport, protocol):
            assert transport.get_extra_info('sockname') == path
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(b'unnamed', path)
                await protocol.received(1)
                sock.bind(str(tmp_path / 'other'))
                sock.sendto(b'named', path)
                assert await protocol.received(2) == [b'unnamed', b'named']
                assert protocol.addresses == [None, str(tmp_path / 'other')]
                transport.sendto(b'back', protocol.addresses[1])
                assert await loop.sock_recv(sock, 10) == b'back'

    async def test_unix_pair(self, loop):
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        async with endpoint(local_addr=None, sock=left) as (transport, protocol):
            right.send(b'x')
            await protocol.received(1)
            assert protocol.addresses == [None]
            assert transport.get_extra_info('peername') == ''
            right.close()

    @pytest.mark.skipif(not hasattr(socket, 'AF_NETLINK'), reason='Linux has netlink')
    async def test_netlink(self, loop):
        try:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
            sock.bind((0, 0))
        except OSError:
            pytest.skip('no netlink here')
        async with endpoint(local_addr=None, sock=sock) as (transport, protocol):
            # struct nlmsghdr: RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, then struct rtgenmsg.
            sequence = 7
            message = struct.pack('=IHHIII', 20, 18, 0x301, sequence, 0, 0)
            transport.sendto(message, (0, 0))
            await protocol.received(1)
            assert int.from_bytes(protocol.datagrams[0][8:12], sys.byteorder) == sequence
            assert protocol.addresses[0][0] == 0

    async def test_broadcast(self, loop):
        options = {'local_addr': LOOPBACK, 'allow_broadcast': True}
        async with endpoint(**options) as (transport, _):
            sock = transport.get_extra_info('socket')
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)

    async def test_reuse_port(self, loop):
        async with endpoint(reuse_port=True) as (transport, _):
            name = transport.get_extra_info('sockname')
            async with endpoint(local_addr=name, reuse_port=True) as (other, _):
                assert other.get_extra_info('sockname') == name


class TestType:
    async def test_isinstance(self, loop):
        async with endpoint() as (transport, _):
            assert isinstance(transport, transports.BaseTransport)
            assert isinstance(transport, transports._FlowControlMixin)
            assert isinstance(transport, asyncio.DatagramTransport) or sys.version_info < (3, 13)

    async def test_extra_info(self, loop):
        async with endpoint() as (transport, protocol):
            sock = transport.get_extra_info('socket')
            assert type(sock) is trsock.TransportSocket
            assert sock.getsockname() == transport.get_extra_info('sockname')
            assert transport.get_extra_info('peername', 'default') is None
            assert transport.get_extra_info('nonsense', 'default') == 'default'
            transport.close()
            await protocol.lost()
            assert transport.get_extra_info('sockname')

    async def test_attributes(self, loop):
        async with endpoint() as (transport, protocol):
            assert transport._loop is loop
            assert transport._protocol is protocol
            assert transport._sock.fileno() == transport._sock_fd
            assert transport._closing is False
            assert transport._conn_lost == 0
            assert transport._address is None
            assert not transport._buffer
            sent = []
            transport.sendto = lambda data, addr=None: sent.append(data)
            transport.sendto(b'x')
            assert sent == [b'x']
            assert weakref.ref(transport)() is transport
            transport.close()
            await protocol.lost()
            assert transport._sock is None
            assert transport._protocol is None
            assert transport._loop is None

    async def test_repr(self, loop):
        async with endpoint() as (transport, protocol):
            await iterations()
            name, fd = re.escape(type(transport).__name__), transport._sock_fd
            pattern = f'<{name} fd={fd} read=polling write=<idle, bufsize=0>>'
            assert re.fullmatch(pattern, repr(transport))
            transport.close()
            pattern = f'<{name} closing fd={fd} read=idle write=<idle, bufsize=0>>'
            assert re.fullmatch(pattern, repr(transport))
            await protocol.lost()
            await iterations()
            assert re.fullmatch(f'<{name} closed fd={fd}>', repr(transport))

    def test_unclosed(self, loop):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(LOOPBACK)
        transport, _ = loop.run_until_complete(
            loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)
        )
        loop.close()
        with pytest.warns(ResourceWarning, match='unclosed transport'):
            del transport
            gc.collect()
        assert sock.fileno() == -1

    def test_protocol_that_is_none(self, loop):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(LOOPBACK)
        with pytest.warns(ResourceWarning, match=r'^unclosed transport <_Selector.* fd=\d+ '):
            with pytest.raises(AttributeError, match='connection_made'):
                loop.run_until_complete(loop.create_datagram_endpoint(object, sock=sock))
            gc.collect()
        assert sock.fileno() == -1

    async def test_close_and_abort_are_idempotent(self, loop):
        async with endpoint() as (transport, protocol):
            transport.close()
            transport.abort()
            transport.close()
            assert await protocol.lost() is None
            await iterations()
            assert protocol.calls == ['made', 'lost']
            transport.abort()
