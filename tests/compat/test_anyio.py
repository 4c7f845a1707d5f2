"""anyio on asyncio: task groups, cancel scopes, streams, locks, threads, processes, sockets."""

from __future__ import annotations

import support
from compat.support import check_same, needs

pytestmark = needs('anyio')

CERTIFICATE = str(support.TESTS / 'localhost.pem')


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


def test_nursery_style():
    """As programs for trio are written: start(), deadlines, channels, parking, shielding, files."""
    check_same(
        """
        import math
        import tempfile

        async def server(*, task_status=anyio.TASK_STATUS_IGNORED):
            async with await anyio.create_tcp_listener(local_host='127.0.0.1') as listener:
                task_status.started(listener.extra(anyio.abc.SocketAttribute.local_port))
                await listener.serve(handle)

        async def handle(stream):
            buffered = anyio.streams.buffered.BufferedByteReceiveStream(stream)
            async with stream:
                with anyio.move_on_after(60):
                    while True:
                        try:
                            line = await buffered.receive_until(b'\\n', 100)
                        except (anyio.IncompleteRead, anyio.DelimiterNotFound) as exc:
                            seen.append(type(exc).__name__)
                            return
                        await stream.send(line[::-1] + b'\\n')

        async def channels():
            send, receive = anyio.create_memory_object_stream(math.inf)
            async def worker(name, receive, out):
                async with receive, out:
                    async for item in receive:
                        await anyio.lowlevel.checkpoint()
                        await out.send((item, item ** 2))
            out_send, out_receive = anyio.create_memory_object_stream(0)
            async with anyio.create_task_group() as group:
                async with receive, out_send:
                    for name in range(3):
                        group.start_soon(worker, name, receive.clone(), out_send.clone())
                async with send:
                    for item in range(20):
                        send.send_nowait(item)
                async with out_receive:
                    seen.append(sorted([pair async for pair in out_receive])[-1])
            seen.append((send.statistics().current_buffer_used, out_receive.statistics()))
            send, receive = anyio.create_memory_object_stream(1)
            send.send_nowait(1)
            for call in (lambda: send.send_nowait(2), receive.close, lambda: send.send_nowait(3)):
                try:
                    call()
                except (anyio.WouldBlock, anyio.BrokenResourceError) as exc:
                    seen.append(type(exc).__name__)
            send.close()

        async def deadlines():
            with anyio.CancelScope(deadline=anyio.current_time() + 60) as outer:
                with anyio.move_on_after(0.001, shield=True) as inner:
                    outer.cancel('outer')
                    await anyio.sleep_forever()
                seen.append((inner.cancelled_caught, outer.cancel_called))
                await anyio.lowlevel.checkpoint()
            seen.append((outer.cancelled_caught, anyio.current_effective_deadline()))
            try:
                async with anyio.create_task_group() as group:
                    async def cleaning():
                        try:
                            await anyio.sleep_forever()
                        finally:
                            with anyio.fail_after(60, shield=True):
                                await anyio.sleep(0.001)
                            seen.append('clean')
                    group.start_soon(cleaning, name='cleaning')
                    await anyio.lowlevel.checkpoint()
                    seen.append(sorted(task.name for task in anyio.get_running_tasks())[0][-8:])
                    raise KeyError('body')
            except* KeyError as exc:
                seen.append(str(exc))

            async def not_started(*, task_status):
                return

            async with anyio.create_task_group() as group:
                try:
                    await group.start(not_started)
                except RuntimeError as exc:
                    seen.append(str(exc))

        async def parking():
            event, condition, order = anyio.Event(), anyio.Condition(), []
            lock, semaphore = anyio.Lock(fast_acquire=True), anyio.Semaphore(2, max_value=2)
            limiter = anyio.CapacityLimiter(1)

            async def waiter(number):
                async with condition:
                    await condition.wait()
                    order.append(number)
                await event.wait()
                async with limiter, semaphore, lock:
                    order.append(-number)

            async with anyio.create_task_group() as group:
                for number in range(1, 5):
                    group.start_soon(waiter, number)
                await anyio.wait_all_tasks_blocked()
                async with condition:
                    condition.notify(2)
                await anyio.wait_all_tasks_blocked()
                seen.append(list(order))
                async with condition:
                    condition.notify_all()
                event.set()
            seen.append((order, limiter.statistics(), semaphore.value))
            try:
                semaphore.release()
            except ValueError as exc:
                seen.append(str(exc))
            guard = anyio.ResourceGuard('using')
            try:
                with guard, guard:
                    pass
            except anyio.BusyResourceError as exc:
                seen.append(str(exc))

        async def files():
            with tempfile.TemporaryDirectory() as folder:
                path = anyio.Path(folder) / 'file.txt'
                seen.append(await path.write_text('one\\ntwo\\n'))
                async with await path.open() as file:
                    seen.append([line async for line in file])
                seen.append([entry.name async for entry in anyio.Path(folder).iterdir()])

        async def main():
            global seen
            seen = []
            async with anyio.create_task_group() as group:
                port = await group.start(server)
                async with await anyio.connect_tcp('127.0.0.1', port) as stream:
                    await stream.send(b'one\\ntwo\\n')
                    answer = b''
                    while answer.count(b'\\n') < 2:
                        answer += await stream.receive()
                    seen.append(answer)
                    await stream.send(b'x' * 200)
                    try:
                        await stream.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        seen.append('end')
                group.cancel_scope.cancel()
            await channels()
            await deadlines()
            await parking()
            await files()
            return seen

        run(main)
        """.replace('\\\\', '\\'),
        'anyio, anyio.abc, anyio.lowlevel, anyio.streams.buffered',
    )


def test_threads_processes_and_signals():
    check_same(
        """
        import functools
        import os
        import signal
        import threading

        seen = []

        def in_thread():
            anyio.from_thread.check_cancelled()
            value = anyio.from_thread.run(answer, 21)
            anyio.from_thread.run_sync(seen.append, 'from the thread')
            return value, threading.current_thread() is threading.main_thread()

        async def answer(number):
            await anyio.sleep(0)
            return number * 2

        def until_cancelled(entered):
            anyio.from_thread.run_sync(entered.set)
            try:
                while True:
                    anyio.from_thread.check_cancelled()
            except BaseException as exc:
                seen.append(type(exc).__name__)
                raise

        async def threads():
            seen.append(await anyio.to_thread.run_sync(in_thread))
            limiter = anyio.CapacityLimiter(2)
            async with anyio.create_task_group() as group:
                for number in range(6):
                    group.start_soon(
                        functools.partial(
                            anyio.to_thread.run_sync, answers.append, number, limiter=limiter
                        )
                    )
            seen.append((sorted(answers), limiter.borrowed_tokens))
            entered = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, until_cancelled, entered)
                await entered.wait()
                group.cancel_scope.cancel()
            late = threading.Event()
            with anyio.move_on_after(0.001) as scope:
                await anyio.to_thread.run_sync(late.wait, abandon_on_cancel=True)
            late.set()
            seen.append(scope.cancelled_caught)

        async def portals():
            async with anyio.from_thread.BlockingPortal() as portal:
                def use():
                    future = portal.start_task_soon(answer, 4)
                    with portal.wrap_async_context_manager(manager()) as value:
                        return future.result(), value, portal.call(answer, 5)
                seen.append(await anyio.to_thread.run_sync(use))
                await portal.stop()

        class manager:
            async def __aenter__(self):
                seen.append('entered')
                return 'managed'

            async def __aexit__(self, *exc):
                await anyio.sleep(0)
                seen.append('left')

        async def processes():
            seen.append(await anyio.to_process.run_sync(pow, 2, 100))
            try:
                await anyio.to_process.run_sync(int, 'x')
            except ValueError as exc:
                seen.append(str(exc))
            command = ['sh', '-c', 'cat; echo error >&2; exit 3']
            done = await anyio.run_process(command, input=b'input', check=False)
            seen.append((done.returncode, done.stdout, done.stderr))
            async with await anyio.open_process(['cat']) as process:
                await process.stdin.send(b'one')
                seen.append(await process.stdout.receive())
                process.terminate()
                seen.append(await process.wait())
            with anyio.move_on_after(0.01):
                await anyio.run_process(['sleep', '60'])

        async def signals():
            with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGTERM) as received:
                for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
                    os.kill(os.getpid(), number)
                    seen.append((await anext(received)).name)

        async def main():
            global answers
            answers = []
            await threads()
            await portals()
            await processes()
            await signals()
            return seen

        run(main)

        # Loops that anyio makes itself: its own run(), and one in a thread.
        async def own():
            return await answer(1)

        print(anyio.run(own))
        with anyio.from_thread.start_blocking_portal() as portal:
            print(portal.call(answer, 2), portal.start_task_soon(answer, 3).result())
        """,
        'anyio, anyio.from_thread, anyio.to_process, anyio.to_thread',
    )


def test_tls_and_udp():
    check_same(
        f"""
        CERTIFICATE = {CERTIFICATE!r}
        """
        """
        import ssl

        seen = []

        async def upper(stream):
            async with stream:
                async for data in stream:
                    await stream.send(data.upper())

        async def tls():
            serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            serving.load_cert_chain(CERTIFICATE)
            trusting = ssl.create_default_context(cafile=CERTIFICATE)
            plain = await anyio.create_tcp_listener(local_host='127.0.0.1')
            listener = anyio.streams.tls.TLSListener(plain, serving, standard_compatible=False)
            port = plain.extra(anyio.abc.SocketAttribute.local_port)
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, upper)
                async with await anyio.connect_tcp(
                    '127.0.0.1', port, ssl_context=trusting, tls_hostname='localhost',
                    tls_standard_compatible=False,
                ) as stream:
                    for size in (5, 100_000):
                        await stream.send(b'x' * size)
                        got = 0
                        while got < size:
                            got += len(await stream.receive())
                        seen.append(got)
                    seen.append(stream.extra(anyio.streams.tls.TLSAttribute.tls_version))
                try:
                    await anyio.connect_tcp('127.0.0.1', port, tls=True, tls_hostname='localhost')
                except ssl.SSLCertVerificationError as exc:
                    seen.append(exc.reason)
                group.cancel_scope.cancel()
            await listener.aclose()

        async def udp():
            async with await anyio.create_udp_socket(local_host='127.0.0.1') as server:
                port = server.extra(anyio.abc.SocketAttribute.local_port)
                async with await anyio.create_connected_udp_socket('127.0.0.1', port) as client:
                    for number in range(5):
                        await client.send(b'datagram %d' % number)
                    for _ in range(5):
                        data, address = await server.receive()
                        await server.sendto(data[::-1], *address)
                    seen.append([await client.receive() for _ in range(5)])

        async def main():
            for part in (tls, udp):
                await part()
            return seen

        run(main)
        """,
        'anyio, anyio.abc, anyio.streams.tls',
    )
