"""Timeouts, nested and rescheduled: random schedules behave as on stock."""

from __future__ import annotations

from sync.schedules import SECONDS, START, Scenario, check_same

EXCEPTIONS = (ValueError, KeyError, TimeoutError)
INDEXES = range(4)


class Timeouts(Scenario):
    def make(self):
        self.timeouts = []

    def look(self):
        return [(repr(item), item.when(), item.expired()) for item in self.timeouts]

    async def enter(self, timeout, program):
        self.timeouts.append(timeout)
        async with timeout as target:
            assert target is timeout
            self.note('entered')
            await self.run_program(program)

    async def timeout(self, delay, program):
        await self.enter(self.asyncio.timeout(self.delay(delay)), program)

    async def timeout_at(self, delay, program):
        when = None if delay is None else START + self.delay(delay)
        await self.enter(self.asyncio.timeout_at(when), program)

    async def again(self, index, program):
        if self.timeouts:
            await self.enter(self.timeouts[index % len(self.timeouts)], program)

    def create(self, delay):
        when = None if delay is None else START + self.delay(delay)
        self.timeouts.append(self.asyncio.Timeout(when))

    async def reschedule(self, index, delay):
        if self.timeouts:
            when = None if delay is None else self.loop.time() + self.delay(delay)
            self.timeouts[index % len(self.timeouts)].reschedule(when)

    async def fail_when_cancelled(self, kind):
        try:
            await self.forever()
        except self.asyncio.CancelledError:
            raise kind('failed, too') from None

    async def clean_up(self, kind):
        try:
            await self.forever()
        finally:
            await self.pause(1)

    async def fail_together(self, kind):
        try:
            await self.forever()
        except self.asyncio.CancelledError:
            errors = []
            for count in range(2):
                try:
                    raise kind(count)
                except kind as exc:
                    errors.append(exc)
            raise ExceptionGroup('both', errors)  # noqa: B904


def test_schedules():
    failing = [
        (name, EXCEPTIONS) for name in ('fail_when_cancelled', 'clean_up', 'fail', 'fail_together')
    ]
    waiting = [('forever',)] * 2 + [('reschedule', INDEXES, SECONDS)] * 2 + failing
    blocks = [('timeout', SECONDS), ('timeout', SECONDS), ('timeout_at', SECONDS)]
    check_same(Timeouts, waiting, [('create', SECONDS)], [*blocks, ('again', INDEXES)])
