"""The protocol between a TLS transport and the one below: who else may use it, and how."""

import asyncio
import collections
import contextlib
import functools
import ssl

import pytest
from net.support import BufferedRecorder, Recorder
from net.tls_support import client_context, secured, server_context

KINDS = [Recorder, BufferedRecorder]


class Lower(asyncio.Transport):
    """A transport that somebody else wrote: keeps what is written, hands over what is put in."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.written = collections.deque()
        self.is_paused = False
        self.is_closed = False

    def write(self, data):
        self.written.append(bytes(data))

    def writelines(self, lines):
        self.written.append(b''.join(lines))

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    def _force_close(self, exc):
        self.is_closed = True

    abort = close

    def put(self, data):
        while data:
            buffer = self.protocol.get_buffer(-1)
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            self.protocol.buffer_updated(size)
            data = data[size:]

    def take(self):
        data = b''.join(self.written)
        self.written.clear()
        return data


class Ends:
    """Client and server of one connection, over transports of that kind."""

    def __init__(self, loop, namespace, client, server):
        make = namespace.sslproto.SSLProtocol
        self.client = Lower(make(loop, client, client_context(), None, False, 'localhost'))
        self.server = Lower(make(loop, server, server_context(), None, True))

    def move(self):
        while self.client.written or self.server.written:
            self.server.put(self.client.take())
            self.client.put(self.server.take())

    def shake_hands(self):
        self.client.protocol.connection_made(self.client)
        self.server.protocol.connection_made(self.server)
        self.move()

    def close(self):
        for end in (self.client, self.server):
            end.protocol._app_transport.abort()
            end.protocol.connection_lost(None)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def namespace(loop):
    if type(loop).__module__.startswith('pyasync'):
        import pyasync

        return pyasync
    return asyncio


class TestForeignTransports:
    @pytest.mark.parametrize('size', [1, 16_384, 300_000, 1_000_000])
    async def test_data_both_ways(self, loop, namespace, kind, size):
        client, server = kind(), kind()
        ends = Ends(loop, namespace, client, server)
        ends.shake_hands()
        data = bytes(range(256)) * (size // 256 + 1)
        client.transport.write(data)
        server.transport.write(data[::-1])
        ends.move()
        assert await server.received(len(data)) == data
        assert await client.received(len(data)) == data[::-1]
        ends.close()

    async def test_paused_writing_holds_the_data_back(self, loop, namespace):
        client, server = Recorder(), Recorder()
        ends = Ends(loop, namespace, client, server)
        ends.shake_hands()
        ends.client.protocol.pause_writing()
        client.transport.write(b'first')
        client.transport.write(bytes(200_000))
        client.transport.writelines([b'l', b'a', b'st'])
        assert not ends.client.written
        assert client.transport.get_write_buffer_size() > 200_000
        ends.client.protocol.resume_writing()
        assert client.transport.get_write_buffer_size() == 0
        ends.move()
        assert await server.received(200_009) == b'first' + bytes(200_000) + b'last'
        ends.close()

    async def test_what_is_held_back_is_lost_with_the_connection(self, loop, namespace):
        ends = Ends(loop, namespace, Recorder(), Recorder())
        ends.shake_hands()
        ends.client.protocol.pause_writing()
        ends.client.protocol._app_transport.write(bytes(300_000))
        ends.close()
        assert ends.client.protocol._get_write_buffer_size() == 0
        assert not ends.client.written


class TestOtherObjects:
    """What is put into the protocol's places is what is called."""

    async def test_a_subclass_of_ssl_object(self, loop):
        calls = []

        class Spy(ssl.SSLObject):
            def read(self, *args):
                calls.append('read')
                return super().read(*args)

            def write(self, data):
                calls.append('write')
                return super().write(data)

        context = client_context()
        context.sslobject_class = Spy
        protocol = Recorder()
        async with secured(protocol, context=context) as (transport, peer):
            transport.write(b'x')
            assert await peer.receive(1) == b'x'
            await peer.write(b'y')
            assert await protocol.received(1) == b'y'
        assert {'read', 'write'} <= set(calls)

    async def test_get_buffer_that_replaces_the_protocol(self, loop, namespace):
        """Who is told of the bytes is the protocol that is there when they are."""

        class Replaced(BufferedRecorder):
            def get_buffer(self, size):
                self.transport.set_protocol(heir)
                del self.get_buffer
                return super().get_buffer(size)

        heir = BufferedRecorder()
        server = Replaced()
        server.get_buffer = functools.partial(server.get_buffer)
        ends = Ends(loop, namespace, Recorder(), server)
        ends.shake_hands()
        heir.connection_made(server.transport)
        heir.buffer = server.buffer
        ends.client.protocol._app_transport.write(b'data')
        ends.move()
        assert await heir.received(4) == b'data'
        assert not server.data
        ends.close()

    @pytest.mark.parametrize(
        'name', ['_sslobj', '_incoming', '_outgoing', '_write_backlog', '_loop', '_transport']
    )
    async def test_get_buffer_that_takes_what_is_in_use(self, loop, namespace, name):
        class Taking(BufferedRecorder):
            def get_buffer(self, size):
                if size:
                    setattr(protocol, name, None)
                return super().get_buffer(size)

        ends = Ends(loop, namespace, Recorder(), Taking())
        protocol = ends.server.protocol
        ends.shake_hands()
        kept = getattr(protocol, name)
        ends.client.protocol._app_transport.write(b'data')
        with contextlib.suppress(AttributeError):
            ends.move()
        setattr(protocol, name, kept)
        ends.close()
        loop.reports.clear()

    async def test_buffered_without_the_methods(self, loop, namespace):
        ends = Ends(loop, namespace, Recorder(), Recorder())
        ends.shake_hands()
        ends.server.protocol._app_protocol_is_buffer = True
        ends.client.protocol._app_transport.write(b'data')
        ends.move()
        assert [report['message'] for report in loop.reports] == ['Fatal error on SSL protocol']
        loop.reports.clear()
        ends.close()

    @pytest.mark.parametrize('name', ['_loop', '_write_backlog'])
    async def test_writing_without_what_is_needed(self, loop, namespace, name):
        ends = Ends(loop, namespace, Recorder(), Recorder())
        ends.shake_hands()
        ends.client.protocol.pause_writing()
        kept = getattr(ends.client.protocol, name)
        delattr(ends.client.protocol, name)
        with contextlib.suppress(AttributeError):
            ends.client.protocol._app_transport.write(bytes(1_000_000))
        setattr(ends.client.protocol, name, kept)
        ends.close()
        loop.reports.clear()

    async def test_a_lower_transport_that_can_write_only(self, loop, namespace):
        ends = Ends(loop, namespace, Recorder(), server := Recorder())
        ends.shake_hands()
        ends.client.writelines = None
        ends.client.protocol._app_transport.write(bytes(300_000))
        assert len(ends.client.written) == 1
        ends.move()
        assert await server.received(300_000) == bytes(300_000)
        ends.close()

    async def test_lines_before_an_error_are_kept(self, loop, namespace):
        def lines():
            yield b'one'
            yield b'two'
            raise ValueError

        ends = Ends(loop, namespace, client := Recorder(), server := Recorder())
        ends.shake_hands()
        with pytest.raises(ValueError):
            client.transport.writelines(lines())
        client.transport.write(b'three')
        ends.move()
        assert await server.received(11) == b'onetwothree'
        ends.close()

    async def test_a_protocol_with_an_attribute_that_raises(self, loop, namespace):
        class Raising(Recorder):
            @property
            def get_buffer(self):
                raise ValueError('get_buffer')

        with pytest.raises(ValueError, match='get_buffer'):
            namespace.sslproto.SSLProtocol(loop, Raising(), client_context(), None)
