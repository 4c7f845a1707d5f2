"""websockets: server and client over TCP and TLS, frames, pings, broadcast, errors, shutdown."""

from __future__ import annotations

import support
from compat.support import check_same, needs

pytestmark = needs('websockets')

CERTIFICATE = str(support.TESTS / 'localhost.pem')


def test_server_and_client():
    check_same(
        f"""
        import ssl

        CERTIFICATE = {CERTIFICATE!r}
        """
        """
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import broadcast, serve

        seen = []
        members = set()
        ended = []

        async def handler(socket):
            path = socket.request.path
            if path == '/echo':
                async for message in socket:
                    await socket.send(message)
                ended.append((socket.close_code, socket.close_reason))
            elif path == '/group':
                members.add(socket)
                try:
                    await socket.send('joined')
                    await socket.wait_closed()
                finally:
                    members.discard(socket)
            elif path == '/parts':
                async def parts():
                    for part in ('one ', 'two ', 'three'):
                        await asyncio.sleep(0)
                        yield part
                await socket.send(parts())
            elif path == '/error':
                raise ValueError('the handler fails')
            elif path == '/close':
                await socket.close(4000, 'enough')

        async def refuse(connection, request):
            if request.path == '/refused':
                return connection.respond(403, 'not for you\\n')

        async def echo(base, **options):
            async with connect(base + '/echo', **options) as socket:
                for message in ('words', b'bytes', 'x' * 100_000, ''):
                    await socket.send(message)
                    answer = await socket.recv()
                    seen.append((type(answer).__name__, len(answer), answer == message))
                pong = await socket.ping()
                seen.append((await pong) >= 0)
                try:
                    async with asyncio.timeout(0.01):
                        await socket.recv()
                except TimeoutError:
                    seen.append('timeout')
                await socket.send('after the timeout')
                seen.append(await socket.recv())

        async def talk(base):
            await echo(base)
            await echo(base, compression=None)
            async with connect(base + '/parts') as socket:
                seen.append(await socket.recv())
                seen.append([message async for message in socket])
            async with connect(base + '/parts') as socket:
                seen.append([part async for part in socket.recv_streaming()])
            sockets = [await connect(base + '/group') for _ in range(5)]
            seen.append([await socket.recv() for socket in sockets])
            broadcast(members, 'to all')
            seen.append(await asyncio.gather(*(socket.recv() for socket in sockets)))
            await asyncio.gather(*(socket.close() for socket in sockets))
            for path in ('/close', '/error'):
                async with connect(base + path) as socket:
                    try:
                        await socket.recv()
                    except websockets.ConnectionClosed as exc:
                        seen.append((type(exc).__name__, str(exc)))
            try:
                await connect(base + '/refused')
            except websockets.InvalidStatus as exc:
                seen.append((str(exc), exc.response.body))
            async with connect(base + '/echo', max_size=100) as socket:
                await socket.send('x' * 101)
                try:
                    await socket.recv()
                except websockets.ConnectionClosed as exc:
                    seen.append((exc.sent.code, exc.rcvd and exc.rcvd.code))

        async def main():
            async with serve(handler, '127.0.0.1', 0, process_request=refuse) as server:
                port = server.sockets[0].getsockname()[1]
                await talk(f'ws://127.0.0.1:{port}')
                last = await connect(f'ws://127.0.0.1:{port}/group')
                await last.recv()
            seen.append((server.is_serving(), last.close_code))
            try:
                await last.recv()
            except websockets.ConnectionClosed as exc:
                seen.append(str(exc))
            serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            serving.load_cert_chain(CERTIFICATE)
            trusting = ssl.create_default_context(cafile=CERTIFICATE)
            async with serve(handler, '127.0.0.1', 0, ssl=serving) as server:
                port = server.sockets[0].getsockname()[1]
                base = f'wss://127.0.0.1:{port}'
                await echo(base, ssl=trusting, server_hostname='localhost')
                try:
                    await connect(base + '/echo')
                except ssl.SSLCertVerificationError as exc:
                    seen.append(exc.reason)
            return seen, ended

        run(main)
        """,
        'websockets, websockets.asyncio.server',
    )
