"""Timeouts, task groups and wait_for() 10,000 times in a process of its own: nothing grows."""

from __future__ import annotations

import sys

import pytest
from leaks.support import check

COUNT = 10_000

# What a kind does once; loop, aio, coroutines and helpers are there.
KINDS = {
    'timeout': 'aio.timeout_at(1)',
    'timeout left': """
        async with aio.timeout(60):
            pass
        """,
    'timeout around a wait': """
        async with aio.timeout(60) as scope:
            await asyncio.sleep(0)
            scope.reschedule(loop.time() + 90)
        """,
    'timeout overrun': """
        try:
            async with aio.timeout(-1):
                await forever()
        except TimeoutError:
            pass
        """,
    'timeout with an exception in the way': """
        try:
            async with aio.timeout(-1):
                try:
                    await forever()
                finally:
                    raise KeyError
        except KeyError:
            pass
        """,
    'timeout entered and forgotten': """
        scope = aio.timeout(None)
        scope.itself = scope
        await scope.__aenter__()
        """,
    'timeout refused': """
        try:
            await aio.timeout(60).__aexit__(None, None, None)
        except AssertionError:
            pass
        """,
    'wait_for ready': 'await aio.wait_for(ready, 60)',
    'wait_for a future': """
        future = loop.create_future()
        loop.call_soon(future.set_result, [])
        await aio.wait_for(future, 60)
        """,
    'wait_for a coroutine': 'await aio.wait_for(answer(), 60)',
    'wait_for without limit': 'await aio.wait_for(answer(), None)',
    'wait_for an object': 'await aio.wait_for(Awaitable(), 60)',
    'wait_for what raises': """
        try:
            await aio.wait_for(raises(), 60)
        except KeyError:
            pass
        """,
    'wait_for timing out': """
        try:
            await aio.wait_for(forever(), 1e-9)
        except TimeoutError:
            pass
        """,
    'wait_for without time': """
        try:
            await aio.wait_for(loop.create_future(), 0)
        except TimeoutError:
            pass
        """,
    'wait_for cancelled': """
        task = asyncio.ensure_future(aio.wait_for(forever(), 60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        """,
    'wait_for refused': """
        try:
            await aio.wait_for(None, 60)
        except TypeError:
            pass
        """,
    'wait_for forgotten': """
        coroutine = answer()
        aio.wait_for(coroutine, 60).close()
        coroutine.close()
        """,
    'group': """
        async with aio.TaskGroup() as group:
            group.create_task(answer())
            group.create_task(answer(), name='name')
        """,
    'group of none': """
        async with aio.TaskGroup():
            pass
        """,
    'group with an error': """
        try:
            async with aio.TaskGroup() as group:
                group.create_task(raises())
                group.create_task(forever())
        except ExceptionGroup:
            pass
        """,
    'group with an error in its body': """
        try:
            async with aio.TaskGroup() as group:
                group.create_task(forever())
                raise KeyError
        except ExceptionGroup:
            pass
        """,
    'group cancelled': """
        task = asyncio.ensure_future(group_of(forever()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        """,
    'group in a cycle': """
        group = aio.TaskGroup()
        group.itself = group
        """,
    'group entered and never left': """
        group = aio.TaskGroup()
        group.itself = group
        await group.__aenter__()
        await group.create_task(answer())
        """,
    'group refused': """
        coroutine = answer()
        try:
            aio.TaskGroup().create_task(coroutine)
        except RuntimeError:
            pass
        coroutine.close()
        """,
}

SCRIPT = """
from leaks.support import check_growth

aio = impl.module

async def answer():
    await asyncio.sleep(0)
    return []

async def raises():
    await asyncio.sleep(0)
    raise KeyError

async def forever():
    await asyncio.get_running_loop().create_future()

async def group_of(coroutine):
    async with aio.TaskGroup() as group:
        group.create_task(coroutine)

class Awaitable:
    def __await__(self):
        return answer().__await__()

loop = new_event_loop()
ready = loop.create_future()
ready.set_result([])

async def once():
    KIND

async def many(count):
    for _ in range(count):
        await once()

check_growth(lambda count: loop.run_until_complete(many(count)), COUNT)
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    if kind == 'wait_for refused' and sys.version_info < (3, 12):
        pytest.skip('wait_for() leaves its timer, as asyncio does')
    # Stock runs too, to show that the script itself leaks nothing: fewer rounds do for that.
    check(impl, SCRIPT, KINDS[kind], COUNT if impl.ours else COUNT // 10)
