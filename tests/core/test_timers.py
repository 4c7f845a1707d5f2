"""Timers: call_later and call_at, their order, and how early and how late they may be.

Lateness is counted in iterations on a clock that the test owns, never on a stopwatch.
"""

from __future__ import annotations

import asyncio
import decimal
import fractions
import math
import time
from unittest import mock

import pytest
import support
from hypothesis import given
from hypothesis import strategies as st


def make_clocked_loop(impl, start=1000.0):
    """A loop whose time() answers loop.now."""

    class Clocked(impl.EventLoop):
        now = start

        def time(self):
            return self.now

    return Clocked()


@pytest.fixture
def clocked(impl):
    loop = make_clocked_loop(impl)
    yield loop
    loop.close()


class TestFakeClock:
    def test_due_timer_runs_in_the_next_iteration(self, clocked):
        seen = []
        clocked.call_at(1001.0, seen.append, 1)
        support.run_once(clocked)
        clocked.now = 1000.999
        support.run_once(clocked)
        assert seen == []
        clocked.now = 1001.0
        support.run_once(clocked)
        assert seen == [1]

    def test_never_early(self, clocked):
        seen = []
        clocked.call_later(0.002, lambda: seen.append(clocked.time()))
        for step in range(2000):
            clocked.now = 1000.0 + step * 1e-6
            support.run_once(clocked)
            assert not seen
        clocked.now = 1000.002 + 1e-9
        support.run_once(clocked)
        assert len(seen) == 1

    def test_not_late_under_load(self, clocked):
        # Other work on every iteration: the timer runs on the very iteration after it is due.
        iterations, fired = [0], []

        def work():
            iterations[0] += 1
            clocked.now += 0.001
            if iterations[0] < 100:
                clocked.call_soon(work)
            else:
                clocked.stop()

        for after in (10, 20, 30, 99):
            clocked.call_at(
                1000.0 + after * 0.001 - 0.0005,
                lambda after=after: fired.append((after, iterations[0])),
            )
        clocked.call_soon(work)
        clocked.run_forever()
        # At step n the clock becomes 1000 + n ms; step n+1 runs before the timer that fell due.
        assert fired == [(10, 11), (20, 21), (30, 31), (99, 100)]

    def test_timers_come_after_what_was_ready(self, clocked):
        order = []
        clocked.call_later(0, order.append, 'timer')
        clocked.call_soon(order.append, 'soon')
        support.run_once(clocked)
        assert order == ['soon', 'timer']

    def test_many_due_at_once_run_in_one_iteration_in_order(self, clocked):
        order = []
        for number in (5, 3, 9, 1, 7, 2, 8, 0, 6, 4):
            clocked.call_at(1001.0 + number, order.append, number)
        clocked.now = 2000.0
        support.run_once(clocked)
        assert order == list(range(10))

    def test_timer_set_by_a_timer_waits_for_the_next_iteration(self, clocked):
        order = []

        def first():
            order.append('first')
            clocked.call_later(0, order.append, 'second')

        clocked.call_later(0, first)
        support.run_once(clocked)
        assert order == ['first']
        support.run_once(clocked)
        assert order == ['first', 'second']

    def test_chain_of_zero_delays_does_not_starve_others(self, clocked):
        order = []

        def again():
            order.append('timer')
            if len(order) < 20:
                clocked.call_later(0, again)

        clocked.call_later(0, again)
        support.run_once(clocked)
        clocked.call_soon(order.append, 'soon')
        support.run_once(clocked)
        assert order[:3] == ['timer', 'soon', 'timer']
        support.run_until(clocked, lambda: len(order) == 20)

    def test_clock_that_goes_backwards(self, clocked):
        seen = []
        clocked.call_at(1001.0, seen.append, 1)
        clocked.now = 500.0
        support.run_once(clocked)
        assert seen == []
        clocked.now = 1001.0
        support.run_once(clocked)
        assert seen == [1]

    def test_sleep_on_it(self, clocked):
        async def main():
            task = asyncio.ensure_future(asyncio.sleep(10, 'slept'))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
            clocked.now += 10
            for _ in range(3):
                await asyncio.sleep(0)
            return task.result()

        assert clocked.run_until_complete(main()) == 'slept'

    def test_time_is_asked_for_call_later(self, clocked):
        clocked.now = 5.0
        handle = clocked.call_later(2, print)
        assert handle.when() == 7.0
        handle.cancel()

    def test_patched_on_the_instance(self, loop):
        loop.time = lambda: 50.0
        try:
            handle = loop.call_later(1.5, print)
            assert handle.when() == 51.5
            seen = []
            loop.call_at(50.0, seen.append, 1)
            later = loop.call_at(50.1, seen.append, 2)
            support.run_once(loop)
            assert seen == [1]
            handle.cancel()
            later.cancel()
        finally:
            del loop.time

    def test_monotonic_clock_replaced(self, loop):
        """As libraries that freeze time for tests do it, with a loop that exists already."""
        with mock.patch('time.monotonic', return_value=50.0) as monotonic:
            assert loop.time() == 50.0
            handle = loop.call_later(1.5, print)
            assert handle.when() == 51.5
            seen = []
            loop.call_at(50.0, seen.append, 1)
            support.run_once(loop)
            assert seen == [1]
            monotonic.return_value = 52.0
            support.run_once(loop)
            loop.call_at(51.0, seen.append, 2)
            support.run_once(loop)
            assert seen == [1, 2]
            handle.cancel()
        before = time.monotonic()
        assert before <= loop.time() <= time.monotonic()

    def test_timeout_and_sleep_on_a_clock_that_was_replaced(self, impl, loop):
        async def main():
            with mock.patch('time.monotonic', return_value=50.0) as monotonic:
                async with impl.module.timeout(10) as timeout:
                    assert timeout.when() == 60.0
                    task = asyncio.ensure_future(impl.module.sleep(5))
                    await impl.module.sleep(0)
                    monotonic.return_value = 55.0
                    await task
                with pytest.raises(TimeoutError):
                    async with impl.module.timeout(1):
                        task = loop.create_future()
                        monotonic.return_value = 56.0
                        await task

        loop.run_until_complete(main())


class TestDelays:
    @pytest.mark.parametrize(
        'delay',
        [0, 0.0, -1, -0.5, -1e300, False, fractions.Fraction(-1, 2), -math.inf, 1e-300],
        ids=repr,
    )
    def test_due_at_once(self, clocked, delay):
        seen = []
        clocked.call_later(delay, seen.append, 1)
        support.run_once(clocked)
        support.run_once(clocked)
        assert seen == [1]

    @pytest.mark.parametrize(
        'delay',
        [1, 1.5, True, fractions.Fraction(1, 3), 10**6, 1e9, 1e10, 1e12, 2.0**70, 1e300, math.inf],
        ids=repr,
    )
    def test_not_due_yet(self, clocked, delay):
        seen = []
        handle = clocked.call_later(delay, seen.append, 1)
        assert handle.when() == 1000.0 + delay
        for _ in range(3):
            support.run_once(clocked)
        assert seen == []
        handle.cancel()
        assert handle.when() == 1000.0 + delay

    @pytest.mark.parametrize('delay', [1, 1e9, 1e10, 1e15, 1e300, math.inf], ids=repr)
    def test_loop_still_wakes_for_others(self, loop, delay):
        # The sleep must not overflow whatever the poller takes.
        handle = loop.call_later(delay, print)
        loop.call_later(0.001, loop.stop)
        loop.run_forever()
        handle.cancel()

    def test_nan_runs(self, clocked):
        # NaN compares with nothing: stock runs it as soon as it looks.
        seen = []
        clocked.call_later(math.nan, seen.append, 1)
        support.run_once(clocked)
        support.run_once(clocked)
        assert seen == [1]

    @pytest.mark.parametrize('delay', ['1', object(), [], decimal.Decimal(1)], ids=repr)
    def test_not_a_number(self, loop, delay):
        with pytest.raises(TypeError):
            loop.call_later(delay, print)

    @pytest.mark.parametrize('when', ['1', object(), []], ids=repr)
    def test_time_that_is_no_number(self, impl, loop, when):
        """asyncio takes it, and fails when it looks; ours refuses it."""
        if impl.ours:
            with pytest.raises(TypeError, match='must be real number'):
                loop.call_at(when, print)
        else:
            loop.call_at(when, print).cancel()

    def test_none(self, loop):
        with pytest.raises(TypeError, match=r'^delay must not be None$'):
            loop.call_later(None, print)
        with pytest.raises(TypeError, match=r'^when cannot be None$'):
            loop.call_at(None, print)

    @pytest.mark.parametrize('when', [10**6, fractions.Fraction(10**7, 3)], ids=repr)
    def test_call_at_takes_any_real_number(self, loop, when):
        handle = loop.call_at(when, print)
        assert handle.when() == when
        handle.cancel()

    def test_integer_beyond_float(self, loop):
        with pytest.raises(OverflowError):
            loop.call_later(10**400, print)

    def test_missing_arguments(self, loop):
        for call in (loop.call_later, loop.call_at):
            with pytest.raises(TypeError):
                call()
            with pytest.raises(TypeError):
                call(1)
            with pytest.raises(TypeError):
                call(1, print, nothing=1)


class TestRealClock:
    def test_time_is_monotonic(self, loop):
        before = time.monotonic()
        now = loop.time()
        assert before <= now <= time.monotonic()

    @pytest.mark.pollers
    @pytest.mark.parametrize('delay', [0.0, 1e-6, 1e-5, 1e-4, 2e-4, 5e-4, 0.001, 0.0019999, 0.002])
    def test_never_early(self, loop, delay):
        early = []

        async def main():
            for _ in range(5):
                start = loop.time()
                fut = loop.create_future()
                handle = loop.call_later(delay, fut.set_result, None)
                await fut
                # Stock's tolerance is its clock's resolution, a nanosecond.
                if loop.time() + 1e-9 < max(handle.when(), start + delay):
                    early.append(loop.time() - start)

        loop.run_until_complete(main())
        assert early == []

    @pytest.mark.pollers
    @pytest.mark.parametrize('delay', [1e-4, 5e-4, 0.001, 0.003])
    def test_sleeps_instead_of_spinning(self, loop, delay, monkeypatch):
        # The upper bound, by iterations: a timer costs one sleep, not a row of short ones.
        count = self._iterations_of_sleep(loop, delay)
        assert count <= 4

    @staticmethod
    def _iterations_of_sleep(loop, delay):
        """How often the loop woke: another timer due at the same time would run in between."""
        seen = []
        deadline = loop.time() + delay

        def tick():
            seen.append(loop.time())
            if seen[-1] < deadline:
                loop.call_at(deadline, tick)
            else:
                loop.stop()

        loop.call_at(deadline, tick)
        loop.run_forever()
        return len(seen)

    def test_sleeping_loop_uses_no_processor(self, loop):
        used = []
        for _ in range(3):  # a virtual processor's time may count while its host runs others
            loop.call_later(0.05, loop.stop)
            before = time.thread_time()
            loop.run_forever()
            used.append(time.thread_time() - before)
        assert min(used) < 0.02

    def test_order_of_distinct_deadlines(self, loop):
        order, now = [], loop.time()
        for number in (3, 1, 4, 0, 2):
            loop.call_at(now + number * 0.0005, order.append, number)
        loop.call_at(now + 0.003, loop.stop)
        loop.run_forever()
        assert order == [0, 1, 2, 3, 4]

    def test_equal_deadlines_all_run(self, loop):
        seen, when = [], loop.time() + 0.001
        for number in range(1000):
            loop.call_at(when, seen.append, number)
        loop.call_at(when + 0.0001, loop.stop)
        loop.run_forever()
        assert sorted(seen) == list(range(1000))

    def test_past_deadlines_run_in_order(self, loop):
        order = []
        for number in (-1, -3, -2):
            loop.call_at(loop.time() + number, order.append, number)
        support.run_once(loop)
        assert order == [-3, -2, -1]


class TestCancel:
    def test_before_it_is_due(self, clocked):
        seen = []
        handle = clocked.call_later(1, seen.append, 1)
        handle.cancel()
        clocked.now += 2
        support.run_once(clocked)
        assert seen == []

    def test_after_it_fell_due_before_it_ran(self, clocked):
        seen, handles = [], []
        handles.append(clocked.call_at(1001.0, lambda: handles[1].cancel()))
        handles.append(clocked.call_at(1002.0, seen.append, 1))
        clocked.now = 1003.0
        support.run_once(clocked)
        support.run_once(clocked)
        assert seen == []
        assert handles[1].cancelled()

    def test_inside_its_own_callback(self, clocked):
        seen = []

        def callback(value):
            handle.cancel()
            seen.append(value)

        handle = clocked.call_later(0, callback, [1])
        support.run_once(clocked)
        assert seen == [[1]]

    def test_after_it_ran(self, clocked):
        handle = clocked.call_later(0, int)
        support.run_once(clocked)
        handle.cancel()
        assert handle.cancelled()

    def test_earliest_of_several(self, clocked):
        seen = []
        first = clocked.call_at(1001.0, seen.append, 1)
        clocked.call_at(1002.0, seen.append, 2)
        first.cancel()
        clocked.now = 1001.5
        support.run_once(clocked)
        assert seen == []
        clocked.now = 1002.0
        support.run_once(clocked)
        assert seen == [2]

    def test_loop_does_not_wake_for_cancelled_ones(self, loop):
        for _ in range(200):
            loop.call_later(0.0001, pytest.fail).cancel()
        loop.call_later(0.001, loop.stop)
        loop.run_forever()

    def test_many_while_others_stay(self, clocked):
        seen = []
        handles = [clocked.call_at(1001.0 + n, seen.append, n) for n in range(1000)]
        for number, handle in enumerate(handles):
            if number % 10:
                handle.cancel()
        clocked.now = 5000.0
        support.run_once(clocked)
        assert seen == list(range(0, 1000, 10))

    def test_memory_is_given_back(self, impl, loop):
        # Cancelled timers do not pile up until their deadline.
        kept = [loop.call_later(3600, print) for _ in range(10)]
        for _ in range(20):
            for _ in range(100):
                loop.call_later(3600, print).cancel()
            support.run_once(loop)
        assert len(loop._scheduled) <= 200
        for handle in kept:
            handle.cancel()

    @pytest.mark.ours
    def test_a_million(self, loop):
        handles = [loop.call_later(3600, int) for _ in range(1_000_000)]
        for handle in handles:
            handle.cancel()
        del handles, handle
        seen = []
        loop.call_later(0, seen.append, 1)
        support.run_until(loop, lambda: seen)

    def test_of_everything_at_close(self, impl):
        loop = impl.new_event_loop()
        handles = [loop.call_later(3600, int) for _ in range(100)]
        loop.close()
        for handle in handles:
            handle.cancel()


@st.composite
def schedules(draw):
    """Steps of a user of timers: add (delay), cancel (which), advance (how far)."""
    delays = st.integers(-2, 12)
    step = st.one_of(
        st.tuples(st.just('add'), delays),
        st.tuples(st.just('cancel'), st.integers(0, 30)),
        st.tuples(st.just('advance'), st.integers(0, 6)),
    )
    return draw(st.lists(step, max_size=60))


def play(impl, steps):
    """The steps on a loop: for each advance, the deadlines and numbers that fired."""
    loop = make_clocked_loop(impl)
    rounds, fired, handles = [], [], []
    try:
        for verb, number in steps:
            if verb == 'add':
                when = loop.now + number
                handles.append(loop.call_at(when, fired.append, (when, len(handles))))
            elif verb == 'cancel' and handles:
                handles[number % len(handles)].cancel()
            elif verb == 'advance':
                loop.now += number
                support.run_once(loop)
                rounds.append(list(fired))
                fired.clear()
        return rounds, [handle.cancelled() for handle in handles]
    finally:
        loop.close()


def model(steps):
    """The same by the book: a list, searched."""
    now, rounds, pending, cancelled = 1000.0, [], {}, []
    for verb, number in steps:
        if verb == 'add':
            pending[len(cancelled)] = now + number
            cancelled.append(False)
        elif verb == 'cancel' and cancelled:
            pending.pop(number % len(cancelled), None)
            cancelled[number % len(cancelled)] = True
        elif verb == 'advance':
            now += number
            due = sorted((when, n) for n, when in pending.items() if when <= now)
            for _, n in due:
                del pending[n]
            rounds.append(due)
    return rounds, cancelled


class TestModel:
    @given(schedules())
    def test_random_schedules(self, steps):
        expected_rounds, expected_cancelled = model(steps)
        for impl in support.implementations():
            rounds, cancelled = play(impl, steps)
            assert cancelled == expected_cancelled
            # Among equal deadlines the order is not promised.
            assert [sorted(fired) for fired in rounds] == expected_rounds
            for fired in rounds:
                assert [when for when, _ in fired] == sorted(when for when, _ in fired)
