"""Which loop asyncio makes: our policy, and the functions that put it in force and take it back."""

from . import _stock
from ._loop import EventLoop


def new_event_loop():
    """new_event_loop(): a new pyasync.EventLoop, whatever policy is in force.

    As asyncio.new_event_loop; fit for asyncio.Runner(loop_factory=pyasync.new_event_loop).
    """
    return EventLoop()


class EventLoopPolicy(_stock.DefaultEventLoopPolicy):
    """EventLoopPolicy(): asyncio's default policy, which makes our loops.

    As asyncio.DefaultEventLoopPolicy, child watchers included where the version has them.
    """

    _loop_factory = EventLoop


_installed = []  # (the policy put in force, the one it replaced), the last install() last


def install():
    """install(): have asyncio make our loops from now on, in asyncio.run() and everywhere else.

    As asyncio.set_event_loop_policy(pyasync.EventLoopPolicy()), and no deprecation warning. Each
    call is undone by one uninstall(); any thread may call either.
    """
    with _stock.policy_lock:
        replaced = _stock.current_policy()
        # A policy of ours that is in force stays: it knows the current loop of each thread.
        ours = replaced if isinstance(replaced, EventLoopPolicy) else EventLoopPolicy()
        _stock.set_event_loop_policy(ours)
        _installed.append((ours, replaced))


def uninstall():
    """uninstall(): put back the policy that the last install() found.

    A policy that somebody else has set since then stays in force.
    Raises RuntimeError where there is no install() left to undo.
    """
    with _stock.policy_lock:
        if not _installed:
            raise RuntimeError('pyasync.uninstall() without a pyasync.install() to undo')
        ours, replaced = _installed.pop()
        if _stock.current_policy() is ours:
            _stock.set_event_loop_policy(replaced)
