"""Every feature of asyncio is told the same under ours; docs/compatibility.md says what is."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import support

FEATURES = support.ROOT / 'features'
PAGE = support.ROOT / 'docs' / 'compatibility.md'

pytestmark = [
    pytest.mark.skipif(not FEATURES.is_dir(), reason='the probes are not here'),
    pytest.mark.skipif(support.STOCK_ONLY, reason='stock only'),
]


@pytest.fixture(scope='module')
def seen(tmp_path_factory):
    """What features/run.py --json writes."""
    support.implementation('pyasync')
    file = tmp_path_factory.mktemp('features') / 'seen.json'
    env = support.script_environment()
    env['PYTHONPATH'] = os.pathsep.join([str(FEATURES), env['PYTHONPATH']])
    command = [sys.executable, FEATURES / 'run.py', '--json', file]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


@pytest.fixture(scope='module')
def parts():
    """The page: the differences, and the table of features."""
    text = PAGE.read_text()
    differences, heading, features = text.partition('# Every feature')
    assert heading
    return differences, features


def test_every_probe_tells_the_same_under_ours(seen):
    for row, states in seen['rows'].items():
        for name, (state, note) in states.items():
            assert state == 'same' or row in seen['named'], f'{row}: {name}: {state}: {note}'


def test_every_probe_runs_under_stock(seen):
    for row, told in seen['stock'].items():
        bad = [line for line in told if line.startswith(('UNCAUGHT', 'CRASH', 'HANG'))]
        assert not bad, f'{row}: {bad}'


def test_every_public_name_has_a_probe(seen):
    assert seen['without a probe'] == []


def test_the_differences_that_probes_show_are_on_the_page(seen, parts):
    for row, words in seen['named'].items():
        assert words in parts[0], f'{row}: {words}'


def test_the_rows_of_the_table_are_the_probes(seen, parts):
    lines = [line for line in parts[1].splitlines() if line.startswith('| ')]
    rows = [line.split(' | ')[0].removeprefix('| ') for line in lines]
    assert [row for row in rows if row != 'feature'] == list(seen['cells'].values())


def test_the_tests_that_the_page_names_exist(seen, parts):
    named = set(re.findall(r'`(tests/[\w./-]+)`', ''.join(parts))) | set(seen['tests'])
    missing = [name for name in named if not pathlib.Path(support.ROOT / name).is_file()]
    assert missing == []
