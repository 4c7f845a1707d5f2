"""contenders.py -- the implementations that are compared, and how each is made."""

import asyncio
import importlib
import importlib.util

STOCK = 'asyncio'
OURS = ('pyasync', 'pyasync namespace', 'pyasync accelerated')
PEERS = ('uvloop', 'rloop', 'zuvloop')


def available(name):
    """Whether it is installed for this interpreter."""
    return importlib.util.find_spec(name.split()[0]) is not None


def load(name):
    """(namespace, loop factory) of a contender. Raises ImportError."""
    if name == STOCK:
        return asyncio, asyncio.SelectorEventLoop
    module = importlib.import_module(name.split()[0])
    if name in PEERS:
        return asyncio, module.new_event_loop
    if name == 'pyasync namespace':
        return module, module.EventLoop
    if name == 'pyasync accelerated':
        module.install(accelerate=True)
    return asyncio, module.EventLoop
