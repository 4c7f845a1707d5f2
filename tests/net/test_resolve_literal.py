"""getaddrinfo() and getnameinfo() of what needs no resolver: as socket's own, without a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import socket

import pytest

HOSTS = [
    None,
    '127.0.0.1',
    b'127.0.0.1',
    '0.0.0.0',
    '::1',
    b'::1',
    '2001:DB8:0::A',
    '::ffff:1.2.3.4',
    'fe80::1%lo',
    'fe80::1%1',
    '::1%lo',
]
PORTS = [None, 0, 80, 65535, '80', b'80', '080']
FAMILIES = [0, socket.AF_INET, socket.AF_INET6]
KINDS = [(0, 0), (socket.SOCK_STREAM, 0), (2, 17), (socket.SOCK_RAW, 0), (0, 6), (1, 17), (99, 0)]
FLAGS = [0, socket.AI_PASSIVE, socket.AI_CANONNAME, socket.AI_ADDRCONFIG | socket.AI_NUMERICSERV]

# Left to asyncio: not literals, ports that getaddrinfo(3) cuts or looks up, other types.
ODD_HOSTS = ['1.2.3.4 ', '1.2.3.4\0', '', 5, bytearray(b'1.2.3.4'), 'fe80::1%', '%lo', '1' * 300]
ODD_PORTS = ['', 65536, -1, 1 << 70, True, 80.0, '8x', 'http', '000080']


class Inline(concurrent.futures.ThreadPoolExecutor):
    """Runs what it is given at once, and counts it."""

    count = 0

    def submit(self, function, *args):
        self.count += 1
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def executor(loop):
    inline = Inline()
    loop.set_default_executor(inline)
    return inline


def outcome(function, *args):
    try:
        return repr(function(*args))
    except Exception as error:
        return repr(error)


async def resolved(loop, host, port, family, kind, proto, flags):
    try:
        return repr(
            await loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
        )
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize('host', HOSTS)
async def test_literals(loop, impl, executor, host):
    for port, family, (kind, proto), flags in itertools.product(PORTS, FAMILIES, KINDS, FLAGS):
        query = (host, port, family, kind, proto, flags)
        expected = outcome(socket.getaddrinfo, *query)
        executor.count = 0
        assert await resolved(loop, *query) == expected, query
        if impl.ours and expected.startswith('['):
            assert executor.count == 0, query


@pytest.mark.parametrize('host', ODD_HOSTS)
async def test_odd_hosts(loop, executor, host):
    query = (host, 80, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    assert await resolved(loop, *query) == outcome(socket.getaddrinfo, *query)


@pytest.mark.parametrize('port', ODD_PORTS)
async def test_odd_ports(loop, executor, port):
    query = ('127.0.0.1', port, 0, socket.SOCK_STREAM, 0, 0)
    assert await resolved(loop, *query) == outcome(socket.getaddrinfo, *query)


async def test_it_is_a_coroutine(loop):
    query = loop.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)
    assert asyncio.iscoroutine(query)
    ((family, kind, proto, canonname, address),) = await loop.create_task(query)
    assert isinstance(family, socket.AddressFamily)
    assert isinstance(kind, socket.SocketKind)
    assert (proto, address) == (socket.IPPROTO_TCP, ('127.0.0.1', 80))
    assert canonname in ('', '127.0.0.1')  # of glibc, of musl


@pytest.mark.ours
def test_it_needs_no_iteration(loop):
    with pytest.raises(StopIteration) as done:
        loop.getaddrinfo('127.0.0.1', 80).send(None)
    assert done.value.value == socket.getaddrinfo('127.0.0.1', 80)


async def test_another_socket_getaddrinfo_is_called(loop, executor, monkeypatch):
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args: args)
    assert await loop.getaddrinfo('127.0.0.1', 80) == ('127.0.0.1', 80, 0, 0, 0, 0)
    monkeypatch.setattr(socket, 'getnameinfo', lambda *args: args)
    assert await loop.getnameinfo(('127.0.0.1', 80), 3) == (('127.0.0.1', 80), 3)


async def test_arguments(loop):
    for args, kwargs in (((), {}), (('127.0.0.1',), {}), (('127.0.0.1', 80, 2), {})):
        with pytest.raises(TypeError, match=r'getaddrinfo\(\)'):
            await loop.getaddrinfo(*args, **kwargs)
    with pytest.raises(TypeError, match='unexpected keyword'):
        await loop.getaddrinfo('127.0.0.1', 80, kind=1)
    assert await loop.getaddrinfo(port=80, host='127.0.0.1', type=1)


def test_a_closed_loop(impl):
    loop = impl.new_event_loop()
    loop.close()
    for query in (loop.getaddrinfo('127.0.0.1', 80), loop.getnameinfo(('127.0.0.1', 80), 3)):
        with pytest.raises(RuntimeError, match='Event loop is closed'):
            query.send(None)


async def test_getnameinfo(loop, impl, executor):
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    for address in (('127.0.0.1', 80), ('::1', 80, 0, 0), ('127.0.0.1',), 5, ('x y', 80)):
        expected = outcome(socket.getnameinfo, address, numeric)
        try:
            found = repr(await loop.getnameinfo(address, numeric))
        except Exception as error:
            found = repr(error)
        assert found == expected
    assert executor.count == (0 if impl.ours else 5)
    assert await loop.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST) == ('127.0.0.1', 'http')
