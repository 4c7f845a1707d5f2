"""run.py -- asks every implementation for every feature of asyncio, and writes the table.

    python features/run.py                     how ours compare with stock, on this interpreter
    python features/run.py --peers             uvloop, rloop and zuvloop too, where installed
    python features/run.py --only 'loop.*' -v  some rows, with all that was told
    python features/run.py --peers --json FILE         keep what was seen
    python features/run.py --write FILE FILE...        docs/compatibility.md from such files

Stock asyncio of the same interpreter is the reference. The files are of several interpreters: a
row shows the peers where most of them run, 3.14, or else where the feature is.
"""

import argparse
import fnmatch
import importlib.metadata
import json
import pathlib
import platform
import sys

import probes
from harness import contenders, surface, table
from harness.probe import PROBES
from harness.session import Session


def parse_arguments():
    parser = argparse.ArgumentParser(description="Compare what programs see of asyncio's features.")
    add = parser.add_argument
    add('--peers', action='store_true', help='uvloop, rloop and zuvloop as well')
    add('--only', metavar='PATTERN', nargs='+', help="rows that match, as 'loop.*'")
    add('--json', metavar='FILE', help='write what was seen')
    add('--write', metavar='FILE', nargs='+', help='make the table of such files, run nothing')
    add('--list', action='store_true', help='name the rows and stop')
    add('--hang', metavar='SECONDS', type=float, default=5, help='what counts as hanging')
    add('-v', '--verbose', action='store_true', help='show all that differing rows told')
    return parser.parse_args()


def measure(arguments, rows):
    names = [*contenders.OURS, *(contenders.PEERS if arguments.peers else ())]
    names = [name for name in names if contenders.available(name)]
    session = Session(arguments.hang)
    session.run(names, rows)
    return {
        'python': platform.python_version(),
        'cells': {row: table.cell(row) for row in PROBES},
        'named': {row: probe.named for row, probe in PROBES.items() if probe.named},
        'tests': sorted({probe.test for probe in PROBES.values()}),
        'without a probe': sorted(surface.surface() - surface.covered_names(PROBES.values())),
        'versions': {name: _version(name.split()[0]) for name in names},
        'stock': session.told[contenders.STOCK],
        'told': session.told if arguments.verbose else {},
        'rows': {row: {name: session.compare(name, row) for name in names} for row in rows},
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return '(not installed)'


def show(seen):
    for row, states in seen['rows'].items():
        for name, (state, note) in states.items():
            if state != 'same':
                print(f'{row}: {name}: {state}: {note}')
                if seen['told']:
                    print('    stock:', *seen['stock'][row], sep='\n        ')
                    print(f'    {name}:', *seen['told'][name][row], sep='\n        ')
        if any(line.startswith(('UNCAUGHT', 'CRASH', 'HANG')) for line in seen['stock'][row]):
            print(f'{row}: the probe fails on stock: {seen["stock"][row]}')
    for name in next(iter(seen['rows'].values()), {}):
        states = [states[name][0] for states in seen['rows'].values()]
        counts = ', '.join(f'{states.count(state)} {state}' for state in sorted(set(states)))
        print(f'{name}: {counts}')


def main():
    arguments = parse_arguments()
    probes.load()
    if arguments.write:
        seen = [json.loads(pathlib.Path(name).read_text()) for name in arguments.write]
        table.write(seen)
        return 0
    rows = [row for row, probe in PROBES.items() if probe.exists()]
    if arguments.only:
        rows = [r for r in rows if any(fnmatch.fnmatchcase(r, p) for p in arguments.only)]
    if arguments.list:
        print(*rows, sep='\n')
        return 0
    seen = measure(arguments, rows)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(seen, indent=1))
    show(seen)
    return 0


if __name__ == '__main__':
    sys.exit(main())
