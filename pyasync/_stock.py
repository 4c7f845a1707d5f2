"""What the package takes from inside the running asyncio: its private names, and its own code.

Where asyncio's function is right but for an object that it finds in its module, we run a copy of
that function with ours in the object's place: signature, messages and warnings stay asyncio's.
"""

import types
from asyncio import events, unix_events

# 3.14 deprecates the public name, and warns whoever uses it; this one is on every version.
DefaultEventLoopPolicy = unix_events._UnixDefaultEventLoopPolicy

set_event_loop_policy = (
    getattr(events, '_set_event_loop_policy', None) or events.set_event_loop_policy
)

# Held by asyncio while it makes the default policy, and by us while we replace it.
policy_lock = events._lock


def current_policy():
    """The policy in force, None where asyncio has not made its default one yet."""
    return events._event_loop_policy


def rebound(function, namespace):
    """A copy of a Python function that looks its global names up in namespace."""
    copy = types.FunctionType(
        function.__code__,
        namespace,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    return copy
