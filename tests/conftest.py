"""Fixtures: the same test on stock asyncio and on ours; every test ends where it began."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import threading

import pytest
import support

support.hide_unbuilt_sources()

try:
    import hypothesis
except ImportError:
    hypothesis = None
else:
    hypothesis.settings.register_profile('tests', database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile('tests')


def pytest_configure(config):
    config.addinivalue_line('markers', 'pollers: run the tests on the poll backend too')
    config.addinivalue_line('markers', 'ours: what stock asyncio does not promise')
    # A shell starts what it runs in the background with SIGINT ignored, for good.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    # What exists by now stays: collections between tests look at what tests make only.
    # Hypothesis makes its random generator first, gc.freeze() would hide who refers to it.
    if hypothesis:
        hypothesis.given(hypothesis.strategies.none())(lambda nothing: None)()
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc):
    if 'impl' not in metafunc.fixturenames:
        return
    names = ['asyncio', 'pyasync']
    if metafunc.definition.get_closest_marker('pollers'):
        names.append('pyasync-poll')
    if metafunc.definition.get_closest_marker('ours'):
        names.remove('asyncio')
    if support.STOCK_ONLY:
        names = [name for name in names if name == 'asyncio']
    metafunc.parametrize('impl', names, indirect=True)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def impl(request):
    """The implementation under test: its types, its new_event_loop() and run()."""
    return support.implementation(request.param)


@pytest.fixture
def loop(impl):
    """A loop of the implementation, closed after the test.

    What reaches its exception handler is kept in loop.reports; a test that expects reports takes
    them out (`loop.reports.clear()`), what is left fails the test.
    """
    yield from guarded(impl.new_event_loop())


@pytest.fixture
def pair():
    """Two connected sockets that do not block."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


@pytest.fixture
def child_watcher(loop):
    """Before 3.14 the child watcher is the policy's, and belongs to the loop of the thread."""
    if sys.version_info < (3, 14):
        asyncio.set_event_loop(loop)
    yield
    if sys.version_info < (3, 14):
        asyncio.set_event_loop(None)
        asyncio.set_event_loop_policy(None)


def guarded(loop):
    loop.reports = []
    loop.set_exception_handler(lambda loop, context: loop.reports.append(context))
    yield loop
    try:
        gc.collect()
        reports, loop.reports = loop.reports, []
        assert not loop.is_running()
        if not loop.is_closed():
            pending = asyncio.all_tasks(loop)
            assert not pending, 'tasks left pending'
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            assert not asyncio.all_tasks(loop)
    finally:
        if not loop.is_running():
            loop.close()
    assert not reports, 'exception handler was called'


@pytest.fixture(autouse=True)
def ends_where_it_began(request):
    """No running loop, no pending task, no fd, no thread, no live object is left."""
    counted = support.live_objects()
    if counted:
        gc.collect()
        counted = support.live_objects()
    fds = support.open_fds()
    threads = set(threading.enumerate())
    yield
    request.node.funcargs.clear()
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
    gc.collect()
    assert asyncio._get_running_loop() is None
    pending = [o for o in gc.get_objects() if issubclass(type(o), asyncio.Task) and not o.done()]
    assert not pending, 'tasks left pending'
    del pending
    assert support.open_fds() == fds
    assert set(threading.enumerate()) <= threads
    # The traceback of a test that failed keeps objects alive.
    if not request.node.stash.get(FAILED, False):
        left = support.live_objects()
        grown = {name: n - counted.get(name, 0) for name, n in left.items()}
        assert not {name: n for name, n in grown.items() if n > 0}
        # pytest's own records stay out of the collections of the tests to come.
        gc.freeze()
