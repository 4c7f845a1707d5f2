"""shield(), and what it shields from: random schedules behave as on stock."""

from __future__ import annotations

from sync.children import HAS_GRAPH, INDEXES, Children, check_same
from sync.schedules import SECONDS


class Shields(Children):
    shows_callbacks = not HAS_GRAPH  # shield() adds two there, and ours one

    async def shield(self, index):
        return await self.asyncio.shield(self.child(index))

    async def shield_within(self, delay, index):
        return await self.asyncio.wait_for(
            self.asyncio.shield(self.child(index)), self.delay(delay)
        )

    def shielding(self, index):
        """What shield() gives becomes a child itself, which others shield or cancel."""
        self.keep(self.asyncio.shield(self.child(index)))

    async def shield_part(self, program):
        return await self.asyncio.shield(self.part(program))

    async def gather_shields(self, first, second):
        return await self.asyncio.gather(
            self.asyncio.shield(self.child(first)), self.asyncio.shield(self.child(second))
        )


def test_schedules():
    waiting = [('shield', INDEXES), ('shield', INDEXES), ('gather_shields', INDEXES, INDEXES)]
    waiting.append(('shield_within', SECONDS, INDEXES))
    check_same(Shields, waiting, [('shielding', INDEXES)] * 3, [('shield_part',)])
