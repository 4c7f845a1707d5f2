"""Which loop asyncio makes: our policy, and the functions that put it in force and take it back."""

from . import _accelerate, _stock
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


_installed = []  # (the policy put in force, the one it replaced, accelerate), the last one last


def install(*, accelerate=False):
    """install(*, accelerate=False): have asyncio make our loops from now on, wherever it makes one.

    As asyncio.set_event_loop_policy(pyasync.EventLoopPolicy()), and no deprecation warning. With
    accelerate, asyncio and its submodules also offer our objects under their own names, so code
    that knows nothing of us uses them; what was imported by name before stays asyncio's. Each call
    is undone by one uninstall(); any thread may call either.
    """
    with _stock.policy_lock:
        replaced = _stock.current_policy()
        # A policy of ours that is in force stays: it knows the current loop of each thread. (Asked
        # in this way because asyncio's default policy counts as an instance of ours.)
        is_ours = EventLoopPolicy in type(replaced).__mro__
        ours = replaced if is_ours else EventLoopPolicy()
        if accelerate:
            _accelerate.begin()
        _stock.set_event_loop_policy(ours)
        _installed.append((ours, replaced, accelerate))


def uninstall():
    """uninstall(): put back the policy, and the names of asyncio, that the last install() found.

    A policy that somebody else has set since then stays in force, and so does an object that
    somebody else has put into asyncio's namespace.
    Raises RuntimeError where there is no install() left to undo.
    """
    with _stock.policy_lock:
        if not _installed:
            raise RuntimeError('pyasync.uninstall() without a pyasync.install() to undo')
        ours, replaced, accelerate = _installed.pop()
        if accelerate:
            _accelerate.end()
        if _stock.current_policy() is ours:
            _stock.set_event_loop_policy(replaced)
