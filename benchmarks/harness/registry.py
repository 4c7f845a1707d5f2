"""registry.py -- what a benchmark is, and the list of them all.

A benchmark is a function that does something n times on a contender's loop and returns the seconds
it took:

- `async def f(aio, n)` runs inside a fresh loop; aio is the namespace to use (asyncio or pyasync);
- `def f(aio, new_event_loop, n)` makes and closes its loops itself;
- with `sizes`, either gets `size` as well, and is one row for each size.

It checks what it computed with expect(): a wrong answer is an error, not a time.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import NamedTuple

from harness.servers import find

FAMILIES = (
    'callbacks',
    'timers',
    'tasks',
    'futures',
    'combinators',
    'sync',
    'executors',
    'network',
    'services',
    'programs',
    'scaling',
)


class Goals(NamedTuple):
    """How many times stock's speed pyasync must have, or the bytes it may use; None: not fixed."""

    goal_313: float | None = None
    goal_314: float | None = None
    goal_all: float | None = None

    def swapped_loop(self) -> float | None:
        """The goal for stock names on our loop, on the running Python."""
        if sys.version_info >= (3, 14) and self.goal_314 is not None:
            return self.goal_314
        return self.goal_313


NO_GOALS = Goals()

# A benchmark of so many items leaves a process behind whose heap, and asyncio's set of tasks, have
# grown: run() took four times as long after one. Large ones run in processes of their own.
LARGE = 10_000

# asyncio asks for 256 KiB at each recv() of a transport. Whether glibc maps them anew every time
# ("cold") or has them at hand ("warm") is up to what a process freed before, unless it is fixed:
# by these, and for "cold" by harness/heap.py.
ALLOCATORS = {
    '': {},
    'cold': {'MALLOC_MMAP_THRESHOLD_': '131072', 'MALLOC_TRIM_THRESHOLD_': '131072'},
    'warm': {'MALLOC_MMAP_THRESHOLD_': '33554432', 'MALLOC_TRIM_THRESHOLD_': '67108864'},
}


@dataclass(frozen=True)
class Benchmark:
    """One row of the table."""

    name: str
    title: str
    function: Callable
    goals: Goals
    size: int | None
    per_item: bool  # the cost is told for each of the `size` items, not for the whole
    unit: str  # "s", or "B" where the function returns bytes
    slow: bool  # measured by --full alone
    needs: tuple[str, ...]  # packages, besides the contender
    fresh: bool  # measured once, in a process that did nothing before
    programs: tuple[str, ...]  # that it needs on this machine
    allocator: str  # the state malloc is held in, one of ALLOCATORS
    yardstick: Callable | None  # the same in plain C, as a function of n

    @property
    def family(self) -> str:
        return self.name.partition('.')[0]

    @property
    def large(self) -> bool:
        return (self.size or 0) >= LARGE

    def missing(self) -> list[str]:
        """The packages and programs that it needs and that are not installed."""
        packages = [package for package in self.needs if find_spec(package) is None]
        return packages + [name for name in self.programs if find(name) is None]

    def per_operation(self, measured: float, n: int) -> float:
        """The cost of one operation, where `measured` is that of n runs."""
        return measured / (n * (self.size if self.per_item else 1))


class WrongAnswer(Exception):
    """A contender computed something else than asyncio does."""


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    title: str,
    goals: Goals = NO_GOALS,
    *,
    sizes: dict[int, Goals] | None = None,
    per_item: bool = False,
    unit: str = 's',
    slow_from: float = float('inf'),
    fresh: bool = False,
    needs: tuple[str, ...] = (),
    programs: tuple[str, ...] = (),
    allocator: str = '',
    slow: bool = False,
    yardstick: Callable | None = None,
    since: tuple[int, int] = (3, 11),
) -> Callable[[Callable], Callable]:
    """Register a function as a row, or as one row for each of `sizes`.

    The title is a format string of `size`; sizes from slow_from on, and slow rows, are measured by
    --full alone. An allocator's state ends the name.
    """

    def register(function: Callable) -> Callable:
        if sys.version_info < since:
            return function
        for size, size_goals in (sizes or {None: goals}).items():
            name = f'{function.__module__}.{function.__name__}'
            suffixes = [f'_{suffix}' for suffix in (size, allocator) if suffix]
            row = Benchmark(
                name=''.join((name, *suffixes)),
                title=title.format(size=size),
                function=function,
                goals=size_goals,
                size=size,
                per_item=per_item,
                unit=unit,
                slow=slow or (size or 0) >= slow_from,
                needs=needs,
                fresh=fresh,
                programs=programs,
                allocator=allocator,
                yardstick=yardstick,
            )
            BENCHMARKS[row.name] = row
        return function

    return register


def expect(actual: object, wanted: object) -> None:
    """Raise WrongAnswer unless a benchmark computed what it had to."""
    if actual != wanted:
        raise WrongAnswer(f'got {actual!r}, expected {wanted!r}')


def load() -> dict[str, Benchmark]:
    """Import every family and return all benchmarks by name."""
    for family in FAMILIES:
        importlib.import_module(family)
    return BENCHMARKS
