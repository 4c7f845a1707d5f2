"""Barrier: asyncio's own code over our Condition."""

from __future__ import annotations

import asyncio

import pytest
from sync.steps import outcomes, refused, settle, spawn

pytestmark = pytest.mark.usefixtures('loop')


async def test_so_many_tasks_meet(aio):
    barrier = aio.Barrier(3)
    assert isinstance(barrier, asyncio.Barrier)
    assert type(barrier._cond) is aio.Condition
    assert '[filling, waiters:0/3]' in repr(barrier)
    for _ in range(3):
        assert sorted(await outcomes(*spawn(*(barrier.wait() for _ in range(3))))) == [0, 1, 2]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


async def test_context_manager(aio):
    barrier, seen = aio.Barrier(2), []

    async def meet():
        async with barrier as position:
            seen.append(position)

    await asyncio.gather(meet(), meet())
    assert sorted(seen) == [0, 1]


async def test_reset_and_abort(aio):
    barrier = aio.Barrier(2)
    [task] = spawn(barrier.wait())
    await settle()
    assert barrier.n_waiting == 1
    await barrier.reset()
    await refused(asyncio.BrokenBarrierError, task)
    [task] = spawn(barrier.wait())
    await settle()
    await barrier.abort()
    await refused(asyncio.BrokenBarrierError, task)
    assert barrier.broken
    await refused(asyncio.BrokenBarrierError, barrier.wait())


async def test_a_cancelled_task_is_no_party(aio):
    barrier = aio.Barrier(2)
    first, second = spawn(barrier.wait(), asyncio.sleep(0))
    await settle()
    first.cancel()
    assert await outcomes(first, second) == [asyncio.CancelledError, None]
    assert barrier.n_waiting == 0


async def test_no_parties(aio):
    with pytest.raises(ValueError) as ours:
        aio.Barrier(0)
    with pytest.raises(ValueError) as stock:
        asyncio.Barrier(0)
    assert str(ours.value) == str(stock.value)
