"""TaskGroup: random schedules behave as on stock.

A group cancels its tasks in no certain order (they are in a set). So the tasks that run in one
iteration don't act upon each other here, and what they note is compared in the order of their
names.
"""

from __future__ import annotations

import asyncio

from sync.schedules import Scenario, check_same, plain

EXCEPTIONS = (ValueError, KeyError)
HAS_CANCEL = hasattr(asyncio.TaskGroup, 'cancel')  # 3.15 and newer


class TaskGroups(Scenario):
    def make(self):
        self.groups = []
        self.counts = {}

    def look(self):
        return None

    def look_at_groups(self):
        # The repr of a group shows its tasks in the order of the set.
        return [
            (plain(repr(group)).partition(' tasks=')[0], len(group._tasks)) for group in self.groups
        ]

    def in_order(self, tasks):
        return sorted(tasks, key=lambda task: task.get_name())

    def cancel(self, index, message):
        self.tasks = self.in_order(self.tasks)
        return super().cancel(index, message)

    def cancel_waiting(self, index):
        self.waiting = dict.fromkeys(self.in_order(self.waiting))
        return super().cancel_waiting(index)

    def step(self, count):
        for _ in range(count):
            begin = len(self.events)
            super().step(1)
            self.events[begin:] = sorted(self.events[begin:], key=repr)
            self.note('groups', self.look_at_groups())

    async def group(self, program):
        async with self.asyncio.TaskGroup() as group:
            self.groups.append(group)
            self.current(group)
            await self.run_program(program)

    async def group_of_two(self, first, second, program):
        async with self.asyncio.TaskGroup() as group:
            self.groups.append(group)
            self.current(group)
            await self.create([('pause', 1), first])
            await self.create([second])
            await self.run_program(program)

    def current(self, group=None):
        """The group that the running task has entered last, or that was handed to it."""
        task = self.asyncio.current_task()
        if group is not None:
            task.group = group
        return getattr(task, 'group', None)

    async def create(self, program):
        group = self.current()
        if group is None:
            return None
        parent = self.asyncio.current_task().get_name()
        count = self.counts[parent] = self.counts.get(parent, 0) + 1
        child = self.child(group, program)
        try:
            task = group.create_task(child, name=f'{parent}.{count}')
        except RuntimeError:
            child.close()  # to 3.12 the group leaves it open
            raise
        self.tasks.append(task)
        return task.get_name()

    async def child(self, group, program):
        self.current(group)
        return await self.run_program(program)

    async def cancel_group(self):
        group = self.current()
        if group is not None:
            group.cancel()

    async def fail_when_cancelled(self, kind):
        try:
            await self.forever()
        finally:
            raise kind('failed, too')

    async def clean_up(self):
        try:
            await self.forever()
        finally:
            await self.pause(2)


WAITING = [
    ('forever',),
    ('fail', EXCEPTIONS),
    ('fail_when_cancelled', EXCEPTIONS),
    ('clean_up',),
]
if HAS_CANCEL:
    WAITING.append(('cancel_group',))
CHILDREN = tuple((name, *(kinds[0] for kinds in arguments)) for name, *arguments in WAITING)


def test_schedules():
    blocks = [('group',), ('create',), ('create',)]
    blocks += [('group_of_two', CHILDREN, CHILDREN)] * 2
    check_same(TaskGroups, WAITING, blocks=blocks, acts_on_others=False)
