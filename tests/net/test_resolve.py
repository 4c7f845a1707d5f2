"""loop.getaddrinfo() and getnameinfo() answer as the socket module does, literals at once."""

from __future__ import annotations

import itertools
import socket

import pytest

HOSTS = [
    '127.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '10.1.2.3',
    '127.1',
    '0x7f.1',
    '017700000001',
    '2130706433',
    '1.2.3',
    '::',
    '::1',
    '2001:db8::1',
    '2001:DB8:0:0::0001',
    '::ffff:1.2.3.4',
    '::1.2.3.4',
    'fe80::1%lo',
    'fe80::1%1',
    '::1%lo',
    '',
    None,
    b'127.0.0.1',
    b'::1',
]
# Asked with AI_NUMERICHOST only: else they may go to a name server.
NOT_NUMERIC = [
    '127.0.0.1.',
    '1.2.3.256',
    '1.2.3.4.5',
    ' 127.0.0.1',
    '127.0.0.1 ',
    'fe80::1%nonesuch',
    'fe80::1%',
    '[::1]',
    ':::1',
    '1::2::3',
    '12345::',
    '::g',
    'x' * 64,
    'x.' * 200,
    'a' * 300,
    'ungültig..',
    'nul\0byte',
]
FAMILIES = [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET]
PROTOCOLS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, 200]
FLAGS = [
    0,
    socket.AI_PASSIVE,
    socket.AI_CANONNAME,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_V4MAPPED,
    socket.AI_V4MAPPED | socket.AI_ALL,
    socket.AI_PASSIVE | socket.AI_CANONNAME | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    1 << 20,
]
PORTS = [
    0,
    80,
    65535,
    '0',
    '80',
    b'80',
    'http',
    b'http',
    'nonesuch',
    '',
    None,
    '65536',
    ' 80',
    '-1',
]
PORTS += [65536, -1, 1 << 40, '080', '8 0', 1.5, '٣']


def outcome(function, *args, **kwargs):
    """What the call answers, or which error it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


async def outcome_async(function, *args, **kwargs):
    try:
        return await function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


class TestGetaddrinfo:
    @pytest.mark.parametrize('host', HOSTS + NOT_NUMERIC, ids=lambda host: ascii(host)[:20])
    async def test_hosts(self, loop, host):
        """Every combination of family, type, protocol and flags."""
        numeric = socket.AI_NUMERICHOST if host in NOT_NUMERIC else 0
        few = host not in HOSTS
        combinations = itertools.product(
            FAMILIES,
            TYPES[:3] if few else TYPES,
            PROTOCOLS[:3] if few else PROTOCOLS,
            FLAGS[:4] if few else FLAGS,
        )
        for family, kind, proto, flags in combinations:
            options = {'family': family, 'type': kind, 'proto': proto, 'flags': flags | numeric}
            wanted = outcome(socket.getaddrinfo, host, 80, **options)
            assert await outcome_async(loop.getaddrinfo, host, 80, **options) == wanted, options

    @pytest.mark.parametrize('host', ['localhost', b'localhost'])
    @pytest.mark.parametrize('kind', TYPES[:3])
    async def test_names(self, loop, host, kind):
        options = {'family': socket.AF_INET, 'type': kind}
        wanted = socket.getaddrinfo(host, 80, **options)
        assert await loop.getaddrinfo(host, 80, **options) == wanted

    @pytest.mark.parametrize('port', PORTS, ids=ascii)
    @pytest.mark.parametrize('host', ['127.0.0.1', '::1', 'fe80::1%lo', None], ids=ascii)
    async def test_ports(self, loop, host, port):
        for kind, flags in itertools.product(TYPES[:3], (0, socket.AI_NUMERICSERV)):
            options = {'type': kind, 'flags': flags}
            wanted = outcome(socket.getaddrinfo, host, port, **options)
            assert await outcome_async(loop.getaddrinfo, host, port, **options) == wanted, options

    async def test_defaults(self, loop):
        wanted = socket.getaddrinfo('127.0.0.1', 80)
        assert await loop.getaddrinfo('127.0.0.1', 80) == wanted

    async def test_types_of_the_answer(self, loop):
        answer = await loop.getaddrinfo('::1', 80, type=socket.SOCK_STREAM)
        assert type(answer) is list
        (one,) = answer
        assert type(one) is tuple
        assert [type(field) for field in one] == [
            socket.AddressFamily,
            socket.SocketKind,
            int,
            str,
            tuple,
        ]
        assert one[4] == ('::1', 80, 0, 0)

    async def test_zones(self, loop):
        answer = await loop.getaddrinfo('fe80::1%lo', 80, type=socket.SOCK_STREAM)
        assert answer[0][4][3] == socket.if_nametoindex('lo')

    @pytest.mark.parametrize('host', [5, 1.5, [], object, ('127.0.0.1',)], ids=repr)
    async def test_wrong_types(self, loop, host):
        wanted = outcome(socket.getaddrinfo, host, 80)
        assert wanted[0] is TypeError
        assert (await outcome_async(loop.getaddrinfo, host, 80))[0] is TypeError

    async def test_answers_are_not_shared(self, loop):
        first = await loop.getaddrinfo('127.0.0.1', 80)
        first.clear()
        assert await loop.getaddrinfo('127.0.0.1', 80)

    async def test_a_patched_socket_module(self, loop, monkeypatch):
        """Names are resolved by socket.getaddrinfo() of the moment."""
        asked = []

        def patched(*args, **kwargs):
            asked.append(args[0])
            return []

        monkeypatch.setattr(socket, 'getaddrinfo', patched)
        assert await loop.getaddrinfo('name.invalid', 80) == []
        assert asked == ['name.invalid']

    async def test_debug_mode(self, loop):
        loop.set_debug(True)
        wanted = socket.getaddrinfo('127.0.0.1', 80)
        assert await loop.getaddrinfo('127.0.0.1', 80) == wanted
        loop.set_debug(False)


class TestGetnameinfo:
    NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

    @pytest.mark.parametrize(
        'address',
        [
            ('127.0.0.1', 80),
            ('0.0.0.0', 0),
            ('::1', 80),
            ('::1', 80, 0, 0),
            ('fe80::1', 80, 0, 1),
            ('fe80::1%lo', 80),
            ('::ffff:1.2.3.4', 65535, 5, 0),
            ('127.0.0.1',),
            ('127.0.0.1', 65536),
            ('127.0.0.1', -1),
            ('127.0.0.1', '80'),
            ('1.2.3.256', 80),
            ('127.0.0.1', 80, 1, 0),
            ('::1', 80, 1 << 20, 0),
            (),
            None,
            'str',
        ],
        ids=repr,
    )
    async def test_numeric(self, loop, address):
        flags = [
            self.NUMERIC,
            self.NUMERIC | socket.NI_DGRAM,
            self.NUMERIC | socket.NI_NAMEREQD,
            socket.NI_NUMERICHOST,
            socket.NI_NUMERICHOST | socket.NI_DGRAM,
        ]
        for one in flags:
            if address and address[0] == '1.2.3.256':
                # Not a literal: that would ask a name server.
                continue
            wanted = outcome(socket.getnameinfo, address, one)
            assert await outcome_async(loop.getnameinfo, address, one) == wanted

    async def test_localhost(self, loop):
        address = ('127.0.0.1', 80)
        assert await loop.getnameinfo(address) == socket.getnameinfo(address, 0)
        assert await loop.getnameinfo(address, flags=0) == socket.getnameinfo(address, 0)

    async def test_services(self, loop):
        answer = await loop.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST)
        assert answer == socket.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST)
