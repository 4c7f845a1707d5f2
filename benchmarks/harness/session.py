"""session.py -- measures every benchmark on every contender, in turn, within a time budget.

A session goes through the whole list once a round. In a round each benchmark runs on all contenders
one right after the other, and the contender that begins changes from round to round. So a budget
that ends early costs rounds, not rows, and an interrupted session has something to show.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.contenders import CONTENDERS, YARDSTICK
from harness.registry import ALLOCATORS, Benchmark
from harness.results import Cell, Row
from harness.workers import Failed, Worker


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    target_s: float  # of one measurement, where the benchmark's size leaves the choice
    budget_s: float
    hang_s: float  # a request that takes longer will never end


class Session:
    """Measures; `rows` holds what it found so far."""

    def __init__(
        self, contenders: Iterable[str], benchmarks: Iterable[Benchmark], effort: Effort
    ) -> None:
        self.contenders = list(contenders)
        self.effort = effort
        self.rows = [Row(b, {name: Cell() for name in self.contenders}) for b in benchmarks]
        self.rounds_done = 0
        self.started = time.monotonic()
        self._workers = {
            (name, large, allocator): Worker(name, environment)
            for name in self.contenders
            for large in (False, True)
            for allocator, environment in ALLOCATORS.items()
        }

    def steps(self) -> int:
        """How many steps run() makes where the budget lasts."""
        return len(self.rows) * self.effort.rounds

    def run(self, on_step: Callable[[str], None]) -> None:
        """Measure until all rounds are done or the budget is used up; on_step hears of each row."""
        for round_index in range(self.effort.rounds):
            for row in self.rows:
                if self.elapsed_s() > self.effort.budget_s:
                    return
                on_step(f'round {round_index + 1}: {row.benchmark.title}')
                if round_index == 0 or not row.benchmark.fresh:
                    self._measure(row, round_index)
            self.rounds_done += 1

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()

    def _measure(self, row: Row, round_index: int) -> None:
        first = round_index % len(self.contenders)
        for name in self.contenders[first:] + self.contenders[:first]:
            cell = row.cells[name]
            if cell.failure or not CONTENDERS[name].takes_part(row.benchmark.family):
                continue
            if name == YARDSTICK and row.benchmark.yardstick is None:
                continue
            try:
                worker = self._workers[name, row.benchmark.large, row.benchmark.allocator]
                self._sample(worker, row.benchmark, cell)
            except Failed as failed:
                cell.failure, cell.detail = failed.kind, str(failed)

    def _sample(self, worker: Worker, benchmark: Benchmark, cell: Cell) -> None:
        effort, name = self.effort, benchmark.name
        if benchmark.fresh:
            worker.stop()
            cell.n = 1
        if not cell.n:
            cell.n = worker.ask(effort.hang_s, benchmark=name, target_s=effort.target_s)['n']
        reply = worker.ask(effort.hang_s, benchmark=name, n=cell.n)
        cell.samples.append(benchmark.per_operation(reply['measured'], cell.n))
        if 'wall_s' in reply:
            cell.wall_s.append(benchmark.per_operation(reply['wall_s'], cell.n))
