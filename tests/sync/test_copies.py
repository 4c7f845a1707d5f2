"""Copies and pickles of what waits for others: they take the state along, as asyncio's do."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest

KINDS = ('Lock', 'Event', 'Condition', 'Semaphore', 'BoundedSemaphore')
QUEUES = ('Queue', 'LifoQueue', 'PriorityQueue')
COPIES = {
    'copy': copy.copy,
    'deepcopy': copy.deepcopy,
    **{
        f'pickle-{protocol}': lambda one, protocol=protocol: pickle.loads(
            pickle.dumps(one, protocol)
        )
        for protocol in (2, pickle.HIGHEST_PROTOCOL)
    },
}
each_copy = pytest.mark.parametrize('copied', COPIES.values(), ids=COPIES)

pytestmark = pytest.mark.usefixtures('loop')


@each_copy
@pytest.mark.parametrize('kind', KINDS)
async def test_a_lock_can_be_copied(aio, kind, copied):
    one = getattr(aio, kind)()
    one.name = 'free'
    other = copied(one)
    assert type(other) is type(one)
    assert other.name == 'free'
    assert repr(other).split('[')[1] == repr(one).split('[')[1]
    if kind == 'Event':
        other.set()
        await other.wait()
        assert not one.is_set()
    else:
        async with other:
            assert other.locked()


@each_copy
async def test_the_state_is_taken_along(aio, copied):
    one = aio.Lock()
    await one.acquire()
    assert copied(one).locked()
    one = aio.Event()
    one.set()
    assert copied(one).is_set()
    one = aio.BoundedSemaphore(3)
    await one.acquire()
    other = copied(one)
    other.release()
    with pytest.raises(ValueError):
        other.release()


@each_copy
async def test_a_barrier_can_be_copied(aio, copied):
    one = aio.Barrier(2)
    one.name = 'meeting'
    await one.abort()
    other = copied(one)
    assert type(other) is type(one)
    assert type(other._cond) is type(one._cond)
    assert (other.name, other.parties, other.broken) == ('meeting', 2, True)
    await other.reset()
    assert one.broken
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(other.wait()) for _ in range(2)]
    assert [task.result() for task in tasks] == [0, 1]


@each_copy
@pytest.mark.parametrize('kind', QUEUES)
async def test_a_queue_can_be_copied(aio, kind, copied):
    one = getattr(aio, kind)(5)
    for item in (3, 1, 2):
        one.put_nowait(item)
    other = copied(one)
    assert type(other) is type(one)
    assert (other.maxsize, other.qsize()) == (5, 3)
    got = [other.get_nowait() for _ in range(3)]
    assert got == {'Queue': [3, 1, 2], 'LifoQueue': [2, 1, 3], 'PriorityQueue': [1, 2, 3]}[kind]
    for _ in got:
        other.task_done()
    await other.join()


@each_copy
async def test_what_is_entered_is_not_copied(aio, copied):
    if aio is asyncio:
        pytest.skip('it makes a copy, of no use')
    for one in (aio.TaskGroup(), aio.timeout(1)):
        with pytest.raises(TypeError, match=f"cannot pickle '{type(one).__name__}' object"):
            copied(one)
