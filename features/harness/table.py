"""table.py -- docs/compatibility.md: what stands between the markers is made here."""

import pathlib

from . import contenders
from .probe import PROBES

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'compatibility.md'
BEGIN = '<!-- made by features/run.py --write -->'
END = '<!-- end -->'
HEADER = '| feature | since | pyasync | uvloop | rloop | zuvloop | test |'
RULE = '|---|---|---|---|---|---|---|'
NOTE_LENGTH = 160


def write(seen):
    """Put the table of these results into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f'{before}{BEGIN}\n\n{table(seen)}\n{END}{after}')


def table(seen):
    """The sections, and the notes on peers."""
    seen = sorted(seen, key=lambda one: _version(one['python']), reverse=True)
    notes = []
    lines = [_measured(seen), '', _counts(seen), '']
    group = None
    for row, probe in PROBES.items():
        if not any(row in one['rows'] for one in seen):
            continue
        if probe.group != group:
            group = probe.group
            lines += ['', f'### {group}', '', HEADER, RULE]
        cells = [cell(row), _since(probe), _ours(seen, row)]
        cells += [_peer(seen, row, name, notes) for name in contenders.PEERS]
        cells.append(f'`{probe.test}`')
        lines.append(f'| {" | ".join(cells)} |')
    lines += ['', '### How peers differ', '']
    lines += [f'{i}. {text}' for i, text in enumerate(notes, 1)]
    return '\n'.join(lines) + '\n'


def cell(row):
    """A row's first cell."""
    return _code(row).replace('|', '\\|')


def _version(text):
    return tuple(map(int, text.split('.')[:2]))


def _main(seen):
    """The result that counts for peers: where most of them ran, the newest of these."""
    return max(seen, key=lambda one: (_peers_of(one), _version(one['python'])))


def _peers_of(one):
    return sum(name in contenders.PEERS for name in one['versions'])


def _measured(seen):
    main = _main(seen)
    peers = ', '.join(
        f'{name} {main["versions"][name]}' for name in contenders.PEERS if name in main['versions']
    )
    ours = ', '.join(one['python'] for one in reversed(seen))
    return (
        f'Measured with stock asyncio of the same interpreter: pyasync on CPython {ours}; '
        f'{peers or "no peers"} on {main["python"]}, where a row has no number of a version.'
    )


def _counts(seen):
    main = _main(seen)
    same = [
        all(states[name][0] == 'same' for name in contenders.OURS)
        for states in main['rows'].values()
    ]
    parts = [f'pyasync: {sum(same)} same, {len(same) - sum(same)} as told above.']
    for name in contenders.PEERS:
        states = [states[name][0] for states in main['rows'].values() if name in states]
        if states:
            counts = ', '.join(
                f'{states.count(state)} {state}'
                for state in ('same', 'words', 'differs', 'missing', 'crash', 'hang')
                if states.count(state)
            )
            parts.append(f'{name}: {counts}.')
    return f'Of {len(main["rows"])} rows on {main["python"]}: {" ".join(parts)}'


def _since(probe):
    since = '.'.join(map(str, probe.since)) if probe.since > (3, 11) else ''
    if probe.until:
        since = f'{since or "3.11"} to 3.{probe.until[1] - 1}'
    return since


def _ours(seen, row):
    """Same, or the versions where one of the ways in is not."""
    differs = {}
    for one in reversed(seen):
        for name in contenders.OURS:
            state = one['rows'].get(row, {}).get(name, ('same', ''))[0]
            if state != 'same':
                differs.setdefault(state, []).append('.'.join(one['python'].split('.')[:2]))
    if not differs:
        return 'same'
    everywhere = sum(row in one['rows'] for one in seen)
    told = []
    for state, versions in differs.items():
        versions = list(dict.fromkeys(versions))
        where = '' if len(versions) == everywhere else f' ({", ".join(versions)})'
        told.append(f'**{state}**{where}')
    told = '; '.join(told)
    return f'{told}, see above' if PROBES[row].named else told


def _peer(seen, row, name, notes):
    """The state in the main result, or in the newest other one that knows the peer."""
    main = _main(seen)
    for one in (main, *(one for one in seen if one is not main)):
        found = one['rows'].get(row, {}).get(name)
        if found is None:
            continue
        state, note = found
        version = '' if one is main else f' ({one["python"]})'
        if state == 'same':
            return f'same{version}'
        if not note:
            return f'**{state}**{version}'
        notes.append(f'{name}, {_code(row)}: {_shortened(note)}')
        return f'**{state}** [{len(notes)}]{version}'
    return '—'


def _code(row):
    """A row's name with what is code in it as code."""
    name, bracket, rest = row.partition(')')
    head = f'{name}{bracket}'
    if (bracket and ' ' not in head.replace(', ', '')) or ('.' in row and ' ' not in row):
        return f'`{head}`{rest}'
    return row


def _shortened(note):
    note = ' '.join(note.split())
    if len(note) > NOTE_LENGTH:
        note = note[: NOTE_LENGTH - 1] + '…'
    return f'`{note.replace("`", chr(39))}`'
