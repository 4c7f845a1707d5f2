"""wait_for() around futures, tasks, coroutines, and one in another: as on stock."""

from __future__ import annotations

from sync.children import HAS_GRAPH, INDEXES, SOME, YES_NO, Children, check_same
from sync.schedules import SECONDS


class WaitFors(Children):
    shows_callbacks = not HAS_GRAPH  # shield() adds two there, and ours one

    async def wait_for(self, index, delay):
        return await self.asyncio.wait_for(self.child(index), self.delay(delay))

    async def nested(self, index, delay, inner_delay):
        inner = self.asyncio.wait_for(self.child(index), self.delay(inner_delay))
        return await self.asyncio.wait_for(inner, self.delay(delay))

    async def gather(self, indexes, delay, return_exceptions):
        limited = [self.asyncio.wait_for(child, self.delay(delay)) for child in self.some(indexes)]
        return await self.asyncio.gather(*limited, return_exceptions=return_exceptions)

    async def shield(self, index, delay):
        return await self.asyncio.wait_for(
            self.asyncio.shield(self.child(index)), self.delay(delay)
        )

    async def wait_for_part(self, delay, program):
        return await self.asyncio.wait_for(self.part(program), self.delay(delay))

    async def wait_for_task(self, delay, program):
        """A task that goes on when it is cancelled."""
        task = self.loop.create_task(self.part(program))
        return await self.asyncio.wait_for(task, self.delay(delay))

    async def never_awaited(self, index, delay):
        """It is closed before it has begun, or left alone while it waits."""
        coroutine = self.asyncio.wait_for(self.child(index), self.delay(delay))
        if index % 2:
            await self.asyncio.sleep(0)
            coroutine.close()
            return 'closed'
        return coroutine.send(None) is not None


def test_schedules():
    waiting = [('wait_for', INDEXES, SECONDS)] * 3
    waiting += [('nested', INDEXES, SECONDS, SECONDS), ('gather', SOME, SECONDS, YES_NO)]
    waiting += [('shield', INDEXES, SECONDS)]
    check_same(WaitFors, waiting, blocks=[('wait_for_part', SECONDS), ('wait_for_task', SECONDS)])
