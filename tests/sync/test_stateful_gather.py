"""gather(), nested and within timeouts: random schedules behave as on stock."""

from __future__ import annotations

from sync.children import INDEXES, SOME, YES_NO, Children, check_same
from sync.schedules import SECONDS


class Gathers(Children):
    async def gather(self, indexes, return_exceptions):
        return await self.asyncio.gather(*self.some(indexes), return_exceptions=return_exceptions)

    async def gather_within(self, delay, indexes, return_exceptions):
        future = self.asyncio.gather(*self.some(indexes), return_exceptions=return_exceptions)
        return await self.asyncio.wait_for(future, self.delay(delay))

    def gathering(self, indexes, return_exceptions):
        """What gather() gives becomes a child itself, which others gather or cancel."""
        if indexes:
            future = self.asyncio.gather(*self.some(indexes), return_exceptions=return_exceptions)
            self.keep(future)

    async def gather_parts(self, index, return_exceptions, program):
        return await self.asyncio.gather(
            self.part(program),
            self.child(index),
            self.part([('pause', 1)]),
            return_exceptions=return_exceptions,
        )


def test_schedules():
    waiting = [('gather', (*SOME, ()), YES_NO)] * 3
    waiting.append(('gather_within', SECONDS, SOME, YES_NO))
    at_once = [('gathering', SOME, YES_NO)] * 3
    check_same(Gathers, waiting, at_once, [('gather_parts', INDEXES, YES_NO)] * 2)
