"""Signals: the loop's handlers, Python's own while the loop sleeps, and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import pytest
import support

pytestmark = pytest.mark.pollers


def send(number=signal.SIGUSR1):
    os.kill(os.getpid(), number)


def keep_waking(loop):
    """Wake the loop now and then: a signal that came just before the sleep is not seen until then.

    No loop closes that gap for handlers that it did not set itself.
    """
    loop.call_later(0.01, keep_waking, loop)


@pytest.fixture(autouse=True)
def dispositions():
    """Handlers and the wakeup fd are as they were."""
    numbers = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before
    fd = signal.set_wakeup_fd(-1)
    assert fd == -1


class TestAddSignalHandler:
    @pytest.mark.ours
    def test_sockets_for_signals_are_made_with_the_first_handler(self, loop):
        assert loop._ssock is loop._csock is None
        assert loop._internal_fds == 0
        loop.add_signal_handler(signal.SIGUSR1, print)
        assert loop._ssock.fileno() > 0
        assert loop._internal_fds == 1
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_called_with_arguments(self, loop):
        seen = []
        assert loop.add_signal_handler(signal.SIGUSR1, seen.append, 'x') is None
        send()
        support.run_until(loop, lambda: seen)
        assert seen == ['x']
        assert loop.remove_signal_handler(signal.SIGUSR1) is True
        assert loop.remove_signal_handler(signal.SIGUSR1) is False

    def test_wakes_a_sleeping_loop(self, loop):
        loop.add_signal_handler(signal.SIGUSR1, loop.stop)
        timer = threading.Timer(0.005, send)
        loop.call_soon(timer.start)
        loop.run_forever()
        timer.join()
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_sent_while_running(self, loop):
        seen = []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
        loop.call_soon(send)
        support.run_until(loop, lambda: seen)
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_two_signals(self, loop):
        seen = []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
        loop.add_signal_handler(signal.SIGUSR2, seen.append, 2)
        send(signal.SIGUSR2)
        send(signal.SIGUSR1)
        support.run_until(loop, lambda: len(seen) == 2)
        assert sorted(seen) == [1, 2]
        loop.remove_signal_handler(signal.SIGUSR1)
        send(signal.SIGUSR2)
        support.run_until(loop, lambda: len(seen) == 3)
        loop.remove_signal_handler(signal.SIGUSR2)

    def test_replace(self, loop):
        seen = []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 'old')
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 'new')
        send()
        support.run_until(loop, lambda: seen)
        assert seen == ['new']
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_many_of_them(self, loop):
        seen = []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
        for _ in range(50):
            before = len(seen)
            send()
            support.run_until(loop, lambda: len(seen) > before)  # noqa: B023
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_raising_one_is_reported(self, loop):
        def fails():
            raise KeyError

        loop.add_signal_handler(signal.SIGUSR1, fails)
        send()
        support.run_until(loop, lambda: loop.reports)
        loop.reports.clear()
        loop.remove_signal_handler(signal.SIGUSR1)

    def test_default_is_restored(self, loop):
        loop.add_signal_handler(signal.SIGUSR1, print)
        assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL
        loop.remove_signal_handler(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    def test_sigint_gets_its_default_back(self, loop):
        loop.add_signal_handler(signal.SIGINT, print)
        loop.remove_signal_handler(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_close_removes(self, impl):
        loop = impl.new_event_loop()
        loop.add_signal_handler(signal.SIGUSR1, print)
        loop.close()
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    @pytest.mark.ours  # stock: the interpreter reports that it cannot write to a closed socket
    def test_while_it_closes(self, impl, monkeypatch):
        class Closing(impl.EventLoop):
            def _close_self_pipe(self):
                super()._close_self_pipe()
                send()

        reports = []
        monkeypatch.setattr(sys, 'unraisablehook', reports.append)
        loop = Closing()
        loop.add_signal_handler(signal.SIGUSR1, print)
        loop.close()
        assert reports == []
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    @pytest.mark.parametrize('bad', [-1, 0, 10_000])
    def test_number_out_of_range(self, loop, bad):
        with pytest.raises(ValueError, match=rf'^invalid signal number {bad}$'):
            loop.add_signal_handler(bad, print)
        with pytest.raises(ValueError, match=rf'^invalid signal number {bad}$'):
            loop.remove_signal_handler(bad)

    @pytest.mark.parametrize('bad', ['x', None, 1.5])
    def test_not_a_number(self, loop, bad):
        with pytest.raises(TypeError, match=rf'^sig must be an int, not {bad!r}$'):
            loop.add_signal_handler(bad, print)

    @pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
    def test_cannot_be_caught(self, loop, number):
        with pytest.raises(RuntimeError, match=rf'^sig {int(number)} cannot be caught$'):
            loop.add_signal_handler(number, print)

    def test_coroutines_are_refused(self, loop):
        async def handler():
            pass

        with pytest.raises(
            TypeError, match=r'^coroutines cannot be used with add_signal_handler\(\)$'
        ):
            loop.add_signal_handler(signal.SIGUSR1, handler)
        coro = handler()
        with pytest.raises(TypeError, match=r'^coroutines cannot be used'):
            loop.add_signal_handler(signal.SIGUSR1, coro)
        coro.close()

    def test_only_in_the_main_thread(self, loop):
        errors = []

        def other():
            try:
                loop.add_signal_handler(signal.SIGUSR1, print)
            except (RuntimeError, ValueError) as exc:
                errors.append(type(exc))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert errors == [RuntimeError]


class TestPythonHandlers:
    """Handlers set by signal.signal() run while the loop sleeps."""

    @pytest.fixture
    def handled(self):
        seen = threading.Event()
        before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.set())
        yield seen
        signal.signal(signal.SIGUSR1, before)

    def test_while_sleeping(self, loop, handled):
        def other():
            send()
            assert handled.wait(30)
            loop.call_soon_threadsafe(loop.stop)

        thread = threading.Thread(target=other)
        loop.call_soon(thread.start)
        keep_waking(loop)
        loop.run_forever()
        assert handled.is_set()
        thread.join()

    def test_in_a_callback(self, loop, handled):
        loop.call_soon(send)
        support.run_until(loop, handled.is_set)

    def test_that_stops_the_loop(self, loop):
        before = signal.signal(signal.SIGUSR1, lambda *args: loop.stop())
        timer = threading.Timer(0.005, send)
        try:
            # A stop from a Python handler takes effect once the loop has woken.
            loop.call_soon(timer.start)
            keep_waking(loop)
            loop.run_forever()
        finally:
            signal.signal(signal.SIGUSR1, before)
            timer.join()

    def test_that_raises_leaves_the_loop(self, loop):
        # Not a plain exception: one that strikes inside a callback is reported, not raised.
        class Leave(KeyboardInterrupt):
            pass

        def handler(number, frame):
            raise Leave('from the handler')

        before = signal.signal(signal.SIGUSR1, handler)
        timer = threading.Timer(0.005, send)
        try:
            loop.call_soon(timer.start)
            keep_waking(loop)
            with pytest.raises(Leave, match=r'from the handler'):
                loop.run_forever()
        finally:
            signal.signal(signal.SIGUSR1, before)
            timer.join()
        # And it can be run again.
        support.run_once(loop)

    def test_keyboard_interrupt_while_sleeping(self, loop):
        timer = threading.Timer(0.005, send, [signal.SIGINT])
        loop.call_soon(timer.start)
        keep_waking(loop)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        timer.join()
        assert not loop.is_running()
        support.run_once(loop)

    def test_keyboard_interrupt_in_a_busy_loop(self, loop):
        def again():
            loop.call_soon(again)

        loop.call_soon(again)
        loop.call_soon(send, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()

    def test_keyboard_interrupt_in_a_task_that_spins(self, loop):
        async def spin():
            send(signal.SIGINT)
            while True:
                await asyncio.sleep(0)

        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(spin())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))

    def test_wakeup_fd_of_others_is_left_alone(self, loop):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(reader, False)
        before = signal.set_wakeup_fd(writer)
        handler = signal.signal(signal.SIGUSR1, lambda *args: None)
        try:
            support.run_once(loop)
            send()
            support.run_once(loop)
            assert signal.set_wakeup_fd(before) == writer
            assert os.read(reader, 10) == bytes([signal.SIGUSR1])
        finally:
            signal.set_wakeup_fd(before)
            signal.signal(signal.SIGUSR1, handler)
            os.close(reader)
            os.close(writer)


class TestRunner:
    """Runner's own Ctrl-C: the first cancels the main task, the second interrupts."""

    def test_first_cancels_the_main_task(self, impl):
        order = []

        async def main():
            try:
                asyncio.get_running_loop().call_soon(send, signal.SIGINT)
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                order.append('cancelled')
                raise

        with pytest.raises(KeyboardInterrupt), impl.Runner() as runner:
            runner.run(main())
        assert order == ['cancelled']

    def test_while_sleeping(self, impl):
        order = []

        async def main():
            keep_waking(asyncio.get_running_loop())
            timer = threading.Timer(0.005, send, [signal.SIGINT])
            timer.start()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                order.append('cancelled')
                raise
            finally:
                timer.join()

        with pytest.raises(KeyboardInterrupt):
            impl.run(main())
        assert order == ['cancelled']

    def test_task_that_finishes_all_the_same(self, impl):
        async def main():
            asyncio.get_running_loop().call_soon(send, signal.SIGINT)
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return 'finished'

        assert impl.run(main()) == 'finished'

    def test_spinning_task(self, impl):
        async def main():
            send(signal.SIGINT)
            while True:
                await asyncio.sleep(0)

        with pytest.raises(KeyboardInterrupt):
            impl.run(main())

    def test_process_ends_by_sigint(self, impl):
        with support.start_script(
            impl,
            """
            import os, signal
            async def main():
                print("ready", flush=True)
                await asyncio.sleep(60)
            try:
                impl.run(main())
            except KeyboardInterrupt:
                print("interrupted")
            """,
        ) as child:
            assert child.stdout.readline() == 'ready\n'
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=30)
        assert (out, err) == ('interrupted\n', '')
