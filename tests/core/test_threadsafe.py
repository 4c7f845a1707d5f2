"""call_soon_threadsafe: nothing lost, nothing reordered, the sleeping loop woken."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading

import pytest
import support

pytestmark = pytest.mark.pollers


def start(target, *args):
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread


class TestThreadsafe:
    def test_from_the_same_thread(self, loop):
        seen = []
        handle = loop.call_soon_threadsafe(seen.append, 1)
        assert isinstance(handle, asyncio.Handle)
        support.run_until(loop, lambda: seen)
        assert seen == [1]

    def test_order_beside_call_soon(self, loop):
        order = []
        loop.call_soon_threadsafe(order.append, 1)
        loop.call_soon_threadsafe(order.append, 2)
        support.run_until(loop, lambda: len(order) == 2)
        assert order == [1, 2]

    def test_order_of_mixed_calls_in_the_loops_thread(self, loop):
        order = []

        def callback():
            for number in range(0, 10, 2):
                loop.call_soon_threadsafe(order.append, number)
                loop.call_soon_threadsafe(order.append, number + 1)

        loop.call_soon(callback)
        support.run_until(loop, lambda: len(order) == 10)
        assert order == list(range(10))

    def test_wakes_a_sleeping_loop(self, loop):
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(loop.stop,))
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()

    def test_wakes_it_each_time(self, loop):
        rounds = 200
        turn = threading.Semaphore(0)
        seen = []

        def other():
            for number in range(rounds):
                loop.call_soon_threadsafe(callback, number)
                turn.acquire()
            loop.call_soon_threadsafe(loop.stop)

        def callback(number):
            seen.append(number)
            turn.release()

        thread = start(other)
        loop.run_forever()
        thread.join()
        assert seen == list(range(rounds))

    def test_many_threads_lose_nothing_and_keep_their_order(self, loop):
        count, threads = 2000, 8
        seen = [[] for _ in range(threads)]
        left = [threads]

        def finished():
            left[0] -= 1
            if not left[0]:
                loop.stop()

        def other(number):
            for value in range(count):
                loop.call_soon_threadsafe(seen[number].append, value)
            loop.call_soon_threadsafe(finished)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            started = [start(other, number) for number in range(threads)]
            loop.run_forever()
        finally:
            sys.setswitchinterval(interval)
        for thread in started:
            thread.join()
        assert seen == [list(range(count))] * threads

    def test_before_the_run(self, loop):
        seen = []
        start(loop.call_soon_threadsafe, seen.append, 1).join()
        support.run_until(loop, lambda: seen)

    def test_prompt_right_after_another_thread_started_the_loop(self, impl):
        # pytest-aiohttp and others: the loop runs in a thread, the first call comes at once.
        for _ in range(20):
            loop = impl.new_event_loop()
            thread = start(loop.run_forever)
            done = threading.Event()
            loop.call_soon_threadsafe(done.set)
            assert done.wait(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def test_after_close(self, impl):
        loop = impl.new_event_loop()
        loop.close()
        errors = []

        def other():
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as exc:
                errors.append(str(exc))

        start(other).join()
        assert errors == ['Event loop is closed']

    def test_closed_while_threads_call(self, impl):
        # Each call either runs, or is refused; nothing crashes.
        for _ in range(10):
            loop = impl.new_event_loop()
            refused = []
            ready = threading.Event()

            def other(loop=loop, refused=refused, ready=ready):
                try:
                    while True:
                        loop.call_soon_threadsafe(int)
                        ready.set()
                except RuntimeError as exc:
                    refused.append(str(exc))

            thread = start(other)
            ready.wait()
            support.run_once(loop)
            loop.close()
            thread.join()
            assert refused == ['Event loop is closed']

    def test_cancel_from_the_loop(self, loop):
        seen = []
        handles = []
        start(lambda: handles.append(loop.call_soon_threadsafe(seen.append, 1))).join()
        handles[0].cancel()
        for _ in range(3):
            support.run_once(loop)
        assert seen == []

    def test_context(self, loop):
        var = contextvars.ContextVar('var', default=0)
        context = contextvars.copy_context()
        context.run(var.set, 1)
        seen = []

        def other():
            var.set(2)
            loop.call_soon_threadsafe(lambda: seen.append(var.get()))
            loop.call_soon_threadsafe(lambda: seen.append(var.get()), context=context)

        start(other).join()
        support.run_until(loop, lambda: len(seen) == 2)
        assert seen == [2, 1]

    def test_raising_callback_is_reported(self, loop):
        def fails():
            raise KeyError

        start(loop.call_soon_threadsafe, fails).join()
        support.run_until(loop, lambda: loop.reports)
        loop.reports.clear()

    def test_stop_of_a_busy_loop(self, loop):
        def again():
            loop.call_soon(again)

        loop.call_soon(again)
        thread = start(loop.call_soon_threadsafe, loop.stop)
        loop.run_forever()
        thread.join()

    def test_run_coroutine_threadsafe(self, loop):
        async def answer(value):
            await asyncio.sleep(0)
            return value

        results = []

        def other():
            try:
                for number in range(50):
                    future = asyncio.run_coroutine_threadsafe(answer(number), loop)
                    results.append(future.result(30))
                failing = asyncio.run_coroutine_threadsafe(asyncio.wait_for(1, 1), loop)
                results.append(type(failing.exception(30)))
            finally:
                loop.call_soon_threadsafe(loop.stop)

        thread = start(other)
        loop.run_forever()
        thread.join()
        assert results == [*range(50), TypeError]

    def test_loop_subclass_is_honoured(self, impl):
        calls = []

        class Mine(impl.EventLoop):
            def call_soon_threadsafe(self, callback, *args, context=None):
                calls.append(callback)
                return super().call_soon_threadsafe(callback, *args, context=context)

        loop = Mine()

        async def main():
            go = threading.Event()
            waiting = loop.run_in_executor(None, go.wait)
            loop.call_soon(go.set)
            return await waiting

        assert loop.run_until_complete(main()) is True
        assert len(calls) >= 1
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class TestLoopPerThread:
    def test_several_at_once(self, impl):
        results = []

        async def work(number):
            total = 0
            for step in range(200):
                await asyncio.sleep(0)
                total += step * number
            return total

        def other(number):
            loop = impl.new_event_loop()
            try:
                results.append((number, loop.run_until_complete(work(number))))
            finally:
                loop.close()

        threads = [start(other, number) for number in range(6)]
        for thread in threads:
            thread.join()
        assert sorted(results) == [(number, number * 19900) for number in range(6)]

    def test_talking_to_each_other(self, impl):
        loops = [impl.new_event_loop() for _ in range(3)]
        hops = []

        def hop(index, left):
            hops.append(index)
            if left:
                following = (index + 1) % 3
                loops[following].call_soon_threadsafe(hop, following, left - 1)
            else:
                for loop in loops:
                    loop.call_soon_threadsafe(loop.stop)

        threads = [start(loop.run_forever) for loop in loops]
        loops[0].call_soon_threadsafe(hop, 0, 300)
        for thread in threads:
            thread.join()
        assert hops == [number % 3 for number in range(301)]
        for loop in loops:
            loop.close()

    def test_loop_made_here_run_and_closed_there(self, impl):
        loop = impl.new_event_loop()
        seen = []
        handle = loop.call_soon(seen.append, 1)

        def other():
            support.run_once(loop)
            loop.close()

        start(other).join()
        assert seen == [1]
        del handle

    def test_objects_die_in_another_thread(self, impl, loop):
        made = [loop.call_later(60, int) for _ in range(100)]
        for handle in made:
            handle.cancel()
        made += [loop.create_future() for _ in range(100)]
        made += [loop.call_soon(int) for _ in range(100)]
        support.run_once(loop)
        thread = start(made.clear)
        thread.join()
        loop.call_soon(int)
        support.run_once(loop)

    def test_current_task_is_each_threads_own(self, impl):
        barrier = threading.Barrier(2)
        results = []

        async def main():
            barrier.wait()
            task = asyncio.current_task()
            for _ in range(100):
                await asyncio.sleep(0)
                results.append(asyncio.current_task() is task)
                results.append(asyncio.all_tasks() == {task})

        def other():
            with asyncio.Runner(loop_factory=impl.new_event_loop) as runner:
                runner.run(main())

        threads = [start(other) for _ in range(2)]
        for thread in threads:
            thread.join()
        assert results == [True] * 400
