"""aioquic: QUIC over UDP on loopback: streams, many at once, pings, datagrams, HTTP/3, the end."""

from __future__ import annotations

import support
from compat.support import check_same, needs

pytestmark = needs('aioquic')

CERTIFICATE = str(support.TESTS / 'localhost.pem')


def test_client_and_server():
    check_same(
        f"""
        CERTIFICATE = {CERTIFICATE!r}
        """
        """
        import ssl

        from aioquic.asyncio import QuicConnectionProtocol, connect, serve
        from aioquic.h3.connection import H3_ALPN, H3Connection
        from aioquic.h3.events import DataReceived, HeadersReceived
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.events import DatagramFrameReceived, ProtocolNegotiated
        from aioquic.tls import AlertDescription

        seen = []

        async def handle(reader, writer):
            data = await reader.read()
            writer.write(data[::-1])
            writer.write_eof()

        def on_stream(reader, writer):
            task = asyncio.ensure_future(handle(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        tasks = set()

        class Datagrams(QuicConnectionProtocol):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.received = asyncio.Queue()

            def quic_event_received(self, event):
                super().quic_event_received(event)
                if isinstance(event, DatagramFrameReceived):
                    if self._quic.configuration.is_client:
                        self.received.put_nowait(event.data)
                    else:
                        self._quic.send_datagram_frame(event.data.upper())
                        self.transmit()

        class Http(QuicConnectionProtocol):
            http = None

            def quic_event_received(self, event):
                if isinstance(event, ProtocolNegotiated):
                    self.http = H3Connection(self._quic)
                    self.answers = {}
                for event in self.http.handle_event(event) if self.http else ():
                    self.http_event(event)

            def http_event(self, event):  # of the server
                if isinstance(event, HeadersReceived):
                    path = dict(event.headers)[b':path']
                    self.http.send_headers(event.stream_id, [(b':status', b'200')])
                    self.http.send_data(event.stream_id, path * 1000, end_stream=True)
                    self.transmit()

        class HttpClient(Http):
            async def get(self, path):
                stream = self._quic.get_next_available_stream_id()
                self.answers[stream] = [b'', asyncio.get_running_loop().create_future()]
                self.http.send_headers(stream, [
                    (b':method', b'GET'), (b':scheme', b'https'), (b':authority', b'localhost'),
                    (b':path', path),
                ], end_stream=True)
                self.transmit()
                return await self.answers[stream][1]

            def http_event(self, event):
                answer = self.answers[event.stream_id]
                if isinstance(event, DataReceived):
                    answer[0] += event.data
                if event.stream_ended:
                    answer[1].set_result(answer[0])

        def configuration(is_client, **options):
            options.setdefault('alpn_protocols', ['words'])
            made = QuicConfiguration(is_client=is_client, **options)
            if is_client:
                made.server_name = 'localhost'
                made.load_verify_locations(CERTIFICATE)
            else:
                made.load_cert_chain(CERTIFICATE, CERTIFICATE)
            return made

        async def started(configuration, **options):
            server = await serve('127.0.0.1', 0, configuration=configuration, **options)
            return server, server._transport.get_extra_info('sockname')[1]

        async def streams():
            server, port = await started(configuration(False), stream_handler=on_stream)
            async with connect('127.0.0.1', port, configuration=configuration(True)) as client:
                await client.ping()

                async def ask(data):
                    reader, writer = await client.create_stream()
                    writer.write(data)
                    writer.write_eof()
                    return await reader.read()

                seen.append(await ask(b'words'))
                large = await ask(bytes(range(256)) * 1000)
                seen.append((len(large), large[:3]))
                answers = await asyncio.gather(*(ask(b'n%03d' % n) for n in range(50)))
                seen.append(answers == [(b'n%03d' % n)[::-1] for n in range(50)])
                client.change_connection_id()
                await client.ping()
                try:
                    async with asyncio.timeout(0.01):
                        reader, writer = await client.create_stream()
                        await reader.read()
                except TimeoutError:
                    seen.append('timeout')
            seen.append(client._closed.is_set())
            server.close()

        async def datagrams():
            options = dict(max_datagram_frame_size=65536)
            server, port = await started(configuration(False, **options), create_protocol=Datagrams)
            async with connect(
                '127.0.0.1', port, configuration=configuration(True, **options),
                create_protocol=Datagrams,
            ) as client:
                for number in range(10):
                    client._quic.send_datagram_frame(b'datagram %d' % number)
                client.transmit()
                seen.append(sorted([await client.received.get() for _ in range(10)]))
            server.close()

        async def http():
            options = dict(alpn_protocols=H3_ALPN)
            server, port = await started(configuration(False, **options), create_protocol=Http)
            async with connect(
                '127.0.0.1', port, configuration=configuration(True, **options),
                create_protocol=HttpClient,
            ) as client:
                answers = await asyncio.gather(*(client.get(b'/%d' % n) for n in range(20)))
                seen.append([len(answer) for answer in answers])
            server.close()

        async def untrusted():
            server, port = await started(configuration(False))
            made = QuicConfiguration(is_client=True, alpn_protocols=['words'])
            try:
                async with connect('127.0.0.1', port, configuration=made):
                    pass
            except ConnectionError as exc:
                seen.append(type(exc).__name__)
            server.close()

        async def main():
            await streams()
            await datagrams()
            await http()
            await untrusted()
            return seen

        run(main)
        """,
        'aioquic, aioquic.asyncio',
    )
