"""The tutorial's programs print what its pages say: on stock, and on ours by each way in."""

from __future__ import annotations

import importlib.util
import re

import pytest
import support
import tutorial

PROGRAMS = {program.name: program for program in tutorial.all_programs()}
WAYS = ['stock'] if support.STOCK_ONLY else tutorial.WAYS

pytestmark = pytest.mark.skipif(not PROGRAMS, reason='the tutorial is not here')


def reason_to_skip(program):
    """Why a program can't run here, or None."""
    block = program.block
    if not block.applies():
        newest = 'newer' if block.newest == tutorial.NEWEST else f'3.{block.newest[1]}'
        return f'for Python 3.{block.oldest[1]} to {newest}'
    for word in block.words:
        name = '_multiprocessing' if word == 'processes' else word
        if importlib.util.find_spec(name) is None:
            return f'{name} is not installed'
    return None


@pytest.fixture(scope='module')
def runs(request, tmp_path_factory):
    """The programs of the tests to come, run by all ways at the same time."""
    wanted = {
        item.callspec.params['name']
        for item in request.session.items
        if item.module is request.module and 'way' in item.fixturenames
    }
    programs = [PROGRAMS[name] for name in PROGRAMS if name in wanted]
    programs = [program for program in programs if reason_to_skip(program) is None]
    folder = tmp_path_factory.mktemp('tutorial')
    runs = {way: tutorial.Runs(way, programs, folder / way) for way in WAYS}
    for each in runs.values():
        each.wait()
    return runs


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('name', PROGRAMS)
def test_output(name, way, runs):
    program = PROGRAMS[name]
    if reason := reason_to_skip(program):
        pytest.skip(reason)
    result = runs[way].result(name)
    if way == 'stock':
        assert result.stdout == program.promised('stdout')
        promised = program.promised('stderr')
        if not tutorial.keeps_promise(result.stderr, promised):
            assert result.stderr == promised
    else:
        assert result == runs['stock'].result(name)


def test_each_program_is_complete():
    """As README.md says: it imports what it uses, and ends by running its coroutine."""
    for program in PROGRAMS.values():
        source = program.block.text
        compile(source, program.name, 'exec')
        imports = re.findall(r'^ *(?:import|from) .*', source, re.MULTILINE)
        assert any('asyncio' in line for line in imports), program.name
        assert 'asyncio' not in re.sub(
            r'pyasync as asyncio|# .*', '', '\n'.join(tutorial.in_namespace(i) for i in imports)
        ), program.name


def test_links():
    """Each page is in the index, and links the next."""
    index = (tutorial.FOLDER / 'README.md').read_text()
    pages = [path.name for path in sorted(tutorial.FOLDER.glob('[0-9]*.md'))]
    assert re.findall(r'\]\((\d[\w-]*\.md)\)', index) == pages
    for page, following in zip(pages, [*pages[1:], 'README.md'], strict=True):
        last = (tutorial.FOLDER / page).read_text().rstrip().splitlines()[-1]
        assert f']({following})' in last, page
