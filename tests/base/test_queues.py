"""The ready ring and the timer heap, seen through the loop: long random runs against a model."""

from __future__ import annotations

import heapq
import random

import pytest
import support
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=12))
def test_ring_keeps_its_order_while_it_grows_and_wraps(rounds):
    # Each round puts some in before and some while it runs: head and tail go round.
    for impl in support.implementations():
        loop = impl.new_event_loop()
        try:
            seen, expected, number = [], [], 0
            late = []
            for before, during in rounds:
                expected += late
                late = []
                for _ in range(before):
                    loop.call_soon(seen.append, number)
                    expected.append(number)
                    number += 1

                def during_run(first=number, count=during, loop=loop, seen=seen):
                    for value in range(first, first + count):
                        loop.call_soon(seen.append, value)

                loop.call_soon(during_run)
                late = list(range(number, number + during))
                number += during
                support.run_once(loop)
                assert seen == expected
        finally:
            loop.close()


@pytest.mark.parametrize('seed', range(3))
def test_heap_of_thousands(impl, seed):
    # Enough timers for several levels of any heap, and for its compaction of cancelled ones.
    chance = random.Random(seed)

    class Clocked(impl.EventLoop):
        now = 1000.0

        def time(self):
            return self.now

    loop = Clocked()
    seen, model, handles = [], [], {}
    try:
        for number in range(5000):
            when = loop.now + chance.random() * 100
            handles[number] = loop.call_at(when, seen.append, number)
            model.append((when, number))
            if chance.random() < 0.45:
                victim = chance.choice(list(handles)[-50:])
                handles.pop(victim).cancel()
            if number % 500 == 499:
                loop.now += 10
                support.run_once(loop)
                heapq.heapify(model)
                expected = []
                while model and model[0][0] <= loop.now:
                    when, fired = heapq.heappop(model)
                    if handles.pop(fired, None) is not None:
                        expected.append(fired)
                assert seen == expected
                seen.clear()
        loop.now += 1000
        support.run_once(loop)
        assert seen == [number for _, number in sorted(model) if number in handles]
    finally:
        loop.close()
