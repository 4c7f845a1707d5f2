"""Barrier: random schedules behave as on stock."""

from __future__ import annotations

from sync.schedules import Scenario, check_same, plain


class Barriers(Scenario):
    def make(self, parties):
        self.barrier = self.asyncio.Barrier(parties)
        self.wait = self.barrier.wait
        self.reset = self.barrier.reset
        self.abort = self.barrier.abort

    def look(self):
        barrier = self.barrier
        return plain(repr(barrier)), barrier.parties, barrier.n_waiting, barrier.broken

    def begin(self, name):
        self.spawn([(name,)], 'end')

    async def hold(self, program):
        async with self.barrier as position:
            self.note('passes', position)
            await self.run_program(program)


def test_schedules():
    waiting = [('wait',)] * 6 + [('reset',), ('abort',)]
    check_same(Barriers, waiting, [('begin', ('wait', 'reset', 'abort'))], [('hold',)], [(2, 3, 1)])
