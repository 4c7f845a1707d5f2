"""The policy, install() and uninstall(): stock asyncio makes our loops."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync

events = asyncio.events
stock_default_policy = asyncio.unix_events._UnixDefaultEventLoopPolicy


def policy_in_force():
    return events._event_loop_policy


@pytest.fixture(autouse=True)
def no_policy_yet(monkeypatch):
    """Each test starts as a program does, and leaves nothing in force."""
    monkeypatch.setattr(events, '_event_loop_policy', None)
    yield
    while pyasync._policy._installed:
        pyasync.uninstall()


async def running_loop():
    return asyncio.get_running_loop()


@pytest.fixture
def installed(no_policy_yet):
    pyasync.install()
    yield
    pyasync.uninstall()


# ------------------------------------------------------------------ the policy


def test_new_event_loop_is_ours_whatever_the_policy():
    loop = pyasync.new_event_loop()
    assert type(loop) is pyasync.EventLoop
    loop.close()
    assert policy_in_force() is None


def test_policy_is_asyncio_s_default_one_with_our_loop():
    policy = pyasync.EventLoopPolicy()
    assert isinstance(policy, stock_default_policy)
    loop = policy.new_event_loop()
    assert type(loop) is pyasync.EventLoop
    policy.set_event_loop(loop)
    assert policy.get_event_loop() is loop
    loop.close()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason='deprecated in 3.14')
def test_set_event_loop_policy():
    asyncio.set_event_loop_policy(pyasync.EventLoopPolicy())
    assert type(asyncio.run(running_loop())) is pyasync.EventLoop


@pytest.mark.skipif(sys.version_info < (3, 14), reason='3.14 and newer')
def test_set_event_loop_policy_warns_as_asyncio_does():
    policy = pyasync.EventLoopPolicy()
    with pytest.warns(DeprecationWarning, match=r'asyncio\.set_event_loop_policy') as caught:
        asyncio.set_event_loop_policy(policy)
    assert [warning.filename for warning in caught] == [__file__]
    assert type(asyncio.run(running_loop())) is pyasync.EventLoop


@pytest.mark.skipif(sys.version_info >= (3, 14), reason='child watchers are gone in 3.14')
@pytest.mark.filterwarnings('ignore:.*child_watcher.* is deprecated:DeprecationWarning')
@pytest.mark.filterwarnings('ignore:.*ChildWatcher.* is deprecated:DeprecationWarning')
def test_child_watchers_work_as_with_the_default_policy(installed):
    async def main():
        process = await asyncio.create_subprocess_exec(sys.executable, '-c', 'exit(3)')
        return await process.wait()

    assert asyncio.run(main()) == 3
    policy = policy_in_force()
    watcher = asyncio.SafeChildWatcher()
    policy.set_child_watcher(watcher)
    assert policy.get_child_watcher() is watcher
    assert asyncio.run(main()) == 3
    policy.set_child_watcher(None)


# ------------------------------------------------------------------ install and uninstall


def test_installed_policy_makes_every_loop_of_asyncio(installed):
    assert type(asyncio.run(running_loop())) is pyasync.EventLoop
    loop = asyncio.new_event_loop()
    assert type(loop) is pyasync.EventLoop
    loop.close()
    with asyncio.Runner() as runner:
        assert type(runner.get_loop()) is pyasync.EventLoop


def test_names_of_asyncio_stay_stock(installed):
    assert asyncio.Task is not pyasync.Task
    assert asyncio.SelectorEventLoop is not pyasync.EventLoop


def test_install_raises_no_warning_at_all():
    support.run_silently("""
        import asyncio, pyasync
        pyasync.install()
        asyncio.run(asyncio.sleep(0))
        pyasync.uninstall()
    """)


def test_uninstall_restores_the_policy_that_was_there():
    pyasync.install()
    pyasync.uninstall()
    assert policy_in_force() is None
    theirs = events._event_loop_policy = stock_default_policy()
    pyasync.install()
    assert type(policy_in_force()) is pyasync.EventLoopPolicy
    pyasync.uninstall()
    assert policy_in_force() is theirs


def test_installs_nest():
    pyasync.install()
    ours = policy_in_force()
    pyasync.install()
    assert policy_in_force() is ours
    pyasync.uninstall()
    assert policy_in_force() is ours
    pyasync.uninstall()
    assert policy_in_force() is None


def test_nested_install_keeps_the_current_loop(installed):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pyasync.install()
    assert asyncio.get_event_loop() is loop
    pyasync.uninstall()
    loop.close()


def test_uninstall_leaves_a_policy_that_came_later():
    pyasync.install()
    theirs = events._event_loop_policy = stock_default_policy()
    pyasync.uninstall()
    assert policy_in_force() is theirs


def test_uninstall_without_install():
    with pytest.raises(RuntimeError, match=r'without a pyasync\.install'):
        pyasync.uninstall()


def test_threads_install_and_uninstall_at_once():
    def work():
        start.wait()
        for _ in range(100):
            pyasync.install()
            found.append(type(policy_in_force()))
            pyasync.uninstall()

    found = []
    start = threading.Barrier(4)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {pyasync.EventLoopPolicy}
    assert policy_in_force() is None
