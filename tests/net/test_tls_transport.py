"""TLS transports as objects: their types, attributes, extra info, warnings, what they log."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import ssl
import sys
import warnings
from asyncio import sslproto

import pytest
from net.support import BufferedRecorder, Recorder, both_kinds, stream_pair
from net.tls_support import (
    both_sides,
    both_versions,
    contexts,
    failure,
    opened,
    opening,
    peer_of,
    secured,
    server_context,
)


class TestType:
    async def test_is_a_transport(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert isinstance(transport, asyncio.Transport)
            assert isinstance(transport, asyncio.ReadTransport)
            assert isinstance(transport, asyncio.WriteTransport)
            assert isinstance(transport, sslproto._SSLProtocolTransport)
            assert not isinstance(transport, asyncio.DatagramTransport)
            assert type(transport).__name__ == '_SSLProtocolTransport'

    async def test_repr(self, loop):
        async with secured(Recorder()) as (transport, _):
            pattern = r'<asyncio\.sslproto\._SSLProtocolTransport object at 0x[0-9a-f]+>'
            assert re.fullmatch(pattern, repr(transport))
            assert str(transport) == repr(transport)

    async def test_hash_and_equality(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert transport == transport
            assert transport in {transport}
            assert transport != 1

    async def test_attributes_can_be_set(self, loop):
        async with secured(Recorder()) as (transport, peer):
            seen = []
            write = transport.write
            transport.write = lambda data: (seen.append(data), write(data))
            transport.write(b'x')
            assert seen == [b'x']
            assert await peer.read() == b'x'
            del transport.write
            transport.something = 1
            assert transport.something == 1
            with pytest.raises(AttributeError):
                transport.nothing  # noqa: B018

    async def test_what_the_loop_asks(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert transport._start_tls_compatible is True
            assert transport._sendfile_compatible.name == 'FALLBACK'
            assert transport._loop is loop

    async def test_what_libraries_read(self, loop):
        ours = server_context()
        protocol = Recorder()
        async with secured(protocol, 'server', context=ours) as (transport, _):
            below = transport._ssl_protocol
            assert isinstance(below, sslproto.SSLProtocol)
            assert isinstance(below, asyncio.BufferedProtocol)
            assert below._sslcontext is ours
            assert below._app_protocol is protocol
            assert below._app_transport is transport
            assert below._loop is loop
            assert isinstance(below._sslobj, ssl.SSLObject)
            assert below._sslobj is transport.get_extra_info('ssl_object')
            assert below._extra['sslcontext'] is ours
            assert below._server_side is True
            assert below._transport.get_protocol() is below
            assert transport._closed is False

    async def test_the_transport_below(self, loop):
        async with secured(Recorder()) as (transport, _):
            below = transport._ssl_protocol._transport
            assert isinstance(below, asyncio.Transport)
            assert below is not transport
            assert repr(below).startswith('<_SelectorSocketTransport fd=')
            wanted = transport.get_extra_info('socket')
            assert below.get_extra_info('socket') is wanted

    async def test_below_is_gone_at_the_end(self, loop):
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            await peer.unwrap()
            await protocol.lost()
            assert transport._ssl_protocol._transport is None
            assert transport.get_protocol() is None

    async def test_methods_take_keywords(self, loop):
        async with secured(Recorder()) as (transport, peer):
            transport.write(data=b'a')
            transport.writelines(list_of_data=[b'b', b'c'])
            transport.set_write_buffer_limits(high=100, low=10)
            transport.set_protocol(protocol=transport.get_protocol())
            assert transport.get_extra_info(name='nothing', default=7) == 7
            assert await peer.receive(3) == b'abc'

    async def test_wrong_calls(self, loop):
        async with secured(Recorder()) as (transport, _):
            for call in (
                lambda: transport.write(),
                lambda: transport.write(b'', b''),
                lambda: transport.close(1),
                lambda: transport.get_extra_info(),
                lambda: transport.set_write_buffer_limits(1, 2, 3),
            ):
                with pytest.raises(TypeError):
                    call()

    async def test_cannot_write_an_end(self, loop):
        async with secured(Recorder()) as (transport, _):
            assert transport.can_write_eof() is False
            with pytest.raises(NotImplementedError) as caught:
                transport.write_eof()
            assert str(caught.value) == ''
            caught.value.__traceback__ = None


class TestExtraInfo:
    @both_kinds
    @both_sides
    @both_versions
    async def test_keys(self, loop, kind, side, version):
        server, client = contexts(version)
        ours, theirs = (server, client) if side == 'server' else (client, server)
        async with secured(Recorder(), side, kind, ours, theirs) as (transport, peer):
            info = transport.get_extra_info
            assert info('sslcontext') is ours
            assert isinstance(info('ssl_object'), ssl.SSLObject)
            assert info('cipher') == info('ssl_object').cipher()
            # Which side asks for bits and which for the name of the cipher is not the same.
            assert info('cipher')[:2] == peer.object.cipher()[:2]
            assert info('compression') is None
            assert info('nothing') is None
            assert info('nothing', 5) == 5
            sock = info('socket')
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert info('peername') == sock.getpeername() == peer.sock.getsockname()
            assert info('sockname') == sock.getsockname()
            if side == 'client':
                assert info('peercert')['subject'] == ((('commonName', 'server'),),)
                assert info('peercert') == info('ssl_object').getpeercert()
            else:
                assert info('peercert') is None

    async def test_peercert_in_bytes(self, loop):
        async with secured(Recorder()) as (transport, _):
            der = transport.get_extra_info('ssl_object').getpeercert(binary_form=True)
            assert ssl.DER_cert_to_PEM_cert(der).startswith('-----BEGIN CERTIFICATE-----')

    async def test_in_connection_made(self, loop):
        class Asking(Recorder):
            def connection_made(self, transport):
                keys = ('sslcontext', 'ssl_object', 'cipher', 'compression', 'peercert', 'socket')
                self.found = {key: transport.get_extra_info(key, 'missing') for key in keys}
                super().connection_made(transport)

        protocol = Asking()
        async with secured(protocol):
            assert 'missing' not in protocol.found.values()
            assert protocol.found['peercert']
            protocol.found.clear()

    async def test_at_the_end(self, loop):
        """What belongs to TLS stays, what belongs to the socket goes."""
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            before = transport.get_extra_info('ssl_object')
            await peer.unwrap()
            await protocol.lost()
            assert transport.get_extra_info('ssl_object') is before
            assert transport.get_extra_info('peercert')
            assert transport.get_extra_info('socket') is None
            assert transport.get_extra_info('socket', 5) == 5
            assert transport.get_extra_info('peername') is None


class TestSwitching:
    @both_sides
    async def test_protocols(self, loop, side):
        first, second = Recorder(), Recorder()
        async with secured(first, side) as (transport, peer):
            assert transport.get_protocol() is first
            await peer.write(b'1')
            await first.received(1)
            assert transport.set_protocol(second) is None
            assert transport.get_protocol() is second
            await peer.write(b'2')
            await second.received(1)
            transport.abort()
            await second.lost()
            assert first.calls == ['made', 'data']
            assert second.calls == ['data', 'lost']
            first.note('lost')

    async def test_to_and_from_a_buffered_one(self, loop):
        first, second, third = Recorder(), BufferedRecorder(), Recorder()
        async with secured(first) as (transport, peer):
            transport.set_protocol(second)
            await peer.write(b'abc')
            assert await second.received(3) == b'abc'
            transport.set_protocol(third)
            await peer.write(b'defg')
            assert await third.received(4) == b'defg'
            transport.set_protocol(first)

    async def test_in_data_received(self, loop):
        second = Recorder()

        class Switching(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.set_protocol(second)

        first = Switching()
        async with secured(first) as (transport, peer):
            await peer.write(b'1')
            await first.received(1)
            await peer.write(b'2')
            await second.received(1)
            transport.set_protocol(first)

    async def test_while_writing_is_paused(self, loop):
        """The new one is told to go on, though nobody has told it to wait."""
        first, second = Recorder(), Recorder()
        async with secured(first, kind='unix', small=True) as (transport, peer):
            transport.write(bytes(600_000))
            transport.write(bytes(600_000))
            assert first.calls == ['made', 'pause']
            transport.set_protocol(second)
            assert len(await peer.receive(1_200_000)) == 1_200_000
            await second.has('resume')
            assert first.calls == ['made', 'pause']
            transport.set_protocol(first)


class TestDropped:
    async def test_unclosed_transport(self, loop):
        async with secured(Recorder()) as (transport, _):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter('always')
                type(transport).__del__(transport)
            assert [str(warning.message) for warning in caught] == [
                'unclosed transport <asyncio._SSLProtocolTransport object>'
            ]
            assert caught[0].category is ResourceWarning
            # It is taken for closed now.
            assert transport.is_closing() is True

    async def test_dropped_with_its_connection(self, loop):
        left, right = stream_pair()
        server, client = contexts()
        making = asyncio.ensure_future(opening(Recorder(), 'client', left, client))
        peer = peer_of('client', right, server)
        await peer.handshake()
        transport, protocol = await making
        transport.pause_reading()
        # Nothing but this test holds it from now on.
        transport._ssl_protocol._transport.pause_reading()
        protocol.transport = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            del transport, protocol, making
            gc.collect()
            texts = [str(warning.message) for warning in caught]
        right.close()
        assert 'unclosed transport <asyncio._SSLProtocolTransport object>' in texts
        assert any(text.startswith('unclosed transport <_Selector') for text in texts)

    @both_sides
    async def test_nothing_is_said_of_closed_ones(self, loop, side):
        protocol = Recorder()
        async with secured(protocol, side) as (transport, peer):
            transport.close()
            assert await peer.read() == b''
            await peer.unwrap()
            await protocol.lost()
        protocol.transport = transport = None
        gc.collect()

    async def test_nothing_is_said_of_a_failed_handshake(self, loop):
        async with opened(Recorder(), 'server') as (task, sock):
            sock.close()
            await failure(task)
        del task
        gc.collect()


def messages(caplog):
    """What was logged, without what differs from run to run."""
    found = []
    for record in caplog.records:
        assert record.name == 'asyncio'
        text = record.getMessage()
        text = re.sub(r'0x[0-9a-f]+', '0x', text)
        text = re.sub(r'\b\d+\.\d ms', 'N ms', text)
        text = re.sub(r'fd=\d+ read=\w+ write=<[^>]*>', 'fd=N', text)
        found.append((record.levelname, text))
    return found


PROTOCOL = '<asyncio.sslproto.SSLProtocol object at 0x>'


class TestDebug:
    """What a loop in debug mode logs."""

    @pytest.fixture(autouse=True)
    def debug(self, loop, caplog):
        loop.set_debug(True)
        caplog.set_level('DEBUG', 'asyncio')

    @both_sides
    async def test_handshake_and_end(self, loop, caplog, side):
        protocol = Recorder()
        async with secured(protocol, side, 'unix') as (transport, peer):
            logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
            assert logged == [
                ('DEBUG', f'{PROTOCOL} starts SSL handshake'),
                ('DEBUG', f'{PROTOCOL}: SSL handshake took N ms'),
            ]
            caplog.clear()
            transport.close()
            await peer.read()
            peer.sock.shutdown(socket.SHUT_WR)
            await protocol.lost()
            logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
            assert logged == [('DEBUG', f'{PROTOCOL} received EOF')]
            caplog.clear()

    @both_sides
    async def test_failed_handshake(self, loop, caplog, side):
        async with opened(Recorder(), side, 'unix') as (task, sock):
            await loop.sock_sendall(sock, b'\0' * 100)
            error = await failure(task)
            assert isinstance(error, ssl.SSLError)
        logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
        assert logged == [
            ('DEBUG', f'{PROTOCOL} starts SSL handshake'),
            ('DEBUG', f'{PROTOCOL}: SSL handshake failed'),
        ]
        (record,) = [item for item in caplog.records if 'failed' in item.getMessage()]
        assert record.exc_info[1] is error
        caplog.clear()

    async def test_wrong_certificate(self, loop, caplog):
        async with opened(Recorder(), kind='unix') as (task, sock):
            await failure(peer_of('client', sock, server_context('elsewhere')).handshake())
            error = await failure(task)
            assert isinstance(error, ssl.CertificateError)
        logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
        assert logged == [
            ('DEBUG', f'{PROTOCOL} starts SSL handshake'),
            ('DEBUG', f'{PROTOCOL}: SSL handshake failed on verifying the certificate'),
        ]
        caplog.clear()

    async def test_timeout(self, loop, caplog):
        async with opened(Recorder(), kind='unix', ssl_handshake_timeout=0.01) as (task, _):
            await failure(task)
        logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
        assert logged == [
            ('DEBUG', f'{PROTOCOL} starts SSL handshake'),
            ('DEBUG', f'{PROTOCOL}: Fatal error on transport'),
        ]
        caplog.clear()

    async def test_garbage_after_the_handshake(self, loop, caplog):
        protocol = Recorder()
        async with secured(protocol, kind='unix') as (_, peer):
            caplog.clear()
            await loop.sock_sendall(peer.sock, b'garbage' * 10)
            error = await protocol.lost()
            logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
            assert logged == [('DEBUG', f'{PROTOCOL}: Fatal error on SSL protocol')]
            assert caplog.records[-1].exc_info[1] is error
            caplog.clear()
            error.__traceback__ = None

    async def test_vanished_in_the_handshake(self, loop, caplog):
        async with opened(Recorder(), 'server', 'unix') as (task, sock):
            sock.shutdown(socket.SHUT_WR)
            await failure(task)
        logged = [item for item in messages(caplog) if PROTOCOL in item[1]]
        assert logged == [
            ('DEBUG', f'{PROTOCOL} starts SSL handshake'),
            ('DEBUG', f'{PROTOCOL} received EOF'),
            ('DEBUG', f'{PROTOCOL}: SSL handshake failed'),
        ]
        caplog.clear()


@pytest.mark.skipif(sys.version_info < (3, 14), reason='stock: closing is what close() did')
class TestClosing:
    async def test_as_below(self, loop):
        """It is closing once the transport below is."""
        async with secured(Recorder()) as (transport, _):
            assert transport.is_closing() is False
            transport._ssl_protocol._transport.close()
            assert transport.is_closing() is True
