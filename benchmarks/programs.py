"""programs.py -- the programs in examples/, whole and unchanged: each one's main(new_event_loop).

A row is there where its example is; where the libraries that it uses are missing, it is left out.
"""

import importlib
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter

from harness.registry import NO_GOALS, Goals, benchmark

EXAMPLES = Path(__file__).resolve().parent.parent / 'examples'


def register_program(name: str, title: str, needs: tuple[str, ...], goals: Goals = NO_GOALS):
    """Make examples/NAME.py a row."""
    path = EXAMPLES / f'{name}.py'

    def program(aio, new_event_loop, n):
        if str(EXAMPLES) not in sys.path:
            sys.path.append(str(EXAMPLES))  # a process pool's children import it by name, too
        example = importlib.import_module(name)
        with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
            start = perf_counter()
            for _ in range(n):
                example.main(new_event_loop)
            return perf_counter() - start

    program.__name__ = name
    if path.exists():
        benchmark(title, goals, needs=needs)(program)


register_program('pipeline', 'download pipeline', ('httpx', 'aiofiles', 'PIL'))
register_program('web_aiohttp', 'aiohttp server and client', ('aiohttp',), Goals(1.2, 1.2))
register_program('web_uvicorn', 'uvicorn app', ('uvicorn',), Goals(1.4, 1.4))
