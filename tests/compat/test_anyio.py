"""anyio on asyncio: task groups, cancel scopes, streams, locks, threads, processes, sockets."""

from __future__ import annotations

from compat.support import check_same, needs

pytestmark = needs('anyio')


def test_task_groups_and_cancel_scopes():
    check_same(
        """
        async def main():
            seen = []

            async def fail(event):
                await event.wait()
                raise ValueError('failed')

            async def wait(name):
                try:
                    await anyio.sleep(60)
                except anyio.get_cancelled_exc_class():
                    seen.append(name)
                    with anyio.CancelScope(shield=True):
                        await anyio.sleep(0)
                    raise

            event = anyio.Event()
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(fail, event)
                    group.start_soon(wait, 'waiter')
                    await anyio.sleep(0)
                    event.set()
            except ExceptionGroup as exc:
                seen.append(repr(exc.exceptions))
            with anyio.move_on_after(0) as scope:
                await wait('moved on')
            seen.append(scope.cancelled_caught)
            try:
                with anyio.fail_after(0):
                    await wait('too late')
            except TimeoutError:
                seen.append('timeout')
            async with asyncio.TaskGroup() as group:
                with anyio.CancelScope() as scope:
                    group.create_task(asyncio.sleep(0)).add_done_callback(lambda _: scope.cancel())
                    await wait('inner')
            return seen

        run(main)
        """,
        'anyio',
    )


def test_primitives_streams_and_threads():
    check_same(
        """
        async def main():
            seen = []
            send, receive = anyio.create_memory_object_stream(1)
            limiter, lock = anyio.CapacityLimiter(2), anyio.Lock()
            condition, semaphore = anyio.Condition(), anyio.Semaphore(1)

            async def produce():
                async with send:
                    for number in range(5):
                        async with limiter, lock, semaphore:
                            await send.send(number)

            async with anyio.create_task_group() as group:
                group.start_soon(produce)
                async with receive:
                    async for number in receive:
                        seen.append(number)

            async def notify():
                async with condition:
                    condition.notify_all()

            async with anyio.create_task_group() as group:
                async with condition:
                    group.start_soon(notify)
                    await condition.wait()
            seen.append(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(answer)))
            done = await anyio.run_process(['echo', 'process'])
            seen.append(done.stdout)
            return seen

        async def answer():
            await asyncio.sleep(0)
            return 42

        run(main)
        """,
        'anyio, anyio.from_thread, anyio.to_thread',
    )


def test_sockets():
    check_same(
        """
        async def main():
            async def serve(stream):
                async with stream:
                    async for data in stream:
                        await stream.send(data.upper())

            async with await anyio.create_tcp_listener(local_host='127.0.0.1') as listener:
                port = listener.extra(anyio.abc.SocketAttribute.local_port)
                async with anyio.create_task_group() as group:
                    group.start_soon(listener.serve, serve)
                    async with await anyio.connect_tcp('127.0.0.1', port) as stream:
                        await stream.send(b'words')
                        answer = await stream.receive()
                        await stream.send_eof()
                        try:
                            await stream.receive()
                        except anyio.EndOfStream:
                            answer += b' end'
                    group.cancel_scope.cancel()
            return answer

        run(main)
        """,
        'anyio, anyio.abc',
    )
