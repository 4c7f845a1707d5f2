"""The examples: the same output on stock asyncio and on ours, in a process each."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
import support

EXPECTED = {
    'pipeline': ''.join(f'{n}.png: {36 * (n + 1)} edge pixels\n' for n in range(12)),
    'web_aiohttp': 'sum of squares: 40425\nbytes counted: 1000000\nshouted: ONE TWO THREE\n',
    'web_uvicorn': 'right answers: 50\n',
}
NEEDS = {
    'pipeline': ['httpx', 'aiofiles', 'PIL'],
    'web_aiohttp': ['aiohttp'],
    'web_uvicorn': ['uvicorn', 'httpx'],
}


@pytest.mark.parametrize('name', EXPECTED)
def test_output(impl, name):
    for module in NEEDS[name]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f'{module} is not installed')
    path = support.ROOT / 'examples' / f'{name}.py'
    on_ours = ['-m', 'pyasync'] if impl.ours else []
    done = subprocess.run(
        [sys.executable, *on_ours, path],
        env=support.script_environment(),
        capture_output=True,
        text=True,
        timeout=support.LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == EXPECTED[name]


def test_every_example_is_tested():
    found = {path.stem for path in (support.ROOT / 'examples').glob('*.py')}
    of_several_processes = (support.TESTS / 'test_scaling.py').read_text()
    assert {name for name in found if name not in of_several_processes} == set(EXPECTED)
