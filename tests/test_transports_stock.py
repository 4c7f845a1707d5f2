"""Stock's transports on the loop, a smoke test each: servers, streams, Unix, UDP, pipes, TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

import pytest

pytestmark = pytest.mark.pollers


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def stop(server):
    """Close the server and wait for its handlers (3.11's wait_closed() waits for nothing)."""
    server.close()
    await asyncio.wait_for(server.wait_closed(), 30)
    handlers = asyncio.all_tasks() - {asyncio.current_task()}
    if handlers:
        await asyncio.wait(handlers)


async def talk(reader, writer, payload):
    """Send the payload, close our half, and answer what comes back."""
    writer.write(payload)
    received = await reader.readexactly(len(payload))
    writer.close()
    await writer.wait_closed()
    return received


class TestStreams:
    @pytest.mark.parametrize('size', [1, 1024, 1_000_000])
    def test_tcp(self, loop, size):
        payload = os.urandom(size)

        async def main():
            server = await asyncio.start_server(echo, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            streams = await asyncio.open_connection('127.0.0.1', port)
            received = await talk(*streams, payload) if size < 100_000 else await both(*streams)
            await stop(server)
            assert server.sockets == ()
            return received

        async def both(reader, writer):
            writer.write(payload)
            writer.write_eof()
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
            return received

        assert loop.run_until_complete(main()) == payload

    def test_unix(self, loop, tmp_path):
        path = str(tmp_path / 'socket')

        async def main():
            server = await asyncio.start_unix_server(echo, path)
            received = await talk(*await asyncio.open_unix_connection(path), b'unix')
            await stop(server)
            return received

        assert loop.run_until_complete(main()) == b'unix'

    def test_many_connections(self, loop):
        async def main():
            server = await asyncio.start_server(echo, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]

            async def client(number):
                payload = str(number).encode() * 100
                streams = await asyncio.open_connection('127.0.0.1', port)
                return await talk(*streams, payload) == payload

            results = await asyncio.gather(*(client(number) for number in range(30)))
            await stop(server)
            return results

        assert loop.run_until_complete(main()) == [True] * 30

    def test_readline_and_timeout(self, loop):
        async def serve(reader, writer):
            writer.write(b'one\ntwo\n')
            await reader.read()
            writer.close()

        async def main():
            server = await asyncio.start_server(serve, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            lines = [await reader.readline(), await reader.readline()]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(reader.readline(), 0.005)
            writer.close()
            await writer.wait_closed()
            await stop(server)
            return lines

        assert loop.run_until_complete(main()) == [b'one\n', b'two\n']

    def test_connection_refused(self, loop):
        async def main():
            with socket.socket() as free:
                free.bind(('127.0.0.1', 0))
                port = free.getsockname()[1]
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection('127.0.0.1', port)

        loop.run_until_complete(main())


class Recorder(asyncio.Protocol):
    def __init__(self, loop):
        self.calls = []
        self.closed = loop.create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append('made')

    def data_received(self, data):
        self.calls.append(data)
        self.transport.write(data.upper())

    def eof_received(self):
        self.calls.append('eof')

    def connection_lost(self, exc):
        self.calls.append(('lost', exc))
        self.closed.set_result(None)


class TestProtocols:
    def test_calls_in_order(self, loop):
        async def main():
            protocol = Recorder(loop)
            server = await loop.create_server(lambda: protocol, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'hello')
            assert await reader.readexactly(5) == b'HELLO'
            writer.close()
            await writer.wait_closed()
            await protocol.closed
            await stop(server)
            return protocol.calls

        assert loop.run_until_complete(main()) == ['made', b'hello', 'eof', ('lost', None)]

    def test_flow_control(self, loop):
        async def main():
            left, right = socket.socketpair()
            events = []

            class Paused(asyncio.Protocol):
                def pause_writing(self):
                    events.append('pause')

                def resume_writing(self):
                    events.append('resume')
                    resumed.set_result(None)

                def connection_lost(self, exc):
                    lost.set_result(None)

            resumed, lost = loop.create_future(), loop.create_future()
            transport, _ = await loop.create_connection(Paused, sock=left)
            transport.set_write_buffer_limits(high=1000)
            payload = b'x' * 5_000_000
            transport.write(payload)
            assert events == ['pause']
            right.setblocking(False)
            received = 0
            while received < len(payload):
                received += len(await loop.sock_recv(right, 1 << 20))
            await resumed
            transport.close()
            await lost
            right.close()
            return events

        assert loop.run_until_complete(main()) == ['pause', 'resume']

    def test_buffered_protocol(self, loop):
        class Buffered(asyncio.BufferedProtocol):
            def __init__(self):
                self.buffer = bytearray(100)
                self.received = b''

            def get_buffer(self, sizehint):
                return self.buffer

            def buffer_updated(self, size):
                self.received += self.buffer[:size]
                if len(self.received) == 500:
                    done.set_result(self.received)

        async def main():
            left, right = socket.socketpair()
            transport, _ = await loop.create_connection(Buffered, sock=left)
            right.sendall(b'y' * 500)
            received = await done
            transport.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            right.close()
            return received

        done = loop.create_future()
        assert loop.run_until_complete(main()) == b'y' * 500

    def test_udp(self, loop):
        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, address):
                self.transport.sendto(data[::-1], address)

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data, address):
                received.set_result(data)

        async def main():
            server, _ = await loop.create_datagram_endpoint(Echo, ('127.0.0.1', 0))
            client, _ = await loop.create_datagram_endpoint(
                Client, remote_addr=server.get_extra_info('sockname')
            )
            client.sendto(b'abc')
            data = await received
            client.close()
            server.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return data

        received = loop.create_future()
        assert loop.run_until_complete(main()) == b'cba'

    def test_pipes(self, loop):
        async def main():
            read_fd, write_fd = os.pipe()
            reader = asyncio.StreamReader()
            read_transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, 'rb', 0)
            )
            write_transport, _ = await loop.connect_write_pipe(
                asyncio.Protocol, os.fdopen(write_fd, 'wb', 0)
            )
            write_transport.write(b'through the pipe')
            write_transport.write_eof()
            data = await reader.read()
            await asyncio.sleep(0)
            read_transport.close()
            write_transport.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return data

        assert loop.run_until_complete(main()) == b'through the pipe'

    def test_sendfile(self, loop, tmp_path):
        path = tmp_path / 'file'
        path.write_bytes(os.urandom(200_000))

        async def main():
            left, right = socket.socketpair()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
            reader, writer = await asyncio.open_connection(sock=right)
            with open(path, 'rb') as file:
                sending = asyncio.ensure_future(loop.sendfile(transport, file))
                data = await reader.readexactly(200_000)
                assert await sending == 200_000
            transport.close()
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0)
            return data

        assert loop.run_until_complete(main()) == path.read_bytes()


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.usefixtures('child_watcher')
class TestSubprocess:
    def test_communicate(self, loop):
        async def main():
            process = await asyncio.create_subprocess_exec(
                'cat', stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate(b'through cat')
            return out, process.returncode

        assert loop.run_until_complete(main()) == (b'through cat', 0)

    def test_exit_status(self, loop):
        async def main():
            process = await asyncio.create_subprocess_shell('exit 7')
            return await process.wait()

        assert loop.run_until_complete(main()) == 7

    def test_kill(self, loop):
        async def main():
            process = await asyncio.create_subprocess_exec('sleep', '60')
            process.kill()
            return await process.wait()

        assert loop.run_until_complete(main()) == -9

    def test_several(self, loop):
        async def one(number):
            process = await asyncio.create_subprocess_exec(
                'echo', str(number), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            return int(out)

        async def main():
            return await asyncio.gather(*(one(number) for number in range(5)))

        assert loop.run_until_complete(main()) == list(range(5))


CERTIFICATE = os.path.join(os.path.dirname(__file__), 'localhost.pem')


@pytest.fixture
def contexts():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    client = ssl.create_default_context(cafile=CERTIFICATE)
    return server, client


class TestTLS:
    @pytest.mark.parametrize('size', [10, 300_000])
    def test_echo(self, loop, contexts, size):
        payload = os.urandom(size)

        async def main():
            server = await asyncio.start_server(echo, '127.0.0.1', 0, ssl=contexts[0])
            port = server.sockets[0].getsockname()[1]
            streams = await asyncio.open_connection(
                '127.0.0.1', port, ssl=contexts[1], server_hostname='localhost'
            )
            received = await talk(*streams, payload)
            await stop(server)
            return received

        assert loop.run_until_complete(main()) == payload

    def test_start_tls(self, loop, contexts):
        async def serve(reader, writer):
            assert await reader.readline() == b'STARTTLS\n'
            writer.write(b'go\n')
            await writer.drain()
            await writer.start_tls(contexts[0])
            writer.write((await reader.readline()).upper())
            await writer.drain()
            await reader.read()
            writer.close()

        async def main():
            server = await asyncio.start_server(serve, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'STARTTLS\n')
            assert await reader.readline() == b'go\n'
            await writer.start_tls(contexts[1], server_hostname='localhost')
            writer.write(b'secret\n')
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            await stop(server)
            return line

        assert loop.run_until_complete(main()) == b'SECRET\n'

    def test_certificate_is_checked(self, loop, contexts):
        async def main():
            server = await asyncio.start_server(echo, '127.0.0.1', 0, ssl=contexts[0])
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ssl.SSLCertVerificationError) as caught:
                await asyncio.open_connection(
                    '127.0.0.1', port, ssl=contexts[1], server_hostname='elsewhere'
                )
            caught.value.__traceback__ = None
            await stop(server)

        loop.run_until_complete(main())
        # The server's side of the failed handshake may be reported: stock does so in debug only.
        loop.reports.clear()
