"""report.py -- the header, the table and the notes below it, as text."""

import json
import os
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path

from harness.contenders import BASELINE, YARDSTICK
from harness.results import Row

UNITS = ((1.0, 's'), (1e-3, 'ms'), (1e-6, 'us'), (1e-9, 'ns'))


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        'processor': _processor(),
        'cores': str(len(os.sched_getaffinity(0))),
        'kernel': f'{platform.system()} {platform.release()}',
        'python': f'{platform.python_implementation()} {platform.python_version()}'
        f' ({platform.python_compiler()})',
    }


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return models[0] if models else platform.machine()


def header(versions: dict[str, str]) -> str:
    facts = machine()
    loops = ', '.join(f'{name} {version}' for name, version in versions.items())
    return (
        f'{facts["processor"]}, {facts["cores"]} cores, {facts["kernel"]}\n'
        f'{facts["python"]}\n'
        f'{loops}\n'
    )


def quantity(value: float, unit: str) -> str:
    """A cost with three digits: 412 ns, 1435 B."""
    if unit == 'B':
        return f'{value:.0f} B'
    scale, name = next((u for u in UNITS if value >= u[0]), UNITS[-1])
    return f'{value / scale:.3g} {name}'


def _cell(row: Row, contender: str) -> str:
    cell = row.cells[contender]
    if cell.failure:
        return cell.failure
    cost = row.cost(contender)
    if cost is None:
        return '-'
    ratio = row.ratio(contender)
    if contender == BASELINE or row.benchmark.unit == 'B' or ratio is None:
        return quantity(cost, row.benchmark.unit)
    return f'{ratio.median:.2f}x ({ratio.low:.2f}-{ratio.high:.2f})'


def _goal(row: Row, contender: str) -> str:
    goal = row.goal(contender)
    if goal is None:
        return ''
    text = f'<= {goal:g} B' if row.benchmark.unit == 'B' else f'>= {goal:g}x'
    if row.cost(contender) is None:
        return text
    return f'{text} {"met" if row.meets_goal(contender) else "short"}'


def table(rows: list[Row], contenders: list[str], goals: bool) -> str:
    """One line a benchmark: stock's cost of an operation, then times stock, and the spread."""
    heads = ['operation']
    columns = [[row.benchmark.title for row in rows]]
    for name in contenders:
        heads.append(name)
        columns.append([_cell(row, name) for row in rows])
        if goals and name.startswith('pyasync'):
            heads.append('goal')
            columns.append([_goal(row, name) for row in rows])
    return _aligned([heads, *zip(*columns, strict=True)])


def _aligned(lines: list[Iterable[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # Titles to the left, all else to the right.
    form = '  '.join(f'{{:{">" if i else "<"}{width}}}' for i, width in enumerate(widths))
    texts = [form.format(*line) for line in lines]
    texts.insert(1, '-' * len(texts[0]))
    return '\n'.join(texts)


def rates(rows: list[Row], contenders: list[str]) -> str:
    """How many operations a second, by the clock, where a row counts CPU time; '' without such."""
    walls = [row for row in rows if any(cell.wall_s for cell in row.cells.values())]
    if not walls:
        return ''
    columns = [[row.benchmark.title for row in walls]]
    for name in contenders:
        times = [row.cells[name].wall_s for row in walls]
        columns.append([f'{1 / statistics.median(wall):,.0f}/s' if wall else '-' for wall in times])
    return f'\n{_aligned([["by the clock", *contenders], *zip(*columns, strict=True)])}\n'


def yardstick(rows: list[Row]) -> list[str]:
    """How near each loop is to the plain C server, for each row that it did."""
    lines = []
    for row in rows:
        plain = row.cells.get(YARDSTICK)
        if plain is None or not plain.samples or plain.failure:
            continue
        parts = []
        for name, cell in row.cells.items():
            if cell is not plain and cell.samples and not cell.failure:
                rate = statistics.median(plain.wall_s) / statistics.median(cell.wall_s)
                parts.append(f'{name} {row.cost(YARDSTICK) / row.cost(name):.0%} ({rate:.0%})')
        lines.append(f'{row.benchmark.title}: {", ".join(parts)}')
    return lines and [
        "Of a plain C epoll server's messages for the same CPU time (and in the same wall time):",
        *lines,
    ]


def failures(rows: list[Row]) -> list[str]:
    """One line for each cell that has no number."""
    return [
        f'{name}, {row.benchmark.title}: {cell.failure}: {cell.detail}'
        for row in rows
        for name, cell in row.cells.items()
        if cell.failure
    ]


def write_json(path: str, rows: list[Row], versions: dict[str, str]) -> None:
    found = {'machine': machine(), 'contenders': versions, 'rows': [row.as_json() for row in rows]}
    Path(path).write_text(json.dumps(found, indent=1) + '\n')
