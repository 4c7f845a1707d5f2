"""results.py -- what was measured, and the ratios drawn from it.

Ratios are taken round by round, a contender against stock measured just beside it, so that a
machine that changes its speed meanwhile changes both; what is told is their median and middle half.
"""

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.contenders import BASELINE
from harness.registry import Benchmark


class Spread(NamedTuple):
    """The median, and the quartiles beside it."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    if len(values) == 1:
        return Spread(*values * 3)
    low, median, high = statistics.quantiles(values, n=4, method='inclusive')
    return Spread(median, low, high)


def _ratio(stock: list[float], other: list[float]) -> Spread | None:
    pairs = list(zip(stock, other, strict=False))
    return spread([ours and theirs / ours for theirs, ours in pairs]) if pairs else None


@dataclass
class Cell:
    """One contender on one benchmark. samples[i] is the cost of one operation in round i.

    Where that is CPU time, wall_s[i] is the time by the clock.
    """

    n: int = 0
    samples: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    failure: str = ''
    detail: str = ''


@dataclass
class Row:
    """One benchmark on all contenders."""

    benchmark: Benchmark
    cells: dict[str, Cell]

    def was_reached(self) -> bool:
        """Whether any contender got as far as this row."""
        return any(cell.samples or cell.failure for cell in self.cells.values())

    def cost(self, contender: str) -> float | None:
        """The median cost of an operation, in the benchmark's unit; None where not measured."""
        cell = self.cells[contender]
        return statistics.median(cell.samples) if cell.samples and not cell.failure else None

    def ratio(self, contender: str) -> Spread | None:
        """How many times better than stock, or None where either wasn't measured."""
        stock, cell = self.cells[BASELINE], self.cells[contender]
        if stock.failure or cell.failure:
            return None
        return _ratio(stock.samples, cell.samples)

    def wall_ratio(self, contender: str) -> Spread | None:
        """The same by the clock, where the samples are CPU time."""
        stock, cell = self.cells[BASELINE], self.cells[contender]
        if stock.failure or cell.failure:
            return None
        return _ratio(stock.wall_s, cell.wall_s)

    def goal(self, contender: str) -> float | None:
        goals = self.benchmark.goals
        return {'pyasync': goals.swapped_loop(), 'pyasync-all': goals.goal_all}.get(contender)

    def meets_goal(self, contender: str) -> bool:
        """Whether the contender is where it must be: a ratio at least there, bytes at most."""
        goal = self.goal(contender)
        if self.benchmark.unit == 'B':
            cost = self.cost(contender)
            return cost is not None and cost <= goal
        ratio = self.ratio(contender)
        # Rounded as the table shows it.
        return ratio is not None and round(ratio.median, 2) >= goal

    def as_json(self) -> dict:
        others = [name for name in self.cells if name != BASELINE]
        ratios = {name: self.ratio(name) for name in others}
        wall_ratios = {name: self.wall_ratio(name) for name in others}
        return {
            'name': self.benchmark.name,
            'title': self.benchmark.title,
            'unit': self.benchmark.unit,
            'goals': self.benchmark.goals._asdict(),
            'cells': {name: vars(cell) for name, cell in self.cells.items()},
            'ratios': {name: ratio and ratio._asdict() for name, ratio in ratios.items()},
            'wall_ratios': {name: ratio and ratio._asdict() for name, ratio in wall_ratios.items()},
        }
