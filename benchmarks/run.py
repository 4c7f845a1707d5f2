"""run.py -- compares event loops: stock asyncio, pyasync, and uvloop, rloop, zuvloop if installed.

    python benchmarks/run.py                        a table within 90 seconds
    python benchmarks/run.py --full --goals         every row, longer, beside the project's goals
    python benchmarks/run.py --only 'sync.*'        one family
    python benchmarks/run.py --full --only 'network.*' 'services.*'     beside a plain C server
    python benchmarks/run.py --scaling --chart scaling.svg

Network rows count the CPU time of a server under native/loadgen.c (needs cc); most of them are left
to --full, which shows the rates by the clock and a plain C server as well.

The loops run in turn, each in processes of its own that live as long as the session; how that goes
is told in harness/session.py.
"""

import argparse
import dataclasses
import fnmatch
import sys

from harness import chart, contenders, report
from harness.contenders import BASELINE, CONTENDERS, YARDSTICK
from harness.progress import progress
from harness.registry import Benchmark, load
from harness.session import Effort, Session
from harness.workers import Missing, Worker

# The default run is promised to end within 90 s, and the step under way at the budget's end has to.
QUICK = Effort(rounds=5, target_s=0.02, budget_s=75, hang_s=10)
FULL = Effort(rounds=11, target_s=0.1, budget_s=float('inf'), hang_s=60)
SCALING = Effort(rounds=3, target_s=0.05, budget_s=float('inf'), hang_s=120)

INSTALL = """\
pyasync can't be imported: {reason}
Install it first, from the root of the repository:  pip install ."""

LEGEND = """\
asyncio: time per operation. Others: times stock, median (and middle half) of the rounds."""

CPU_LEGEND = """\
Servers and clients: their own CPU time. Cold, warm: states of malloc, see benchmarks/network.py."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Compare event loops, in ratios to stock asyncio.')
    add = parser.add_argument
    add('--full', action='store_true', help='every row, more and longer rounds, no time budget')
    add('--scaling', action='store_true', help='what a task and a timer cost, from 1e3 to 1e6')
    add('--only', metavar='PATTERN', nargs='+', help="benchmarks whose name matches, as 'sync.*'")
    add('--contenders', metavar='A,B', help=f'of {", ".join(CONTENDERS)}')
    add('--rounds', type=int, metavar='N', help='how often each benchmark is measured')
    add('--goals', action='store_true', help="show the project's goals beside")
    add('--json', metavar='FILE', help='write everything measured')
    add('--chart', metavar='FILE.svg', help='draw it (needs matplotlib)')
    add('--list', action='store_true', help='name the benchmarks and stop')
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error('--rounds must be 1 or more')
    if arguments.chart and not chart.available():
        parser.error(chart.NEEDED)
    default = contenders.FULL if arguments.full else contenders.DEFAULT
    arguments.contenders = (arguments.contenders or ','.join(default)).split(',')
    for name in arguments.contenders:
        if name not in CONTENDERS:
            parser.error(f'no contender {name!r}: there are {", ".join(CONTENDERS)}')
    return arguments


def choose_benchmarks(arguments: argparse.Namespace) -> list[Benchmark]:
    """What --only names; else the scaling family, or all others, less the slow ones."""

    def is_wanted(benchmark: Benchmark) -> bool:
        if arguments.only:
            return any(fnmatch.fnmatchcase(benchmark.name, pattern) for pattern in arguments.only)
        if (benchmark.family == 'scaling') != arguments.scaling:
            return False
        return arguments.full or not benchmark.slow

    return [benchmark for benchmark in load().values() if is_wanted(benchmark)]


def runnable(benchmarks: list[Benchmark]) -> list[Benchmark]:
    """Those whose packages are installed; says which are left out."""
    for benchmark in benchmarks:
        if benchmark.missing():
            print(f'{benchmark.name} is left out: it needs {", ".join(benchmark.missing())}')
    return [benchmark for benchmark in benchmarks if not benchmark.missing()]


def with_something_to_do(names: list[str], benchmarks: list[Benchmark]) -> list[str]:
    """The contenders without those that no benchmark is for."""
    families = {benchmark.family for benchmark in benchmarks}
    if not any(benchmark.yardstick for benchmark in benchmarks):
        names = [name for name in names if name != YARDSTICK]
    return [name for name in names if any(map(CONTENDERS[name].takes_part, families))]


def choose_effort(arguments: argparse.Namespace) -> Effort:
    effort = SCALING if arguments.scaling else FULL if arguments.full else QUICK
    return dataclasses.replace(effort, rounds=arguments.rounds or effort.rounds)


def installed_versions(names: list[str]) -> dict[str, str]:
    """The contenders that can be imported, and their versions. Exits where that is not pyasync."""
    versions = {}
    for name in dict.fromkeys((BASELINE, *names)):
        worker = Worker(name)
        try:
            versions[name] = worker.version()
        except Missing as missing:
            if CONTENDERS[name].package == 'pyasync':
                sys.exit(INSTALL.format(reason=missing))
            print(f'{name} is left out: {missing}')
        finally:
            worker.close()
    return versions


def measure(session: Session) -> str:
    """Run the session; what to say of how it ended."""
    try:
        with progress(session.steps()) as on_step:
            session.run(on_step)
    except KeyboardInterrupt:
        return f'Interrupted in round {session.rounds_done + 1}: this is what was measured so far.'
    finally:
        session.close()
    if session.rounds_done == session.effort.rounds:
        return f'Rounds: {session.rounds_done}, in {session.elapsed_s():.0f} s.'
    cut = sum(not row.was_reached() for row in session.rows)
    return (
        f'The time was up in round {session.rounds_done + 1} of {session.effort.rounds}'
        f' ({cut} rows were not reached at all); --full takes the time it needs.'
    )


def main() -> None:
    arguments = parse_arguments()
    benchmarks = choose_benchmarks(arguments)
    if not benchmarks:
        sys.exit(f'no benchmark matches {" ".join(arguments.only)}; --list names them')
    if arguments.list:
        print(*(f'{benchmark.name:36} {benchmark.title}' for benchmark in benchmarks), sep='\n')
        return
    versions = installed_versions(with_something_to_do(arguments.contenders, benchmarks))
    print(report.header(versions), flush=True)
    session = Session(versions, runnable(benchmarks), choose_effort(arguments))
    ending = measure(session)
    rows = [row for row in session.rows if row.was_reached()]
    print(report.table(rows, list(versions), arguments.goals))
    print(f'\n{LEGEND}')
    if any(row.benchmark.allocator for row in rows):
        print(CPU_LEGEND)
    print(ending)
    if not (arguments.full or arguments.only or arguments.scaling):
        print('Left to --full:', ', '.join(b.title for b in load().values() if b.slow))
    if arguments.full or arguments.only:
        print(report.rates(rows, list(versions)))
    for line in report.yardstick(rows) + report.failures(rows):
        print(line)
    if arguments.json:
        report.write_json(arguments.json, rows, versions)
    if arguments.chart and rows:
        chart.write_chart(arguments.chart, rows, report.header(versions))


if __name__ == '__main__':
    main()
