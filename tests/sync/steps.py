"""Small ways to drive tasks step by step."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

needs_graph = pytest.mark.skipif(sys.version_info < (3, 14), reason='call graphs came with 3.14')


async def answer(value=None, turns=1):
    """The value, after so many iterations."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


async def settle(rounds=10):
    """Let everything run that is ready, and what follows from it."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def outcomes(*tasks):
    """What each task returned, or the class of what it raised."""
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(x) if isinstance(x, BaseException) else x for x in found]


def shown(lock):
    """What the repr of a lock, or of its like, says in brackets."""
    return re.search(r'\[.*\]', repr(lock))[0]


def spawn(*coroutines):
    """Tasks that have not begun yet."""
    return [asyncio.get_running_loop().create_task(coroutine) for coroutine in coroutines]


async def refused(expected, awaitable):
    """Await it and answer what it raises, which is to be of that class."""
    try:
        await awaitable
    except expected as error:
        return error
    raise AssertionError(f'{expected.__name__} was not raised')
