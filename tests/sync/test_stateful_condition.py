"""Condition: random schedules behave as on stock, also those in which two share a lock."""

from __future__ import annotations

from sync.schedules import Scenario, check_same, plain

WHICH = (0, 1)


class Conditions(Scenario):
    def make(self, share_lock):
        lock = self.asyncio.Lock() if share_lock else None
        self.conditions = [self.asyncio.Condition(lock) for _ in range(2)]
        self.level = 0

    def look(self):
        return [
            (plain(repr(condition)), condition.locked(), len(condition._waiters))
            for condition in self.conditions
        ], self.level

    async def acquire(self, index):
        return await self.conditions[index].acquire()

    def release(self, index):
        return self.conditions[index].release()

    async def wait(self, index):
        return await self.conditions[index].wait()

    async def wait_for(self, index, level):
        return await self.conditions[index].wait_for(lambda: self.level >= level)

    def raise_level(self):
        self.level += 1

    def notify(self, index, count):
        return self.conditions[index].notify(count)

    def notify_all(self, index):
        return self.conditions[index].notify_all()

    async def hold(self, index, program):
        async with self.conditions[index] as target:
            self.note('holds', target)
            await self.run_program(program)

    def unblock(self):
        for condition in self.conditions:
            if condition.locked():
                condition.release()


WAITING = [('wait', WHICH), ('wait_for', WHICH, (1, 2, 3)), ('acquire', WHICH)]
AT_ONCE = [
    ('notify', WHICH, range(4)),
    ('notify_all', WHICH),
    ('raise_level',),
    ('release', WHICH),
]


def test_schedules():
    check_same(Conditions, WAITING, AT_ONCE, [('hold', WHICH)], [(False, True)])
