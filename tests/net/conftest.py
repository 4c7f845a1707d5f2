"""Tests of the network that are coroutines run on the loop of the fixture, with a time limit."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from net.support import LIMIT


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def main():
        async with asyncio.timeout(LIMIT):
            await test(**arguments)

    pyfuncitem.funcargs['loop'].run_until_complete(main())
    return True
