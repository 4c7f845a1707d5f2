"""Runs one program of a third-party library in four ways: each must print what stock prints."""

from __future__ import annotations

import difflib
import importlib.util
import pprint
import re
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
# asyncio's watcher may lose a race with Popen.poll(), and 3.11's thread one with the end of the
# loop; ours does not (docs/compatibility.md).
LOST_CHILD = re.compile(
    r'^(child process pid PID exit status already read: |Unknown child process pid PID, '
    r'|Loop <.*> that handles pid PID is closed).*\n',
    re.MULTILINE,
)
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
    first += '' if way == 'namespace' else 'import asyncio\n'
    # Lines have the same numbers in each way.
    first += '\n' * (4 - first.count('\n'))
    end = END.format(ours=way != 'stock')
    first += f'import {imports}\n'
    first += ''.join(f'{name} = {value!r}\n' for name, value in given.items())
    source = first + end + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, '-X', 'faulthandler', '-c', source],
        # gRPC's threads log when they please.
        env=support.script_environment() | {'GRPC_VERBOSITY': 'NONE'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def normal(text):
    """The text without what differs from run to run: ports, process ids, addresses, the time."""
    text = re.sub(r'(127\.0\.0\.1|localhost)(:|\', )\d+', r'\1\2PORT', text)
    text = re.sub(r'\[\d\d/[A-Z][a-z]{2}/\d{4}:[^]]*\]', '[TIME]', text)
    text = re.sub(r'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?( [+-]\d{4})?', 'TIME', text)
    text = re.sub(r'(?i)\b(pid:? ?|process |worker )[([]?\d+[)\]]?', r'\1PID', text)
    text = re.sub(r'(?<= )(\[\d+\]|\(\d+\))', 'PID', text)
    text = re.sub(r'\[[0-9a-f]{16}\]', '[CONNECTION]', text)
    text = re.sub(r'\b[IWE]\d{4} [\d:.]+ +\d+', 'LOG', text)
    return re.sub(r'\b0x[0-9a-f]+', '0xADDRESS', text)


def result_of(program):
    """(exit status, standard output, standard error) of a program, as normal() has them."""
    with program:
        try:
            out, err = program.communicate(timeout=support.LIMIT)
        except subprocess.TimeoutExpired:
            program.kill()
            out, err = program.communicate()
            raise AssertionError(f'program hangs\n{out}\n{err}') from None
    return program.returncode, normal(out), normal(err)


def results_of(programs):
    """{key: result_of(program)}; none of them outlives this."""
    try:
        return {key: result_of(program) for key, program in programs.items()}
    finally:
        for program in programs.values():
            if program.returncode is None:
                program.kill()
                program.communicate()


def output_of(program):
    """What the program prints until it ends, without a word on standard error."""
    status, out, err = result_of(program)
    assert (status, err) == (0, ''), err
    return out


def check_equal(results):
    """Each way has the result of stock; else how they differ."""
    stock = pprint.pformat(results['stock']).splitlines()
    for way, result in results.items():
        lines = pprint.pformat(result).splitlines()
        assert lines == stock, '\n'.join(difflib.unified_diff(stock, lines, 'stock', way, n=1))


def check_same(code, imports, **given):
    """Each way prints what stock does, warnings and logs on standard error included."""
    results = results_of({way: start_program(way, code, imports, **given) for way in WAYS})
    status, out, err = results['stock']
    results['stock'] = status, out, re.sub(LOST_CHILD, '', err)
    assert results['stock'][0] == 0, results['stock'][2]
    assert results['stock'][1].strip()
    check_equal(results)
