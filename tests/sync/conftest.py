"""Tests of locks and queues: coroutines, on stock asyncio, on ours, and ours on a stock loop."""

from __future__ import annotations

import asyncio

import pytest
import support

LIMIT = 60
KINDS = ['asyncio'] if support.STOCK_ONLY else ['asyncio', 'pyasync', 'pyasync on a stock loop']


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return support.run_coroutine_test(pyfuncitem, LIMIT)


def pytest_generate_tests(metafunc):
    if 'aio' in metafunc.fixturenames:
        metafunc.parametrize('aio', KINDS, indirect=True)


@pytest.fixture
def aio(request):
    """The namespace whose locks and queues are under test."""
    name = request.param.split()[0]
    request.getfixturevalue('sync_loop')
    return support.implementation(name).module


@pytest.fixture
def sync_loop(request):
    kind = request.node.callspec.params['aio']
    return support.implementation('pyasync' if kind == 'pyasync' else 'asyncio').new_event_loop()


@pytest.fixture
def loop(sync_loop):
    """The loop of the test, closed after it; what reaches its exception handler fails the test."""
    reports = []
    sync_loop.set_exception_handler(lambda loop, context: reports.append(context))
    yield sync_loop
    try:
        assert not asyncio.all_tasks(sync_loop), 'tasks left pending'
    finally:
        sync_loop.close()
    assert not reports
