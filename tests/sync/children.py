"""Futures and tasks of many kinds, for random schedules of what waits for some of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re

from sync import schedules
from sync.schedules import EXAMPLES, MESSAGES, SECONDS, Scenario, describe

HAS_GRAPH = hasattr(asyncio, 'capture_call_graph')  # 3.14 and newer

KINDS = ('future', 'task', 'slow', 'stubborn', 'failing', 'deaf', 'foreign', 'foreign task')
INDEXES = range(8)
SOME = ((0,), (0, 1), (1, 2), (0, 1, 2), (3, 1, 2), (1, 1, 0), (2, 4, 1, 3), (5, 0, 6))
YES_NO = (False, True)
EXCEPTIONS = (ValueError, KeyError, TimeoutError, asyncio.CancelledError)

ACTS = [
    ('give', INDEXES),
    ('give', INDEXES),
    ('fail', INDEXES, EXCEPTIONS),
    ('cancel_child', INDEXES, MESSAGES),
    ('cancel_child', INDEXES, MESSAGES),
    ('watch', INDEXES),
    ('unwatch', INDEXES),
    ('retrieve', INDEXES),
    ('forget', INDEXES),
    ('add', KINDS),
]


def plain(text):
    """A repr without addresses, packages, numbers that are counted up, and lines of the source."""
    text = re.sub(r"'Task-\d+'", "'Task-N'", schedules.plain(text))
    return re.sub(r' at /[^ \]>]*:\d+', ' at FILE', text)


class Children(Scenario):
    """What the schedule finishes, fails, cancels, watches, and no longer refers to."""

    shows_callbacks = True
    shows_awaited_by = False  # asyncio forgets a task that waits in two ways once one has ended
    shows_forgotten = True

    def make(self, *kinds):
        self.children = []
        self.inner = {}  # what a child that is a task waits for
        self.forgotten = []
        self.count = self.parts = 0
        for kind in kinds:
            self.add(kind)

    def look(self):
        return [self.look_at(child) for child in self.children]

    def look_at(self, child):
        text = plain(repr(child))
        if not self.shows_callbacks:
            text = re.sub(r' cb=\[.*?\]', '', text)
        seen = [text, child._log_traceback, child._cancel_message]
        if isinstance(child, asyncio.Task):
            seen.append((child.cancelling(), child._must_cancel))
        if HAS_GRAPH and self.shows_awaited_by and not child.done():
            seen.append(sorted(map(self.name, child._asyncio_awaited_by or ())))
        return seen

    def name(self, future):
        """What tells a future from the others."""
        if future in self.children:
            return self.children.index(future)
        return plain(repr(future))

    def child(self, index):
        return self.children[index % len(self.children)]

    def some(self, indexes):
        return [self.child(index) for index in indexes]

    def report(self, loop, context):
        if context['message'].endswith('was never retrieved'):  # whenever it is collected
            future = plain(repr(context.get('future')))
            report = context['message'], describe(context.get('exception')), future
            self.forgotten.append(repr(report))
        else:
            super().report(loop, context)

    def end(self):
        # An iterator that nobody asks any more has its timer still.
        self.tick(max(filter(None, SECONDS)) + 1)
        self.step(2)
        self.children.clear()
        self.inner.clear()
        self.tasks.clear()
        gc.collect()
        if self.shows_forgotten:
            self.events.append(sorted(self.forgotten))

    # What children do.

    async def body(self, kind, inner):
        try:
            return await inner
        except asyncio.CancelledError:
            if kind == 'slow':
                await self.pause(2)
            elif kind == 'stubborn':
                await self.pause(1)
                return 'stubborn'
            elif kind == 'failing':
                raise ValueError('failed when cancelled') from None
            elif kind == 'deaf':
                return await self.waiting_again(inner)
            raise

    async def waiting_again(self, inner):
        if inner.cancelled():
            return 'deaf'
        return await inner

    # What schedules do with them.

    def add(self, kind):
        self.count += 1
        if kind == 'future':
            child = self.loop.create_future()
        elif kind == 'foreign':
            child = asyncio.Future(loop=self.loop)
        else:
            inner = self.loop.create_future()
            coroutine = self.body(kind, inner)
            name = f'C{self.count}'
            if kind == 'foreign task':
                child = asyncio.Task(coroutine, loop=self.loop, name=name)
            else:
                child = self.loop.create_task(coroutine, name=name)
            self.inner[child] = inner
        self.keep(child)

    def keep(self, child):
        self.children.append(child)

    def pending(self, index):
        """That child, or the next one that is not done, or what it waits for."""
        count = len(self.children)
        order = [self.child(index + more) for more in range(count)]
        child = next((child for child in order if not child.done()), order[0])
        return self.inner.get(child, child)

    def give(self, index):
        self.pending(index).set_result(index)

    def fail(self, index, kind):
        self.pending(index).set_exception(kind('failed'))

    def cancel_child(self, index, message):
        return self.child(index).cancel(*message)

    def watch(self, index):
        self.child(index).add_done_callback(self.seen_done)

    def unwatch(self, index):
        return self.child(index).remove_done_callback(self.seen_done)

    def seen_done(self, child):
        self.note('done', plain(repr(child)))

    def retrieve(self, index):
        child = self.child(index)
        if child.done() and not child.cancelled():
            return child.exception()
        return child.done()

    def forget(self, index):
        """Of a future, that it is there; a pending task goes on."""
        if len(self.children) > 3:
            child = self.child(index)
            self.children.remove(child)
            if child.done():
                self.inner.pop(child, None)

    def unblock(self):
        for child in [*self.inner.values(), *self.children]:
            with contextlib.suppress(asyncio.InvalidStateError, RuntimeError):
                child.set_result('in the end')

    # What tasks do with them, besides what is under test.

    async def wait_child(self, index):
        return await self.child(index)

    async def part(self, program):
        """A part of a program, as a task of its own."""
        self.parts += 1
        self.asyncio.current_task().set_name(f'part {self.parts}')
        return await self.run_program(program, 'go on')


def check_same(scenario, waiting, at_once=(), blocks=(), children=4, examples=EXAMPLES // 2):
    """Schedules of operations on children that the schedule acts upon, too."""
    waiting = [*waiting, ('wait_child', INDEXES)]
    gc.collect()
    gc.freeze()  # what is there already makes each collection slow
    try:
        acts, kinds = [*ACTS, *at_once], [KINDS] * children
        schedules.check_same(scenario, waiting, acts, blocks, kinds, examples=examples)
    finally:
        gc.unfreeze()
