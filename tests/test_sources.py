"""The house rules that the C sources can be asked about: layers, who knows what, exports."""

from __future__ import annotations

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
