"""Semaphore and BoundedSemaphore: random schedules behave as on stock."""

from __future__ import annotations

import pytest
from sync.schedules import Scenario, check_same, plain


class Semaphores(Scenario):
    def make(self, kind, value):
        self.semaphore = getattr(self.asyncio, kind)(value)
        self.acquire = self.semaphore.acquire
        self.release = self.semaphore.release

    def look(self):
        semaphore = self.semaphore
        waiters = len(semaphore._waiters or ())
        return plain(repr(semaphore)), semaphore.locked(), semaphore._value, waiters

    async def hold(self, program):
        async with self.semaphore as target:
            self.note('holds', target)
            await self.run_program(program)


@pytest.mark.parametrize('kind', ['Semaphore', 'BoundedSemaphore'])
def test_schedules(kind):
    arguments = [(kind,), (1, 1, 2, 3, 0)]
    check_same(Semaphores, [('acquire',)], [('release',)], [('hold',)], arguments)
