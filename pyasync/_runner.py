"""run() and Runner: asyncio's own code, with our loop in the place of the default policy's.

All else is as asyncio has it: what SIGINT does, the current loop that is set for the run, and a
policy that the program has chosen, which still makes the loop.
"""

import types
from asyncio import events, runners

from . import _stock
from ._loop import EventLoop


def _new_event_loop():
    policy = _stock.current_policy()
    if policy is None or type(policy) is _stock.DefaultEventLoopPolicy:
        return EventLoop()
    return policy.new_event_loop()


_namespace = {
    **vars(runners),
    '__name__': 'pyasync.runners',
    'events': types.SimpleNamespace(**{**vars(events), 'new_event_loop': _new_event_loop}),
}


class Runner(runners.Runner):
    __doc__ = runners.Runner.__doc__
    __module__ = 'pyasync.runners'
    _lazy_init = _stock.rebound(runners.Runner._lazy_init, _namespace)


_namespace['Runner'] = Runner
run = _stock.rebound(runners.run, _namespace)
