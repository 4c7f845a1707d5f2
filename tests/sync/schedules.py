"""Random schedules run on stock and on ours, move for move, and every visible event compared.

A schedule is a list of moves: tasks that run a small program, cancels, calls from outside of any
task, single iterations of the loop, ticks of a clock that stands still otherwise. Each move and
each operation of a program notes what it saw and what state it left. Nothing depends on time or
chance, so two implementations that behave alike leave the same list.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import os
import re

import pytest
import support

pytest.importorskip('hypothesis')

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync

EXAMPLES = int(os.environ.get('PYASYNC_TESTS_EXAMPLES', '150'))
START = 1000.0  # What the clock shows when a schedule begins.
CANCELS = 40  # A task that has not ended after so many hangs.


class _ClockStandsStill:
    now = START

    def time(self):
        return self.now


class StockLoop(_ClockStandsStill, asyncio.SelectorEventLoop):
    pass


class OurLoop(_ClockStandsStill, pyasync.EventLoop):
    pass


# The first is what the others are compared with.
IMPLEMENTATIONS = {
    'stock on its own loop': (asyncio, StockLoop),
    'ours on our loop': (pyasync, OurLoop),
    'ours on a stock loop': (pyasync, StockLoop),
    'stock on our loop': (asyncio, OurLoop),
}


# ------------------------------------------------------------------ schedules

SECONDS = (None, -1, 0, 1, 2, 3)
RANKS = (0, 0, 1, 2)
MESSAGES = ((), (), ('why',))
ON_CANCEL = ('end', 'end', 'go on', 'go on, uncancelled')
BYTES = 400  # A schedule takes fewer; hypothesis draws them at once, and shrinks them well.

# An operation or move: the name of a method of the scenario, and what its arguments may be.
PAUSE = ('pause', (1, 2, 3))
CANCEL = ('cancel', range(6), MESSAGES)
CANCEL_WAITING = ('cancel_waiting', RANKS)
WITHIN, BEFORE = ('within', SECONDS), ('before', SECONDS)


class Draw:
    """Choices made by a string of bytes; once it has ended, the first of each."""

    def __init__(self, data, waiting, at_once, blocks, acts_on_others):
        self.data = iter(data)
        self.waiting = waiting
        self.at_once = at_once
        self.blocks = [BEFORE, *blocks]
        self.plain = [*waiting, *waiting, *at_once, PAUSE]
        if acts_on_others:
            self.plain += [CANCEL, CANCEL_WAITING]

    def choose(self, options):
        return options[next(self.data, 0) % len(options)]

    def operation(self, operations):
        name, *arguments = self.choose(operations)
        return (name, *(self.choose(options) for options in arguments))

    def program(self, depth=2):
        """A list of operations; the last argument of one that is a block is such a list, too."""
        program = []
        for _ in range(self.choose((1, 1, 2, 3))):
            kind = self.choose(('plain', 'plain', 'plain', 'within', 'block')) if depth else 'plain'
            if kind == 'within':
                program.append((*self.operation([WITHIN]), self.operation(self.waiting)))
            elif kind == 'block':
                program.append((*self.operation(self.blocks), self.program(depth - 1)))
            else:
                program.append(self.operation(self.plain))
        return program

    def spawn(self):
        return 'spawn', self.program(), self.choose(ON_CANCEL)

    def call(self):
        return self.operation(self.at_once or [CANCEL])

    def schedule(self):
        """Moves: some tasks that do the operations, and what then happens to them."""
        schedule = [self.spawn() for _ in range(self.choose((2, 3, 4, 5)))]
        schedule.append(('step', 1))
        for _ in range(self.choose(range(5, 25))):
            kind = self.choose(('step', 'spawn', 'spawn', 'call', 'cancel', 'tick', 'race', 'race'))
            if kind == 'step':
                schedule.append(('step', self.choose((1, 1, 2, 4))))
            elif kind == 'spawn':
                schedule.append(self.spawn())
            elif kind == 'call':
                schedule.append((self.choose(('call', 'call_soon')), self.call()))
            elif kind == 'cancel':
                schedule.append(self.operation([CANCEL, CANCEL_WAITING]))
            elif kind == 'tick':
                schedule.append(('tick', self.choose((1, 2, 3))))
            else:  # one iteration sees a task woken and cancelled, in either order
                pair = [('call', self.call()), self.operation([CANCEL_WAITING])]
                schedule += [*(reversed(pair) if self.choose((0, 0, 0, 1)) else pair), ('step', 1)]
        return schedule


# ------------------------------------------------------------------ what is seen


def plain(text):
    """A repr without addresses and without the package that made it."""
    text = re.sub(r'\b0x[0-9a-f]+', '0x', text)
    return re.sub(r'\b(?:asyncio|pyasync)\.(?:\w+\.)*', '', text)


def describe(exc, depth=3):
    """An exception with its text, its members and what it came from."""
    if exc is None or not depth:
        return None
    # A group of tasks leaves their order open.
    members = sorted(map(repr, map(describe, getattr(exc, 'exceptions', ()))))
    cause, context = describe(exc.__cause__, depth - 1), describe(exc.__context__, depth - 1)
    return type(exc).__name__, plain(str(exc)), members, cause, context, exc.__suppress_context__


class Scenario:
    """A schedule on one implementation: subclasses bring the object and its operations."""

    def __init__(self, module, loop):
        self.asyncio = module
        self.loop = loop
        self.events = []
        self.tasks = []
        self.waiting = {}  # The tasks within an operation, which began the longest ago first.
        self._deadlines = itertools.count(1)
        loop.now = START
        loop.set_exception_handler(self.report)

    def make(self):
        """Make the object; the arguments are what the test draws."""
        raise NotImplementedError

    def look(self):
        """All that can be seen of the object."""
        raise NotImplementedError

    def unblock(self):
        """Free what a task waits for that a cancel does not end."""

    def end(self):
        """Close what would warn that it is not."""

    def note(self, *event):
        self.events.append((*event, self.look()))

    def report(self, loop, context):
        if not context['message'].endswith('was never retrieved'):
            self.note('report', context['message'], describe(context.get('exception')))

    # What programs do besides the operations of the object.

    async def pause(self, count):
        for _ in range(count):
            await self.asyncio.sleep(0)

    async def forever(self):
        await self.loop.create_future()

    async def fail(self, kind):
        raise kind('failed')

    async def within(self, delay, operation):
        return await self.asyncio.wait_for(self.perform(operation), self.delay(delay))

    async def before(self, delay, program):
        async with self.asyncio.timeout(self.delay(delay)):
            await self.run_program(program)

    def cancel(self, index, message):
        if not self.tasks:
            return None
        return self.tasks[index % len(self.tasks)].cancel(*message)

    def cancel_waiting(self, index):
        """Cancel the task that is first, second... within its operation."""
        if len(self.waiting) > index:
            return list(self.waiting)[index].cancel()
        return None

    def delay(self, delay):
        """Each deadline is another: asyncio leaves the order of equal ones open."""
        return delay + next(self._deadlines) / 1024 if delay is not None and delay > 0 else delay

    # Moves.

    def spawn(self, program, on_cancel):
        name = f'T{len(self.tasks)}'
        coroutine = self.run_program(program, on_cancel)
        self.tasks.append(self.loop.create_task(coroutine, name=name))

    def step(self, count):
        for _ in range(count):
            support.run_once(self.loop)

    def tick(self, count):
        self.loop.now += count

    def call(self, operation):
        try:
            result = getattr(self, operation[0])(*operation[1:])
        except Exception as exc:
            self.note(operation, 'raised', describe(exc))
        else:
            self.note(operation, 'returned', plain(repr(result)))

    def call_soon(self, operation):
        self.loop.call_soon(self.call, operation)

    # The run.

    async def perform(self, operation):
        result = getattr(self, operation[0])(*operation[1:])
        return await result if inspect.isawaitable(result) else result

    async def run_program(self, program, on_cancel='end'):
        task = self.asyncio.current_task()
        name = task.get_name()
        for operation in program:
            self.waiting[task] = operation
            try:
                result = await self.perform(operation)
            except asyncio.CancelledError as exc:
                self.note(name, operation, describe(exc), task.cancelling())
                if on_cancel == 'end':
                    raise
                if on_cancel == 'go on, uncancelled':
                    task.uncancel()
            except Exception as exc:
                self.note(name, operation, describe(exc), task.cancelling())
                if on_cancel != 'go on':
                    raise
            else:
                self.note(name, operation, plain(repr(result)), task.cancelling())
            finally:
                self.waiting.pop(task, None)
        return name

    def run(self, schedule):
        for move in schedule:
            getattr(self, move[0])(*move[1:])
            self.note(move)
        self.finish()
        self.end()
        return self.events

    @staticmethod
    def age(task):
        """Names count upwards: Task-9, Task-10."""
        return re.sub(r'\d+', lambda digits: digits[0].zfill(9), task.get_name())

    def finish(self):
        """End every task, and note how it ended."""
        self.step(1)
        for _ in range(CANCELS):
            if all(task.done() for task in self.tasks):
                break
            for task in self.tasks:
                task.cancel()
            self.unblock()
            self.step(4)  # A condition takes its lock again however often it is cancelled.
        for _ in range(CANCELS):
            if not (left := asyncio.all_tasks(self.loop)):
                break  # to 3.11 wait_for() makes a task of its own
            for task in sorted(left, key=self.age):
                task.cancel()
            self.unblock()
            self.step(4)
        self.step(2)
        for task in self.tasks:
            assert task.done(), f'{task.get_name()} hangs'
            if task.cancelled():
                self.note(task.get_name(), 'cancelled')
            elif exc := task.exception():
                self.note(task.get_name(), describe(exc))
            else:
                self.note(task.get_name(), task.result())


def check_same(
    scenario, waiting, at_once=(), blocks=(), arguments=(), acts_on_others=True, examples=EXAMPLES
):
    """Run schedules on each implementation: of operations that wait, that need no task, that hold
    others, and whether tasks cancel others. arguments are what make() may be given.
    """

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=BYTES, max_size=BYTES))
    def check(data):
        draw = Draw(data, waiting, at_once, blocks, acts_on_others)
        drawn = [draw.choose(options) for options in arguments]
        schedule = draw.schedule()
        expected = None
        for name, (module, loop) in IMPLEMENTATIONS.items():
            run = scenario(module, loops[loop])
            run.make(*drawn)
            seen = run.run(schedule)
            if expected is None:
                expected = seen
            elif seen != expected:
                pytest.fail(first_difference(name, expected, seen) + f'\n{drawn} {schedule}')

    with contextlib.ExitStack() as stack:
        loops = {}
        for kind in (StockLoop, OurLoop):
            loops[kind] = stack.enter_context(contextlib.closing(kind()))
        check()


def first_difference(name, expected, seen):
    index = next(
        (i for i, pair in enumerate(zip(expected, seen, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(seen)),
    )
    lines = [f'{name} differs from stock on its own loop']
    lines += [f'   both: {event}' for event in expected[max(0, index - 8) : index]]
    lines += [f'  stock: {event}' for event in expected[index : index + 3]]
    lines += [f'  {name}: {event}' for event in seen[index : index + 3]]
    return '\n'.join(lines)
