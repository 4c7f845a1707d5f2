"""TLS servers and their clients as programs make them: by host and port, by path, by streams."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from net.support import Recorder, iterations
from net.tls_support import alone, both_versions, client_context, contexts, failure, server_context


class Echo(Recorder):
    """Writes back what it gets."""

    def __init__(self):
        super().__init__()
        asyncio.get_running_loop().made.append(self)

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


@pytest.fixture
def made(loop):
    """The protocols of the server's side, in their order."""
    loop.made = []
    yield loop.made
    loop.made.clear()


async def exchange(loop, transport, protocol):
    transport.write(b'hello')
    assert await protocol.received(5) == b'hello'
    (served,) = loop.made
    transport.close()
    assert await protocol.lost() is None
    assert await served.lost() is None
    assert protocol.calls == ['made', 'data', 'eof', 'lost']
    assert served.calls == ['made', 'data', 'eof', 'lost']


class TestByProtocols:
    @both_versions
    async def test_tcp(self, loop, made, version):
        """The name that is checked is the host's."""
        server, client = contexts(version)
        async with await loop.create_server(Echo, '127.0.0.1', 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            for host in ('localhost', '127.0.0.1'):
                transport, protocol = await loop.create_connection(
                    Recorder, host, port, ssl=client, family=socket.AF_INET
                )
                name = transport.get_extra_info('ssl_object').server_hostname
                assert name == host
                await exchange(loop, transport, protocol)
                made.clear()

    async def test_unix(self, loop, made, tmp_path):
        server, client = contexts()
        path = str(tmp_path / 'socket')
        async with await loop.create_unix_server(Echo, path, ssl=server):
            transport, protocol = await loop.create_unix_connection(
                Recorder, path, ssl=client, server_hostname='localhost'
            )
            assert transport.get_extra_info('peername') == path
            await exchange(loop, transport, protocol)

    async def test_a_wrong_name(self, loop, made):
        server, client = server_context('elsewhere'), client_context()
        async with await loop.create_server(Echo, '127.0.0.1', 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            error = await failure(
                loop.create_connection(Recorder, 'localhost', port, ssl=client, family=2)
            )
            assert type(error) is ssl.SSLCertVerificationError
            await alone()
        # TLS 1.3: a server may be through, and then is told of the end.
        assert [protocol.calls for protocol in made] in ([[]], [['made', 'eof', 'lost']])

    async def test_many_at_once(self, loop, made):
        server, client = contexts()
        async with await loop.create_server(Echo, '127.0.0.1', 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            pairs = await asyncio.gather(
                *(
                    loop.create_connection(
                        Recorder, '127.0.0.1', port, ssl=client, server_hostname='localhost'
                    )
                    for _ in range(20)
                )
            )
            for number, (transport, _) in enumerate(pairs):
                transport.write(bytes([number]) * 1000)
            for number, (transport, protocol) in enumerate(pairs):
                assert await protocol.received(1000) == bytes([number]) * 1000
                transport.abort()
                await protocol.lost()
            for protocol in made:
                await protocol.lost()

    async def test_the_server_knows_its_context(self, loop, made):
        server = server_context()
        async with await loop.create_server(Echo, '127.0.0.1', 0, ssl=server) as listening:
            assert listening._ssl_context is server

    async def test_closing_the_server_leaves_connections(self, loop, made):
        server, client = contexts()
        listening = await loop.create_server(Echo, '127.0.0.1', 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(
            Recorder, '127.0.0.1', port, ssl=client, server_hostname='localhost'
        )
        await iterations()
        listening.close()
        await exchange(loop, transport, protocol)
        await listening.wait_closed()

    @pytest.mark.skipif(not hasattr(asyncio.Server, 'abort_clients'), reason='not there yet')
    @pytest.mark.parametrize('name', ['close_clients', 'abort_clients'])
    async def test_the_server_ends_its_connections(self, loop, made, name):
        server, client = contexts()
        async with await loop.create_server(Echo, '127.0.0.1', 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            _, protocol = await loop.create_connection(
                Recorder, '127.0.0.1', port, ssl=client, server_hostname='localhost'
            )
            protocol.transport.write(b'x')
            await protocol.received(1)
            getattr(listening, name)()
            await protocol.lost()
            await made[0].lost()
            assert protocol.calls[-1] == 'lost'


class TestByStreams:
    @both_versions
    @pytest.mark.parametrize('kind', ['tcp', 'unix'])
    async def test_lines(self, loop, tmp_path, kind, version):
        server, client = contexts(version)
        path = str(tmp_path / 'socket')
        ended = loop.create_future()

        async def serve(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()
            ended.set_result(None)

        if kind == 'tcp':
            listening = await asyncio.start_server(serve, '127.0.0.1', 0, ssl=server)
            host, port = listening.sockets[0].getsockname()
            opening = asyncio.open_connection(host, port, ssl=client)
        else:
            listening = await asyncio.start_unix_server(serve, path, ssl=server)
            opening = asyncio.open_unix_connection(path, ssl=client, server_hostname='localhost')
        async with listening:
            reader, writer = await opening
            for line in (b'one\n', b'two\n', b'x' * 60_000 + b'\n'):
                writer.write(line)
                await writer.drain()
                assert await reader.readline() == line.upper()
            assert writer.can_write_eof() is False
            with pytest.raises(NotImplementedError) as caught:
                writer.write_eof()
            caught.value.__traceback__ = None
            writer.close()
            await writer.wait_closed()
            await ended

    async def test_a_slow_reader_slows_the_writer(self, loop):
        server, client = contexts()
        total = 3_000_000
        done = loop.create_future()

        async def serve(reader, writer):
            for _ in range(total // 100_000):
                writer.write(bytes(100_000))
                await writer.drain()
            done.set_result(None)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve, '127.0.0.1', 0, ssl=server) as listening:
            host, port = listening.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port, ssl=client, limit=10_000)
            received = 0
            while data := await reader.read(50_000):
                received += len(data)
                await asyncio.sleep(0)
            assert received == total
            await done
            writer.close()
            await writer.wait_closed()
