"""grpc.aio: the four kinds of calls, metadata, deadlines, cancellation, interceptors, TLS."""

from __future__ import annotations

import support
from compat.support import check_same, needs

pytestmark = needs('grpc')

CERTIFICATE = str(support.TESTS / 'localhost.pem')


def test_server_and_channel():
    check_same(
        f"""
        CERTIFICATE = {CERTIFICATE!r}
        """
        """
        import contextvars

        seen = []
        inside = contextvars.ContextVar('inside', default='nothing')

        async def upper(request, context):
            await asyncio.sleep(0)
            metadata = dict(context.invocation_metadata())
            context.set_trailing_metadata([('trailer', metadata.get('name', 'none'))])
            return request.upper()

        def in_thread(request, context):
            return request[::-1]

        async def count(request, context):
            for number in range(int(request)):
                await asyncio.sleep(0)
                yield b'%d' % number

        async def total(requests, context):
            return b'%d' % sum([len(request) async for request in requests])

        async def echo(requests, context):
            async for request in requests:
                await context.write(request + b'!')

        async def fail(request, context):
            if request == b'abort':
                await context.abort(grpc.StatusCode.NOT_FOUND, 'not here')
            raise ValueError('fails')

        async def wait(request, context):
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append('handler cancelled')
                ended.set()
                raise

        class Around(grpc.aio.ServerInterceptor):
            async def intercept_service(self, continuation, details):
                inside.set(details.method)
                return await continuation(details)

        class Adding(grpc.aio.UnaryUnaryClientInterceptor):
            async def intercept_unary_unary(self, continuation, details, request):
                await asyncio.sleep(0)
                call = await continuation(details, request)
                seen.append(('intercepted', (await call.code()).name))
                return call

        def make_server():
            server = grpc.aio.server(interceptors=[Around()])
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler('words', {
                'Upper': grpc.unary_unary_rpc_method_handler(upper),
                'InThread': grpc.unary_unary_rpc_method_handler(in_thread),
                'Count': grpc.unary_stream_rpc_method_handler(count),
                'Total': grpc.stream_unary_rpc_method_handler(total),
                'Echo': grpc.stream_stream_rpc_method_handler(echo),
                'Fail': grpc.unary_unary_rpc_method_handler(fail),
                'Wait': grpc.unary_unary_rpc_method_handler(wait),
            })])
            return server

        async def failure(call):
            try:
                await call
            except grpc.aio.AioRpcError as exc:
                return exc.code().name, exc.details()

        async def talk(channel):
            call_upper = channel.unary_unary('/words/Upper')
            many = await asyncio.gather(*(call_upper(b'n%d' % n) for n in range(50)))
            seen.append(many[-1])
            call = call_upper(b'words' * 100_000, metadata=[('name', 'value')])
            seen.append((len(await call), await call.code(), dict(await call.trailing_metadata())))
            seen.append(await channel.unary_unary('/words/InThread')(b'words'))
            seen.append([part async for part in channel.unary_stream('/words/Count')(b'100')][-1])

            async def parts():
                for number in range(10):
                    await asyncio.sleep(0)
                    yield b'x' * number

            seen.append(await channel.stream_unary('/words/Total')(parts()))
            call = channel.stream_stream('/words/Echo')()
            for word in (b'one', b'two'):
                await call.write(word)
                seen.append(await call.read())
            await call.done_writing()
            seen.append(await call.read() is grpc.aio.EOF)
            call_fail = channel.unary_unary('/words/Fail')
            seen.append(await failure(call_fail(b'abort')))
            seen.append(await failure(call_fail(b'raise')))
            seen.append(await failure(channel.unary_unary('/words/None')(b'')))
            call_wait = channel.unary_unary('/words/Wait')
            seen.append(await failure(call_wait(b'', timeout=1)))
            await ended.wait()
            ended.clear()
            started.clear()
            call = call_wait(b'')
            await started.wait()
            call.cancel()
            try:
                await call
            except asyncio.CancelledError:
                seen.append(('cancelled', call.cancelled()))
            await ended.wait()
            ended.clear()
            started.clear()
            task = asyncio.create_task(failure(call_wait(b'')))
            await started.wait()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                seen.append(('task cancelled', task.cancelled()))
            await ended.wait()

        async def main():
            global started, ended
            started, ended = asyncio.Event(), asyncio.Event()
            server = make_server()
            port = server.add_insecure_port('127.0.0.1:0')
            with open(CERTIFICATE, 'rb') as file:
                pem = file.read()
            secure = server.add_secure_port(
                '127.0.0.1:0', grpc.ssl_server_credentials([(pem, pem)])
            )
            await server.start()
            async with grpc.aio.insecure_channel(f'127.0.0.1:{port}') as channel:
                await channel.channel_ready()
                await talk(channel)
                seen.append(channel.get_state().name)
            async with grpc.aio.secure_channel(
                f'127.0.0.1:{secure}',
                grpc.ssl_channel_credentials(pem),
                [('grpc.ssl_target_name_override', 'localhost')],
                interceptors=[Adding()],
            ) as channel:
                seen.append(await channel.unary_unary('/words/Upper')(b'over tls'))
                started.clear()
                ended.clear()
                call = asyncio.create_task(failure(channel.unary_unary('/words/Wait')(b'')))
                await started.wait()
                await server.stop(0)
                seen.append((await call)[0])
                await ended.wait()
            await server.wait_for_termination()
            # The server and the client run in turn as they please.
            ours = [entry for entry in seen if entry != 'handler cancelled']
            return ours, seen.count('handler cancelled')

        run(main)
        """,
        'grpc, grpc.aio',
    )
