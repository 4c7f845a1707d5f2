"""Socket addresses: what a datagram transport makes of them is what the socket module does."""

from __future__ import annotations

import contextlib
import os
import socket

import pytest
from net.support import DatagramRecorder, closed, iterations

FAMILIES = {'inet': (socket.AF_INET, '127.0.0.1'), 'inet6': (socket.AF_INET6, '::1')}

each_family = pytest.mark.parametrize('family', FAMILIES)

# PORT stands for the port of a bound socket. Nobody listens at the other ports.
PORT = object()

ADDRESSES = {
    'plain': ('127.0.0.1', PORT),
    'plain inet6': ('::1', PORT),
    'inet6 with flow': ('::1', PORT, 0),
    'inet6 with scope': ('::1', PORT, 0, 0),
    'inet6 mapped': ('::ffff:127.0.0.1', PORT),
    'inet6 zone': ('::1%lo', PORT),
    'flow too large': ('::1', PORT, 1 << 20, 0),
    'flow negative': ('::1', PORT, -1, 0),
    'scope too large': ('::1', PORT, 0, 1 << 40),
    'scope negative': ('::1', PORT, 0, -1),
    'scope unknown': ('::1', PORT, 0, 1 << 20),
    'too long': ('::1', PORT, 0, 0, 0),
    'too short': ('127.0.0.1',),
    'empty': (),
    'no port': ('127.0.0.1', None),
    'port is text': ('127.0.0.1', '1'),
    'port is a float': ('127.0.0.1', 1.5),
    'port is true': ('127.0.0.1', True),
    'port too large': ('127.0.0.1', 65536),
    'port huge': ('127.0.0.1', 1 << 70),
    'port negative': ('127.0.0.1', -1),
    'inet6 port too large': ('::1', 65536),
    'host is a name': ('localhost', PORT),
    'host is bytes': (b'127.0.0.1', PORT),
    'host is short': ('127.1', PORT),
    'host is empty': ('', PORT),
    'host has a NUL': ('127.0.0.1\0', PORT),
    'host is no text': ('\ud800', PORT),
    'host is a number': (5, PORT),
    'broadcast': ('<broadcast>', PORT),
    'broadcast number': ('255.255.255.255', PORT),
    'a list': ['127.0.0.1', PORT],
    'text': 'text',
    'None': None,
    'number': 5,
}

PATHS = {
    'path': 'bound',
    'path as bytes': b'bound',
    'path as bytearray': bytearray(b'bound'),
    'path as memoryview': memoryview(b'bound'),
    'path of nobody': 'nobody',
    'path not ASCII': 'n\xf6body',
    'path with surrogates': 'n\udcffbody',
    'path with a NUL': 'bound\0x',
    'path at the limit': 'x' * 107,
    'path beyond the limit': 'x' * 108,
    'path far beyond it': 'x' * 1000,
    'path empty': '',
    'bytes empty': b'',
    'abstract': '\0pyasync-test-bound',
    'abstract as bytes': b'\0pyasync-test-bound',
    'abstract at the limit': b'\0' + b'x' * 107,
    'abstract beyond the limit': b'\0' + b'x' * 108,
    'path is a tuple': ('bound', 1),
    'path is None': None,
    'path is a number': 5,
}

LINUX = os.path.exists('/proc/self')


def outcome(error):
    return type(error), str(error)


def sent_by_socket(family, address):
    """What socket.sendto() raises, or None."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.sendto(b'x', address)
        except Exception as error:
            return outcome(error)
    return None


async def sent_by_transport(loop, family, address):
    """The same of transport.sendto(): what the protocol or the exception handler is told."""
    protocol = DatagramRecorder()
    transport, _ = await loop.create_datagram_endpoint(lambda: protocol, family=family)
    reports = []
    loop.set_exception_handler(lambda loop, context: reports.append(context['exception']))
    transport.sendto(b'x', address)
    transport.close()
    await closed(transport)
    told = protocol.errors + reports
    assert len(told) <= 1
    # What is no OSError ended the transport.
    assert protocol.error is (reports[0] if reports else None)
    return outcome(told[0]) if told else None


def with_port(address, port):
    if isinstance(address, (tuple, list)):
        return type(address)(port if item is PORT else item for item in address)
    return address


class TestToTheKernel:
    @each_family
    @pytest.mark.parametrize('name', ADDRESSES)
    async def test_inet(self, loop, family, name):
        number, host = FAMILIES[family]
        with socket.socket(number, socket.SOCK_DGRAM) as receiver:
            receiver.bind((host, 0))
            receiver.setblocking(False)
            address = with_port(ADDRESSES[name], receiver.getsockname()[1])
            expected = sent_by_socket(number, address)
            with contextlib.suppress(BlockingIOError):
                arrived = receiver.recv(10)
                assert arrived == b'x'
                expected = 'arrived'
            found = await sent_by_transport(loop, number, address)
            with contextlib.suppress(BlockingIOError):
                assert receiver.recv(10) == b'x'
                found = 'arrived'
            assert found == expected

    @pytest.mark.skipif(not LINUX, reason='abstract names are of Linux')
    @pytest.mark.parametrize('name', PATHS)
    async def test_unix(self, loop, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as by_path,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as by_name,
        ):
            by_path.bind('bound')
            by_name.bind('\0pyasync-test-bound')
            expected = sent_by_socket(socket.AF_UNIX, PATHS[name])
            assert await sent_by_transport(loop, socket.AF_UNIX, PATHS[name]) == expected
            for sock in by_path, by_name:
                count = 0
                with contextlib.suppress(BlockingIOError):
                    while sock.recv(10, socket.MSG_DONTWAIT) == b'x':
                        count += 1
                assert count in (0, 2)

    @each_family
    async def test_changing_receivers(self, loop, family):
        number, host = FAMILIES[family]
        with contextlib.ExitStack() as stack:
            receivers = []
            for _ in range(3):
                sock = stack.enter_context(socket.socket(number, socket.SOCK_DGRAM))
                sock.bind((host, 0))
                sock.settimeout(5)
                receivers.append(sock)
            names = [sock.getsockname() for sock in receivers]
            transport, _ = await loop.create_datagram_endpoint(DatagramRecorder, family=number)
            for i in (0, 1, 2, 0, 0, 2, 1, 1):
                # Now the same object, now an equal one.
                transport.sendto(b'%d' % i, names[i])
                transport.sendto(b'%d' % i, (*names[i],))
                assert receivers[i].recv(10) == receivers[i].recv(10) == b'%d' % i
            transport.close()
            await closed(transport)


class TestFromTheKernel:
    @each_family
    async def test_inet(self, loop, family):
        number, host = FAMILIES[family]
        protocol = DatagramRecorder()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: protocol, local_addr=(host, 0), family=number
        )
        with contextlib.ExitStack() as stack:
            senders = []
            for _ in range(3):
                sock = stack.enter_context(socket.socket(number, socket.SOCK_DGRAM))
                sock.bind((host, 0))
                senders.append(sock)
            order = [0, 0, 1, 2, 1, 1, 0]
            for i in order:
                senders[i].sendto(b'x', transport.get_extra_info('sockname'))
            await protocol.received(len(order))
            assert protocol.addresses == [senders[i].getsockname() for i in order]
            assert {type(address) for address in protocol.addresses} == {tuple}
            for address in protocol.addresses:
                assert [type(item) for item in address] == [str] + [int] * (len(address) - 1)
        transport.close()
        await closed(transport)

    @pytest.mark.parametrize(
        'host', ['127.0.0.1', '127.1.2.3', '127.10.20.30', '127.100.200.255', '127.0.10.101']
    )
    @pytest.mark.skipif(not LINUX, reason='127/8 is all local on Linux')
    async def test_hosts_are_written_as_the_socket_module_does(self, loop, host):
        protocol = DatagramRecorder()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: protocol, local_addr=('127.0.0.1', 0)
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((host, 0))
            sender.sendto(b'x', transport.get_extra_info('sockname'))
            await protocol.received(1)
            assert protocol.addresses == [(host, sender.getsockname()[1])]
        transport.close()
        await closed(transport)

    @pytest.mark.skipif(not LINUX, reason='abstract names are of Linux')
    async def test_unix(self, loop, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        protocol = DatagramRecorder()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: protocol, local_addr='receiver', family=socket.AF_UNIX
        )
        names = ['path', 'p\xe4th', 'x' * 107, b'\0pyasync-test-sender', b'\0', '']
        with contextlib.ExitStack() as stack:
            senders = []
            for name in names:
                sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                if name and name != b'\0':
                    sock.bind(name)
                elif name:
                    sock.bind('')  # The kernel chooses an abstract name.
                sock.sendto(b'x', 'receiver')
                senders.append(sock)
            await protocol.received(len(names))
            expected = [sock.getsockname() or None for sock in senders]
            assert protocol.addresses == expected
            assert expected[:4] == names[:4]
            assert expected[-1] is None
        transport.close()
        await closed(transport)

    async def test_answers_reach_who_asked(self, loop):
        protocol = DatagramRecorder()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: protocol, local_addr=('127.0.0.1', 0)
        )
        protocol.datagram_received = transport.sendto
        with contextlib.ExitStack() as stack:
            clients = []
            for _ in range(5):
                sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sock.connect(transport.get_extra_info('sockname'))
                sock.setblocking(False)
                clients.append(sock)
            for turn in range(20):
                for i, sock in enumerate(clients):
                    sock.send(b'%d %d' % (turn, i))
                for i, sock in enumerate(clients):
                    assert await loop.sock_recv(sock, 100) == b'%d %d' % (turn, i)
        transport.close()
        await closed(transport)
        await iterations()
