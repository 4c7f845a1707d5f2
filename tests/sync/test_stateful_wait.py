"""wait(): random schedules behave as on stock."""

from __future__ import annotations

import asyncio

from sync.children import INDEXES, SOME, Children, check_same
from sync.schedules import SECONDS

RETURN_WHEN = (asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED)


class Waits(Children):
    shows_awaited_by = True

    def pick(self, indexes):
        """At most one that is done: those are asked in the order of a set."""
        done = [child for child in self.some(indexes) if child.done()]
        return [child for child in self.some(indexes) if not child.done()] + done[:1]

    async def wait(self, indexes, delay, return_when):
        done, pending = await self.asyncio.wait(
            self.pick(indexes), timeout=self.delay(delay), return_when=return_when
        )
        return sorted(map(str, map(self.name, done))), sorted(map(str, map(self.name, pending)))

    async def wait_for_part(self, index, delay, return_when, program):
        """Waits for a program, too, as a task; whose end counts even when it has timed out."""
        part = self.loop.create_task(self.part(program))
        done, pending = await self.asyncio.wait(
            {part, self.child(index)}, timeout=self.delay(delay), return_when=return_when
        )
        self.note(part in done, len(done), len(pending))
        return await part


def test_schedules():
    waiting = [('wait', (*SOME, ()), SECONDS, RETURN_WHEN)] * 4
    blocks = [('wait_for_part', INDEXES, SECONDS, RETURN_WHEN)] * 2
    check_same(Waits, waiting, blocks=blocks)
