"""Tests of the network that are coroutines run on the loop of the fixture, with a time limit."""

from __future__ import annotations

import pytest
import support
from net.support import LIMIT


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return support.run_coroutine_test(pyfuncitem, LIMIT)
