"""Queues: random schedules behave as on stock."""

from __future__ import annotations

import asyncio

import pytest
from sync.schedules import Scenario, check_same

HAS_SHUTDOWN = hasattr(asyncio.Queue, 'shutdown')

WAITING = [('put', range(10)), ('get',)] * 2 + [('join',)]
AT_ONCE = [('put_nowait', range(10)), ('get_nowait',)] * 2 + [('task_done',)]
if HAS_SHUTDOWN:
    AT_ONCE += [('shutdown', (False, True))]


class Queues(Scenario):
    def make(self, kind, maxsize):
        self.queue = getattr(self.asyncio, kind)(maxsize)
        for name in ('put', 'get', 'join', 'put_nowait', 'get_nowait', 'task_done', 'shutdown'):
            if hasattr(self.queue, name):
                setattr(self, name, getattr(self.queue, name))

    def look(self):
        queue = self.queue
        return (
            repr(queue).partition(' at ')[0],
            str(queue),
            queue.qsize(),
            queue.empty(),
            queue.full(),
            queue.maxsize,
            list(queue._queue),
            len(queue._getters),
            len(queue._putters),
            queue._unfinished_tasks,
            queue._finished.is_set(),
        )


@pytest.mark.parametrize('kind', ['Queue', 'LifoQueue', 'PriorityQueue'])
def test_schedules(kind):
    check_same(Queues, WAITING, AT_ONCE, arguments=[(kind,), (1, 1, 2, 3, 0)])
