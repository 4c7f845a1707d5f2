"""as_completed(), iterated in each way: random schedules behave as on stock."""

from __future__ import annotations

import asyncio
import inspect
import itertools

from sync.children import SOME, YES_NO, Children, check_same
from sync.schedules import SECONDS

HAS_ASYNC_FOR = not inspect.isgeneratorfunction(asyncio.as_completed)  # 3.13 and newer
LIMITS = (1, 2, 9)


class AsCompleted(Children):
    shows_forgotten = HAS_ASYNC_FOR  # stock on 3.12.1 keeps some exceptions alive for good

    def make(self, *kinds):
        super().make(*kinds)
        self.iterators = []
        self.first_items = []

    def begin(self, indexes, delay):
        """At most one is done: those come in the order of a set."""
        done = [child for child in self.some(indexes) if child.done()]
        pending = [child for child in self.some(indexes) if not child.done()]
        return self.asyncio.as_completed([*pending, *done[:1]], timeout=self.delay(delay))

    async def one_by_one(self, indexes, delay, limit):
        for count, item in enumerate(self.begin(indexes, delay)):
            if count == limit:
                item.close()
                return 'enough'
            await self.tell(item)
        return 'all'

    async def together(self, indexes, delay):
        """What comes is awaited by tasks of their own, all at a time."""
        tasks = [self.loop.create_task(self.tell(item)) for item in self.begin(indexes, delay)]
        try:
            return await asyncio.wait(tasks) and [task.cancelled() for task in tasks]
        finally:
            for task in tasks:
                task.cancel()

    async def tell(self, item):
        try:
            result = await item
        except Exception as exc:
            self.note('failed', repr(exc))
        else:
            self.note('completed', repr(result))

    async def async_for(self, indexes, delay, limit):
        count = 0
        async for child in self.begin(indexes, delay):
            self.note('completed', str(self.name(child)), child.done())
            count += 1
            if count == limit:
                return 'enough'
        return 'all'

    def keep_iterator(self, indexes, delay):
        iterator = iter(self.begin(indexes, delay))
        if not HAS_ASYNC_FOR:  # a generator, which looks at them now
            item = next(iterator)
            self.first_items.append(item)
            iterator = itertools.chain([item], iterator)
        self.iterators.append(iterator)

    async def take(self, last, by_anext):
        """The next of an iterator that tasks share."""
        if not self.iterators:
            return None
        iterator = self.iterators[-1 if last else 0]
        if by_anext:
            return str(self.name(await anext(iterator)))
        try:
            item = next(iterator)
        except StopIteration:
            return 'no more'
        return await item

    def end(self):
        self.iterators.clear()
        for item in self.first_items:
            item.close()
        self.first_items.clear()
        super().end()


def test_schedules():
    waiting = [('one_by_one', (*SOME, ()), SECONDS, LIMITS)] * 2
    waiting += [('together', SOME, SECONDS)]
    if HAS_ASYNC_FOR:
        waiting.append(('async_for', (*SOME, ()), SECONDS, LIMITS))
    waiting += [('take', YES_NO, YES_NO if HAS_ASYNC_FOR else (False,))] * 2
    check_same(AsCompleted, waiting, [('keep_iterator', SOME, SECONDS)] * 2)
