"""The house rules that the C sources can be asked about: layers, who knows what, exports."""

from __future__ import annotations

import asyncio
import functools
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import support

CSRC = support.ROOT / 'csrc'
LAYERS = {'base': 0, 'poller': 1, 'core': 2, 'net': 3, 'sync': 3}
FILES = sorted(path for path in CSRC.rglob('*.[ch]')) if CSRC.is_dir() else []
IDS = [str(path.relative_to(CSRC)) for path in FILES]

pytestmark = pytest.mark.skipif(not FILES, reason='the C sources are not here')

each_file = pytest.mark.parametrize('path', FILES, ids=IDS)


def code_of(path):
    """The text without comments and string contents."""
    text = path.read_text()
    text = re.sub(r'/\*.*?\*/', lambda m: '\n' * m[0].count('\n'), text, flags=re.DOTALL)
    text = re.sub(r'//[^\n]*', '', text)
    return text


def includes_of(path):
    return re.findall(r'^\s*#\s*include\s+[<"]([^">]+)[">]', path.read_text(), re.MULTILINE)


def layer_of(path):
    return path.relative_to(CSRC).parts[0] if path.parent != CSRC else 'module'


@each_file
def test_includes_go_down_only(path):
    mine = layer_of(path)
    if mine == 'module':
        return
    for name in includes_of(path):
        first = name.split('/')[0]
        if first not in LAYERS:
            continue
        assert (CSRC / name).is_file(), name
        assert first == mine or LAYERS[first] < LAYERS[mine], f'{mine} includes {name}'


@each_file
def test_own_headers_are_named_from_csrc(path):
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE):
        assert name.split('/')[0] in LAYERS, name


@each_file
def test_own_header_comes_first(path):
    header = path.with_suffix('.h')
    if path.suffix != '.c' or not header.is_file():
        return
    assert includes_of(path)[0] == str(header.relative_to(CSRC))


@each_file
def test_base_and_poller_know_nothing_of_python(path):
    if layer_of(path) not in ('base', 'poller'):
        return
    assert 'Python.h' not in includes_of(path) or path.name == 'compat.h'
    if path.name != 'compat.h':
        found = re.findall(r'\b(?:PyObject|Py_\w+|Py[A-Z]\w*_\w+)\b', code_of(path))
        assert not found, found


@each_file
def test_private_state_is_for_the_bridge_only(path):
    parts = path.relative_to(CSRC).parts
    if parts == ('core', 'bridge.c'):
        return
    code = code_of(path)
    assert 'Py_BUILD_CORE' not in code
    assert not re.search(r'#\s*include\s+"internal/', code)
    # core/names.h lists the names of all imports, this one too.
    if parts != ('core', 'names.h'):
        assert not re.search(r'"_asyncio(\.[a-z_]\w*)?"', code)


@each_file
def test_versions_are_named_in_compat_only(path):
    if path.relative_to(CSRC).parts in (('base', 'compat.h'), ('core', 'bridge.c')):
        return
    assert 'PY_VERSION_HEX' not in code_of(path)


@each_file
def test_header_comment(path):
    first = path.read_text().split('\n', 1)[0]
    assert first.startswith(f'/* {path.name} -- '), first


@each_file
def test_length(path):
    assert path.read_text().count('\n') < 900


@each_file
def test_no_dead_code(path):
    assert not re.search(r'^\s*#\s*if\s+0\b', path.read_text(), re.MULTILINE)


@each_file
def test_text_is_clean(path):
    text = path.read_text()
    assert '\t' not in text or path.suffix == '.mk'
    assert not re.search(r'[ \t]+$', text, re.MULTILINE)
    assert text.endswith('\n')


# ------------------------------------------------------------------ what the documents name

NAMED_BY_ASYNCIO = {
    *dir(asyncio.SelectorEventLoop),
    *dir(asyncio.BufferedProtocol),
    *dir(asyncio.Transport),
}


DOCUMENTS = [
    path
    for path in (*support.ROOT.glob('*.md'), *support.ROOT.glob('docs/**/*.md'))
    if path.name != 'CHANGES.md'  # that tells of what was there, too
]
FOLDERS = {p.name for folder in (support.ROOT, CSRC) for p in folder.glob('*/')}
# In these, every name in backticks is to be one of ours or of asyncio's.
ABOUT_SOURCES = ('architecture.md', 'CONTRIBUTING.md')


@functools.cache
def identifiers():
    """Every word of our sources and tests, but for this file."""
    folders = [support.ROOT / name for name in ('csrc', 'pyasync', 'tests')]
    paths = {path for folder in folders for path in folder.rglob('*.*')}
    paths.remove(pathlib.Path(__file__).resolve())
    texts = [path.read_text() for path in paths if path.suffix in ('.c', '.h', '.py', '.pyi')]
    return NAMED_BY_ASYNCIO | {word for text in texts for word in re.findall(r'\w+', text)}


def is_path(word):
    first, slash, _ = word.partition('/')
    return bool(slash and first in FOLDERS and re.fullmatch(r'[\w./*-]+(:\w+)?', word))


def problem_of_path(word):
    """What is wrong with a file, or file:function, below the root or csrc/; None if nothing."""
    path, _, function = word.partition(':')
    found = [f for folder in (support.ROOT, CSRC) for f in folder.glob(path.rstrip('/'))]
    if not found:
        return f'{path}: no such file'
    if function and not re.search(rf'^(\w.*\b)?{function}\(', found[0].read_text(), re.MULTILINE):
        return f'{path}: no {function}() there'
    return None


def problem_of_name(word):
    """The same of `name`, `name()`, `a.b`."""
    is_name = re.fullmatch(r'[\w.]+(\([\w, ]*\))?', word)
    unknown = set(re.findall(r'[A-Za-z_]\w+', word)) - identifiers() if is_name else None
    return f'{word}: nobody has {unknown}' if unknown else None


def problems_of(text, with_names):
    prose = re.sub(r'^```.*?^```$', '', text, flags=re.DOTALL | re.MULTILINE)
    for word in re.findall(r'`([^`\n]+)`', prose):
        if is_path(word) or (with_names and re.fullmatch(r'\w+\.([ch]|toml)', word)):
            yield problem_of_path(word)
        elif with_names:
            yield problem_of_name(word)


@pytest.mark.parametrize('path', DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_what_a_document_names_is_there(path):
    problems = list(problems_of(path.read_text(), path.name in ABOUT_SOURCES))
    assert not list(filter(None, problems))
    assert path.name not in ABOUT_SOURCES or len(problems) > 50


def test_what_is_not_there_is_found():
    text = '`core/ring.c` `ring.c` `core/loop_run.c:handle_run` `never_heard_of()` `net/tls_*.c`'
    assert list(filter(None, problems_of(text, True))) == [
        'core/ring.c: no such file',
        'ring.c: no such file',
        'core/loop_run.c: no handle_run() there',
        "never_heard_of(): nobody has {'never_heard_of'}",
    ]


@pytest.mark.skipif(support.STOCK_ONLY, reason='stock only')
@pytest.mark.skipif(not shutil.which('nm'), reason='nm is not here')
def test_only_the_init_function_is_exported():
    support.implementation('pyasync')
    core = sys.modules['pyasync._core'].__file__
    out = subprocess.run(['nm', '-D', '--defined-only', core], capture_output=True, text=True)
    names = {line.split()[-1] for line in out.stdout.splitlines() if line.strip()}
    # Sanitizers and profilers bring symbols of their own.
    names = {name for name in names if not re.match(r'__|_init$|_fini$|gcov|asan|ubsan', name)}
    assert names == {'PyInit__core'}
