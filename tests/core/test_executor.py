"""run_in_executor and to_thread: results, exceptions and cancelling, by threads and processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import sys
import threading

import pytest
import support

pytestmark = pytest.mark.pollers


class TestThreads:
    def test_result(self, loop):
        async def main():
            return await loop.run_in_executor(None, pow, 2, 10)

        assert loop.run_until_complete(main()) == 1024

    def test_runs_elsewhere(self, loop):
        async def main():
            return await loop.run_in_executor(None, threading.current_thread)

        thread = loop.run_until_complete(main())
        assert thread is not threading.current_thread()
        assert thread.name.startswith('asyncio_')

    def test_exception(self, loop):
        def fails():
            raise KeyError('k')

        async def main():
            with pytest.raises(KeyError, match=r'k') as caught:
                await loop.run_in_executor(None, fails)
            caught.value.__traceback__ = None

        loop.run_until_complete(main())

    def test_many_at_once(self, loop):
        async def main():
            return await asyncio.gather(
                *(loop.run_in_executor(None, int, number) for number in range(500))
            )

        assert loop.run_until_complete(main()) == list(range(500))

    def test_wakes_a_sleeping_loop(self, loop):
        async def main():
            go = threading.Event()
            waiting = loop.run_in_executor(None, go.wait)
            # The loop is about to sleep when the thread goes on.
            threading.Timer(0.005, go.set).start()
            return await waiting

        assert loop.run_until_complete(main()) is True

    def test_own_executor(self, loop):
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='own') as pool:

            async def main():
                return await loop.run_in_executor(pool, threading.current_thread)

            assert loop.run_until_complete(main()).name.startswith('own')

    def test_cancel_before_it_starts(self, loop):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            go, ran = threading.Event(), []

            async def main():
                blocker = loop.run_in_executor(pool, go.wait)
                second = loop.run_in_executor(pool, ran.append, 1)
                second.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await second
                # The executor hears of it in the next iteration.
                await asyncio.sleep(0)
                go.set()
                await blocker

            loop.run_until_complete(main())
        assert ran == []

    def test_cancel_while_it_runs(self, loop):
        go, started = threading.Event(), threading.Event()

        def work():
            started.set()
            go.wait()
            return 'nobody waits for it'

        async def main():
            running = loop.run_in_executor(None, work)
            await loop.run_in_executor(None, started.wait)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            go.set()

        loop.run_until_complete(main())

    def test_finishes_after_the_loop_is_closed(self, impl):
        go = threading.Event()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        loop = impl.new_event_loop()

        async def main():
            loop.run_in_executor(pool, go.wait)

        loop.run_until_complete(main())
        loop.close()
        go.set()
        pool.shutdown()

    def test_shutdown_default_executor(self, loop):
        async def main():
            await loop.run_in_executor(None, int)
            await loop.shutdown_default_executor()
            with pytest.raises(RuntimeError, match=r'^Executor shutdown has been called$'):
                loop.run_in_executor(None, int)

        loop.run_until_complete(main())

    def test_default_executor_must_be_of_threads(self, loop):
        with pytest.raises(TypeError, match=r'^executor must be ThreadPoolExecutor instance$'):
            loop.set_default_executor(object())

    def test_getaddrinfo(self, loop):
        async def main():
            return await loop.getaddrinfo('127.0.0.1', 80)

        assert loop.run_until_complete(main())


class TestToThread:
    def test_result_and_keywords(self, loop):
        async def main():
            return await asyncio.to_thread(int, 'ff', base=16)

        assert loop.run_until_complete(main()) == 255

    def test_context(self, loop):
        var = contextvars.ContextVar('var', default=0)

        async def main():
            var.set(3)
            return await asyncio.to_thread(var.get)

        assert loop.run_until_complete(main()) == 3

    def test_exception(self, loop):
        def fails():
            raise ZeroDivisionError

        async def main():
            with pytest.raises(ZeroDivisionError) as caught:
                await asyncio.to_thread(fails)
            caught.value.__traceback__ = None

        loop.run_until_complete(main())

    def test_stop_iteration(self, loop):
        # Cannot be set on a future: told as such, instead of a hang.
        def fails():
            raise StopIteration

        async def main():
            await asyncio.wait_for(asyncio.to_thread(fails), 30)

        if sys.version_info < (3, 13):
            pytest.skip('hangs with stock before gh-112182')
        with pytest.raises(RuntimeError, match=r'StopIteration') as caught:
            loop.run_until_complete(main())
        caught.value.__traceback__ = None


def test_processes(impl):
    # In a process of its own: multiprocessing keeps helpers and their fds open.
    out, err = support.run_script(
        impl,
        """
        import concurrent.futures, math, multiprocessing
        async def main():
            loop = asyncio.get_running_loop()
            context = multiprocessing.get_context("fork" if impl.name == "pyasync-poll" else None)
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
                calls = (loop.run_in_executor(pool, math.factorial, n) for n in range(20))
                assert await asyncio.gather(*calls) == [math.factorial(n) for n in range(20)]
                try:
                    await loop.run_in_executor(pool, math.sqrt, -1)
                except ValueError as exc:
                    print("ValueError")
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        """,
        options=('-W', 'ignore'),
    )
    assert (out, err) == ('ValueError\n', '')
