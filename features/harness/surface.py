"""surface.py -- the names of asyncio's public surface, as the rows of the table call them.

`Lock.acquire()` is a method, `loop.call_soon(context=)` an argument that may be left out,
`asyncio.gather()` a function, `Server.sockets` an attribute, `asyncio.QueueEmpty` an exception.
"""

import asyncio
import inspect
import re

# Several classes of asyncio are one thing to a program.
LABELS = {
    'AbstractEventLoop': 'loop',
    'BaseEventLoop': 'loop',
    'SelectorEventLoop': 'loop',
    'EventLoop': 'loop',
    'AbstractServer': 'Server',
    'BaseTransport': 'Transport',
    'ReadTransport': 'Transport',
    'WriteTransport': 'Transport',
    'BaseProtocol': 'Protocol',
    'AbstractEventLoopPolicy': 'policy',
    'DefaultEventLoopPolicy': 'policy',
    'AbstractChildWatcher': 'ChildWatcher',
}


def surface():
    """The set of names that the running asyncio has."""
    found = set()
    exported = {name: getattr(asyncio, name) for name in asyncio.__all__}
    exported['Process'] = asyncio.subprocess.Process
    exported['TaskGroup'] = asyncio.TaskGroup  # 3.11's __all__ lacks it
    for name, value in exported.items():
        if not inspect.isclass(value):
            found |= _callable(f'asyncio.{name}', value) if callable(value) else {f'asyncio.{name}'}
        elif issubclass(value, BaseException):
            found.add(f'asyncio.{name}')
        elif name.endswith('ChildWatcher') and name not in LABELS:
            found.add(f'asyncio.{name}')
        else:
            found |= _class(LABELS.get(name, name), value)
    return found


def covered(probe):
    """The names of the surface that a probe is there for."""
    found = set(probe.covers)
    match = re.match(r'([\w.]+)(\((.*?)\))?', probe.row)
    if match:
        name, arguments, inner = match.groups()
        keywords = re.findall(r'\w+=', inner or '')
        found |= {f'{name}({keyword})' for keyword in keywords}
        found.add(f'{name}()' if arguments is not None and not keywords else name)
    return found


def covered_names(probes):
    """What all of them cover."""
    return set().union(*map(covered, probes))


def _class(label, cls):
    found = set()
    if not inspect.isabstract(cls) and label not in ('loop', 'Server', 'Transport'):
        found |= {name for name in _callable(label, cls) if not name.endswith('()')}
    inherited = {name for base in cls.__mro__[1:-1] for name in vars(base)}
    if label == 'Task':
        inherited |= set(dir(asyncio.Future))
    for name, value in vars(cls).items():
        if name.startswith('_') or name in inherited:
            continue
        if callable(value) or isinstance(value, (classmethod, staticmethod)):
            found |= _callable(f'{label}.{name}', getattr(cls, name))
        else:
            found.add(f'{label}.{name}')
    return found


def _callable(name, function):
    found = {f'{name}()'}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return found
    for parameter in parameters:
        if parameter.default is not parameter.empty and parameter.name != 'loop':
            found.add(f'{name}({parameter.name}=)')
    return found
