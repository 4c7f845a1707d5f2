"""Protocols over TLS whose methods raise: what is reported, what closes, as asyncio does."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import sslproto

import pytest
from net.support import BufferedRecorder, Recorder, forget, iterations, only_report
from net.tls_support import both_sides, failure, opened, peer_of, secured


class Expected(Exception):
    """What our protocols raise."""


def raising(kind, name, error=Expected):
    """A protocol of that kind with one method that notes the call and, once armed, raises."""
    usual = getattr(kind, name)

    def method(self, *args):
        result = usual(self, *args)
        if self.armed:
            raise error
        return result

    return type('Raising', (kind,), {name: method, 'armed': True})()


@contextlib.asynccontextmanager
async def raised(protocol, side='client'):
    """The transport below and the error, of a protocol that raises at the first byte."""
    protocol.armed = False
    async with secured(protocol, side) as (transport, peer):
        below = transport._ssl_protocol._transport
        protocol.armed = True
        await peer.write(b'x')
        yield below, await protocol.lost()


READING = [
    (Recorder, 'data_received'),
    (BufferedRecorder, 'get_buffer'),
    (BufferedRecorder, 'buffer_updated'),
]


@pytest.mark.parametrize(('kind', 'name'), READING)
class TestReading:
    @both_sides
    async def test_is_reported_and_ends_it(self, loop, kind, name, side):
        protocol = raising(kind, name)
        async with raised(protocol, side) as (below, error):
            assert type(error) is Expected
            report = only_report(loop)
            assert report['message'] == 'Fatal error on SSL protocol'
            assert report['exception'] is error
            assert report['transport'] is below
            assert isinstance(report['protocol'], sslproto.SSLProtocol)
            assert set(report) == {'message', 'exception', 'transport', 'protocol'}
            assert protocol.count('lost') == 1
            forget(protocol, report)

    async def test_an_os_error_is_not_reported(self, loop, kind, name):
        protocol = raising(kind, name, OSError)
        async with raised(protocol) as (_, error):
            assert type(error) is OSError
            assert loop.reports == []
            error.__traceback__ = None
            protocol.error = None

    async def test_no_exception_but_a_base_exception(self, loop, kind, name):
        """That is the connection's below, which reports it as its own protocol's."""
        protocol = raising(kind, name, BaseExpected)
        async with raised(protocol) as (_, error):
            assert type(error) is BaseExpected
            report = only_report(loop)
            assert report['exception'] is error
            text = 'Fatal error: protocol.buffer_updated() call failed.'
            assert report['message'] == text
            forget(protocol, report)


class BaseExpected(BaseException):
    """No Exception."""


class TestWrongBuffers:
    @pytest.mark.parametrize('buffer', [None, 5, b'read only', memoryview(b'read only')])
    async def test_kinds(self, loop, buffer):
        protocol = BufferedRecorder()
        async with secured(protocol, 'server') as (_, peer):
            protocol.buffer = buffer
            await peer.write(b'x')
            error = await protocol.lost()
            assert type(error) is TypeError
            report = only_report(loop)
            assert report['message'] == 'Fatal error on SSL protocol'
            assert report['exception'] is error
            assert protocol.calls == ['made', 'lost']
            forget(protocol, report)


class TestConnectionMade:
    @both_sides
    async def test_ends_it_and_is_told_twice(self, loop, side):
        """To who opens it, and by the connection below, whose protocol has failed."""
        protocol = raising(Recorder, 'connection_made')
        async with opened(protocol, side) as (task, sock):
            handshake = asyncio.ensure_future(failed_or_done(peer_of(side, sock)))
            error = await failure(task)
            assert type(error) is Expected
            await protocol.lost()
            assert protocol.error is error
            report = only_report(loop)
            text = 'Fatal error: protocol.buffer_updated() call failed.'
            assert report['message'] == text
            assert report['exception'] is error
            assert protocol.calls == ['made', 'lost']
            await handshake
            forget(protocol, report)


async def failed_or_done(peer):
    """Whether the peer takes part to its end is not what is tested."""
    with contextlib.suppress(OSError):
        await peer.handshake()


class TestEnd:
    async def test_eof_received(self, loop):
        protocol = raising(Recorder, 'eof_received')
        async with secured(protocol) as (transport, peer):
            below = transport._ssl_protocol._transport
            await loop.sock_sendall(peer.sock, peer.say_end())
            error = await protocol.lost()
            assert type(error) is Expected
            report = only_report(loop)
            assert report['message'] == 'Error calling eof_received()'
            assert report['exception'] is error
            assert report['transport'] is below
            assert isinstance(report['protocol'], sslproto.SSLProtocol)
            assert protocol.calls == ['made', 'eof', 'lost']
            forget(protocol, report)

    async def test_eof_received_of_a_plain_end(self, loop):
        protocol = raising(Recorder, 'eof_received')
        async with secured(protocol) as (_, peer):
            peer.vanish()
            error = await protocol.lost()
            assert type(error) is Expected
            report = only_report(loop)
            assert report['message'] == 'Error calling eof_received()'
            assert protocol.calls == ['made', 'eof', 'lost']
            forget(protocol, report)

    async def test_connection_lost(self, loop):
        protocol = raising(Recorder, 'connection_lost')
        async with secured(protocol) as (_, peer):
            await peer.unwrap()
            await protocol.lost()
            await iterations()
            report = only_report(loop)
            assert type(report['exception']) is Expected
            assert report['message'].startswith('Exception in callback raising.<locals>.method(')
            assert protocol.count('lost') == 1
            forget(protocol, report)


class TestFlow:
    @pytest.mark.parametrize('name', ['pause_writing', 'resume_writing'])
    async def test_is_reported_and_nothing_else(self, loop, name):
        protocol = raising(Recorder, name)
        async with secured(protocol, kind='unix', small=True) as (transport, peer):
            transport.write(bytes(200_000))
            transport.write(bytes(600_000))
            assert len(await peer.receive(800_000)) == 800_000
            await protocol.has('resume')
            report = only_report(loop)
            assert report['message'] == f'protocol.{name}() failed'
            assert type(report['exception']) is Expected
            assert report['transport'] is transport
            assert isinstance(report['protocol'], sslproto.SSLProtocol)
            assert set(report) == {'message', 'exception', 'transport', 'protocol'}
            assert not transport.is_closing()
            assert protocol.calls == ['made', 'pause', 'resume']
            forget(protocol, report)


class TestWithoutMethods:
    async def test_no_protocol_at_all(self, loop):
        """Anything may be a protocol until it is called."""
        protocol = Recorder()
        async with secured(protocol) as (transport, peer):
            transport.set_protocol(object())
            await peer.write(b'x')
            while not loop.reports:
                await asyncio.sleep(0)
            report = loop.reports[0]
            assert type(report['exception']) is AttributeError
            assert report['message'] == 'Fatal error on SSL protocol'
            text = "'object' object has no attribute 'data_received'"
            assert str(report['exception']) == text
            await iterations(5)
            for report in loop.reports:
                report['exception'].__traceback__ = None
            # connection_lost() is missing as well.
            assert len(loop.reports) == 2
            loop.reports.clear()
            protocol.note('lost')
