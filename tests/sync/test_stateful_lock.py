"""Lock: random schedules behave as on stock."""

from __future__ import annotations

from sync.schedules import Scenario, check_same, plain


class Locks(Scenario):
    def make(self):
        self.lock = self.asyncio.Lock()
        self.acquire = self.lock.acquire
        self.release = self.lock.release

    def look(self):
        lock = self.lock
        return plain(repr(lock)), lock.locked(), len(lock._waiters or ())

    async def hold(self, program):
        async with self.lock as target:
            self.note('holds', target)
            await self.run_program(program)

    def unblock(self):
        if self.lock.locked():
            self.lock.release()


def test_schedules():
    check_same(Locks, [('acquire',)], [('release',)], [('hold',)])
