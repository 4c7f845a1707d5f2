"""affinity.py -- keeps a measurement on one CPU.

For threads that take turns: under the GIL they can't run side by side, and whether the kernel wakes
the other on the same CPU or on the next decides more (40 us or 85 us a round trip) than any loop.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def one_cpu(choose: Callable[[set[int]], int] = min) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on one CPU; does nothing but on Linux."""
    if not hasattr(os, 'sched_setaffinity'):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {choose(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def apart() -> Iterator[int]:
    """Keep this thread on one CPU; yields another one's number for who works with it, or -1."""
    if not hasattr(os, 'sched_setaffinity'):
        yield -1
        return
    others = os.sched_getaffinity(0)
    with one_cpu():
        yield max(others - os.sched_getaffinity(0), default=-1)
