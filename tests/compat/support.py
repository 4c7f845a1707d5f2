"""Runs one program of a third-party library in four ways: each must print what stock prints."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

# What stands before the program, by the way in.
WAYS = {
    'stock': '',
    'loop only': 'import pyasync; pyasync.install()\n',
    'namespace': 'import pyasync as asyncio; asyncio.install()\n',
    'accelerate': 'import pyasync; pyasync.install(accelerate=True)\n',
    'accelerate late': 'IMPORTS\nimport pyasync; pyasync.install(accelerate=True)\n',
}
# The end of each program: main() returns what is compared, and the loop must be the one asked for.
END = """
def run(main):
    import asyncio as stock
    async def checked():
        kind = type(stock.get_running_loop()).__module__
        assert kind == ({ours!r} and 'pyasync._loop' or 'asyncio.unix_events'), kind
        return await main()
    print(stock.run(checked()))
"""


def needs(*names):
    """Skips the tests of a module whose libraries are not here."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f'not installed: {", ".join(absent)}')


def start_program(way, code, imports, **given):
    """Start it in the given way, its libraries imported after that or before; given: globals."""
    first = WAYS[way].replace('IMPORTS', f'import {imports}')
    # The namespace stands for asyncio in the program alone; the libraries have stock's.
    rest = '' if way == 'namespace' else 'import asyncio\n'
    end = END.format(ours=way != 'stock')
    globals_ = ''.join(f'{name} = {value!r}\n' for name, value in given.items())
    source = f'{first}{rest}import {imports}\n{globals_}{end}{textwrap.dedent(code)}'
    return subprocess.Popen(
        [sys.executable, '-X', 'faulthandler', '-c', source],
        env=support.script_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(program):
    """What the program prints until it ends."""
    with program:
        try:
            out, err = program.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            program.kill()
            raise AssertionError(f'hangs: {program.communicate()}') from None
    assert (program.returncode, err) == (0, ''), err
    return out


def check_same(code, imports, **given):
    """Each way prints what stock does."""
    programs = {way: start_program(way, code, imports, **given) for way in WAYS}
    try:
        printed = {way: output_of(program) for way, program in programs.items()}
    finally:
        for program in programs.values():
            with program:
                program.kill()
    stock = printed.pop('stock')
    assert stock.strip()
    for way, text in printed.items():
        assert text == stock, f'stock:\n{stock}\n{way}:\n{text}'
