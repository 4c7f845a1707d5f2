"""Runs programs one way, each in a fork: python tutorial_driver.py WAY FOLDER...

Each folder has a program.py; its stdout, stderr and exit status are left beside it. Forking after
the imports saves the start of an interpreter, which costs more than a program of the tutorial.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import gc
import os
import signal
import sys
import types
from importlib.machinery import SourceFileLoader

AT_ONCE = 3  # most programs wait for a few milliseconds
LIMIT_SECONDS = 300  # on a slow and busy machine, too


def stock():
    """Nothing to prepare; pyasync need not be installed."""


def policy():
    import pyasync

    pyasync.install()


def factory():
    """asyncio.run() and asyncio.Runner() with our loop, and not one frame more than without."""
    import pyasync

    runner = functools.partial(asyncio.Runner, loop_factory=pyasync.new_event_loop)
    if sys.version_info >= (3, 12):
        asyncio.run = functools.partial(asyncio.run, loop_factory=pyasync.new_event_loop)
    else:
        asyncio.runners.Runner = runner  # where run(), which takes no factory, finds it
    asyncio.Runner = runner


def namespace():
    """The program itself imports `pyasync as asyncio`."""
    import pyasync  # noqa: F401


def accelerated():
    import pyasync

    pyasync.install(accelerate=True)


WAYS = {way.__name__: way for way in (stock, policy, factory, namespace, accelerated)}


def run(way, folder):
    """What `python program.py` does; accelerated, `python -m pyasync program.py`."""
    os.chdir(folder)
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, 'stdout', os.O_WRONLY | os.O_CREAT),
        (2, 'stderr', os.O_WRONLY | os.O_CREAT),
    ):
        fd = os.open(name, flags)
        os.dup2(fd, number)
        os.close(fd)
    signal.alarm(LIMIT_SECONDS)
    path = os.path.join(folder, 'program.py')
    sys.argv[:] = [path]
    sys.path.insert(0, folder)
    if way is accelerated:
        import pyasync.__main__

        return pyasync.__main__.main([path])
    sys.modules['__main__'] = module = types.ModuleType('__main__')
    vars(module).update(
        __builtins__=builtins, __file__=path, __loader__=SourceFileLoader('__main__', path)
    )
    with open(path) as file:
        code = compile(file.read(), path, 'exec', dont_inherit=True)
    exec(code, vars(module))


def main(way, *folders):
    way = WAYS[way]
    way()
    # Not the program's first `import` is what takes the time.
    import concurrent.futures.process
    import concurrent.futures.thread  # noqa: F401
    import traceback  # noqa: F401

    gc.freeze()  # the collections at each program's end leave out what was imported here

    running = {}
    waiting = list(reversed(folders))
    while waiting or running:
        if waiting and len(running) < AT_ONCE:
            folder = waiting.pop()
            pid = os.fork()
            if pid == 0:
                return run(way, folder)
            running[pid] = folder
        else:
            pid, status = os.wait()
            folder = running.pop(pid)
            with open(os.path.join(folder, 'status'), 'w') as file:
                file.write(str(os.waitstatus_to_exitcode(status)))


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
