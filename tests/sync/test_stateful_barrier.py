"""Barrier: random schedules behave as on stock."""

from __future__ import annotations

from sync.schedules import Scenario, check_same, plain


class Barriers(Scenario):
    def make(self, parties):
        self.barrier = self.asyncio.Barrier(parties)
        self.wait = self.barrier.wait
        self.reset = self.barrier.reset
        self.abort = self.barrier.abort
        self.release = self.barrier._cond.release

    def look(self):
        barrier = self.barrier
        state = barrier._state.name, barrier._count, plain(repr(barrier._cond))
        return plain(repr(barrier)), barrier.parties, barrier.n_waiting, barrier.broken, state

    def begin(self, name):
        self.spawn([(name,)], 'end')

    async def hold(self, program):
        async with self.barrier as position:
            self.note('passes', position)
            await self.run_program(program)

    async def lock(self, program):
        async with self.barrier._cond:
            await self.run_program(program)


WAITING = [('wait',)] * 6 + [('reset',), ('abort',)]
BEGIN = ('begin', ('wait', 'reset', 'abort'))


def test_schedules():
    check_same(Barriers, WAITING, [BEGIN], [('hold',)], [(2, 3, 1)])


def test_schedules_in_which_others_have_the_lock():
    check_same(Barriers, WAITING, [BEGIN], [('lock',)], [(2, 3, 1)])


def test_schedules_in_which_others_release_the_lock():
    calls = [BEGIN, BEGIN, BEGIN, ('release',)]
    check_same(Barriers, WAITING, calls, [('hold',), ('lock',)], [(2, 3)])
