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
        if item.module is request.module and item.originalname == 'test_output'
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


PROBE = """\
```python
import asyncio

async def main():
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    print(*(type(o).__module__.partition('.')[0] for o in (loop, task, asyncio.Queue())))

asyncio.run(main())
raise SystemExit(3)
```
"""
OBJECTS = {  # whose loop, task and queue a program has by each way
    'stock': 'asyncio _asyncio asyncio',
    'policy': 'pyasync pyasync asyncio',
    'factory': 'pyasync pyasync asyncio',
    'namespace': 'pyasync pyasync pyasync',
    'accelerated': 'pyasync pyasync pyasync',
}


@pytest.mark.parametrize('way', WAYS)
def test_each_way_is_what_it_says(tmp_path, way):
    (tmp_path / 'probe.md').write_text(PROBE)
    runs = tutorial.Runs(way, tutorial.programs_of(tmp_path / 'probe.md'), tmp_path)
    runs.wait()
    assert runs.result('probe-1') == tutorial.Result(f'{OBJECTS[way]}\n', '', '3')


PAGE = """\
Words.

```python (3.12 to 3.14) aiofiles
1
```

```text (3.12)
twelve
```

```text (3.13 and newer)
new
```

```text stderr
log
```

```python
2
```
"""


def test_notation(tmp_path):
    (tmp_path / 'page.md').write_text(PAGE)
    first, second = tutorial.programs_of(tmp_path / 'page.md')
    assert [first.name, second.name] == ['page-1', 'page-2']
    assert (first.block.text, first.block.words) == ('1\n', ['aiofiles'])
    versions = [(3, minor) for minor in range(9, 18)]
    assert [v for v in versions if first.block.applies(v)] == [(3, 12), (3, 13), (3, 14)]
    assert all(second.block.applies(v) for v in versions)
    twelve, new, log = first.outputs
    assert [v for v in versions if twelve.applies(v)] == [(3, 12)]
    assert [v for v in versions if new.applies(v)] == [v for v in versions if v >= (3, 13)]
    assert (log.words, log.text) == (['stderr'], 'log\n')
    assert (second.promised('stdout'), second.promised('stderr')) == ('', '')


RAW = """\
<Task pending coro=<f() running at /tmp/here/program.py:3> at 0x7F00aa>
Traceback (most recent call last):
  File "/usr/lib/asyncio/runners.py", line 1, in run
    return x
           ^
  File "/tmp/here/program.py", line 2, in f
    x()
    ~^^
ValueError: 1
Traceback (most recent call last):
  File "/usr/lib/asyncio/runners.py", line 1, in run
    return x
ValueError: 2
  + Exception Group Traceback (most recent call last):
  |   File "/usr/lib/asyncio/runners.py", line 1, in run
  |     return x
  |   File "/tmp/here/program.py", line 9, in g
  |     y()
  | ExceptionGroup: text (1 sub-exception)
"""
NORMAL = """\
<Task pending coro=<f() running at program.py:3> at 0x...>
Traceback (most recent call last):
  File "program.py", line 2, in f
    x()
    ~^^
ValueError: 1
ValueError: 2
  + Exception Group Traceback (most recent call last):
  |   File "program.py", line 9, in g
  |     y()
  | ExceptionGroup: text (1 sub-exception)
"""


def test_what_is_left_out():
    assert tutorial.normal(RAW, '/tmp/here') == NORMAL
    assert '~^^' not in tutorial.without_carets(NORMAL)


def test_promises():
    assert tutorial.keeps_promise('a\n  ^^\nb\n', 'a\nb\n')
    assert tutorial.keeps_promise('a\nb\nc\n', 'a\n...\nc\n')
    assert tutorial.keeps_promise('', '...\n')
    assert not tutorial.keeps_promise('a\nb\n', 'a\n')
    assert not tutorial.keeps_promise('a\n', 'a\n...\nc\n')


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
