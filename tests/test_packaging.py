"""The packages: what is in them, and what is said where one cannot be built or imported."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync
from pyasync import _core

SETUP = support.ROOT / 'setup.py'
PACKAGE = support.ROOT / 'pyasync'
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
JUNK = shutil.ignore_patterns(
    '__pycache__', '.*_cache', '.git', '.hypothesis', 'build', 'dist', '*.egg-info', '*.so', '.venv'
)
TOP = (  # what the project has in its root; the rest there is somebody's own
    *('.ci', '.github', 'benchmarks', 'csrc', 'docs', 'examples', 'pyasync', 'tests'),
    *('.clang-format', '.editorconfig', '.gitignore', 'CHANGES.md', 'CONTRIBUTING.md', 'LICENSE'),
    *('MANIFEST.in', 'README.md', 'pyproject.toml', 'setup.py'),
)


def setuptools_is_new_enough():
    if importlib.util.find_spec('setuptools') is None:
        return False
    return int(importlib.metadata.version('setuptools').split('.')[0]) >= 77


needs_sources = pytest.mark.skipif(not SETUP.is_file(), reason='the source tree is not here')
needs_setuptools = pytest.mark.skipif(
    not setuptools_is_new_enough(), reason='setuptools 77 or newer is not installed'
)
needs_compiler = pytest.mark.skipif(not shutil.which('cc'), reason='there is no C compiler')


@pytest.fixture
def tree(tmp_path):
    """A copy of the source tree, in which nothing is built."""
    root = tmp_path / 'tree'
    root.mkdir()
    for name in TOP:
        path = support.ROOT / name
        if path.is_dir():
            shutil.copytree(path, root / name, ignore=JUNK)
        else:
            shutil.copy(path, root)
    return root


def run(*command, cwd, **environ):
    """(exit status, what was printed) of the interpreter with arguments."""
    inherited = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**inherited, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_one_version():
    text = (support.ROOT / 'pyasync' / '_version.py').read_text()
    assert f"'{pyasync.__version__}'" in text
    assert _core.__version__ in (pyasync.__version__, 'unknown')  # 'unknown': built by hand


# ---- the source distribution and the wheel ----


@needs_sources
@needs_setuptools
@pytest.mark.skipif(not importlib.util.find_spec('build'), reason='build is not installed')
def test_the_source_distribution_is_the_whole_project(tree):
    expected = {str(path.relative_to(tree)) for path in tree.rglob('*') if path.is_file()}
    for junk in ('csrc/ring.o', 'pyasync/_core.so', 'tests/__pycache__/a.pyc', 'docs/a~'):
        (tree / junk).parent.mkdir(exist_ok=True)
        (tree / junk).write_text('')
    (tree / '.venv').mkdir()
    (tree / '.venv' / 'pyvenv.cfg').write_text('')
    status, output = run('-m', 'build', '--sdist', '--no-isolation', '.', cwd=tree)
    assert status == 0, output
    (archive,) = (tree / 'dist').iterdir()
    assert archive.name == f'pyasync-{pyasync.__version__}.tar.gz'
    with tarfile.open(archive) as file:
        names = {member.name.split('/', 1)[1] for member in file if member.isfile()}
    made = {name for name in names if name.startswith('pyasync.egg-info/')}
    assert names - made - {'PKG-INFO', 'setup.cfg'} == expected


def test_the_wheel_is_the_package_and_nothing_else():
    try:
        files = importlib.metadata.distribution('pyasync').files
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('pyasync is not installed as a distribution')
    names = {str(file) for file in files if '__pycache__' not in file.parts}
    inside = {name for name in names if name.startswith('pyasync/')}
    if 'pyasync/__init__.py' not in inside:
        pytest.skip('pyasync is installed in place')
    sources = {f'pyasync/{path.name}' for path in PACKAGE.glob('*.py*') if path.is_file()}
    assert inside == {*sources, 'pyasync/py.typed', f'pyasync/_core{SUFFIX}'}
    (info,) = {name.split('/')[0] for name in names - inside}
    assert info == f'pyasync-{pyasync.__version__}.dist-info'
    assert f'{info}/licenses/LICENSE' in names


# ---- what is said where it cannot be built ----


def build_core(tree, **environ):
    """What the build says after 'pyasync cannot be built here: '."""
    status, output = run('setup.py', 'build_ext', cwd=tree, **environ)
    assert status == 1, output
    assert 'Traceback' not in output
    return output.split('pyasync cannot be built here: ')[1]


@pytest.fixture
def compiler(tmp_path):
    """Makes a program that fails as a compiler where a condition of the shell holds."""

    def make(condition, message):
        path = tmp_path / 'compiler'
        path.write_text(
            f'#!/bin/sh\nfor a; do if {condition}; then echo "{message}"; exit 1; fi; done\n'
            'exec cc "$@"\n'
        )
        path.chmod(0o755)
        return str(path)

    return make


@needs_sources
@needs_setuptools
class TestBuild:
    def test_no_compiler(self, tree):
        said = build_core(tree, CC='no-such-compiler')
        assert said.startswith("there is no C compiler. 'no-such-compiler' (the environment variab")
        assert 'apt install gcc' in said

    def test_a_compiler_that_fails(self, tree):
        said = build_core(tree, CC='false')
        assert said.startswith("the C compiler 'false' (the environment variable CC) fails on an")

    @needs_compiler
    def test_an_old_compiler(self, tree, compiler):
        said = build_core(tree, CC=compiler('[ "$a" = -std=c11 ]', 'what is C11?'))
        assert ' does not take C11' in said
        assert '    what is C11?' in said

    @needs_compiler
    def test_no_headers(self, tree, compiler):
        condition = '[ "$a" = -c ] && grep -q Python.h "$(echo "$@" | grep -o "[^ ]*probe.c")"'
        said = build_core(tree, CC=compiler(condition, 'Python.h: No such file'))
        version = f'{sys.version_info[0]}.{sys.version_info[1]}'
        assert '    Python.h: No such file' in said
        assert f'apt install python{version}-dev' in said

    @needs_compiler
    def test_no_linker(self, tree, compiler):
        said = build_core(tree, CC=compiler('[ "$a" = -shared ]', 'cannot find -lc'))
        assert said.startswith('the compiler works, but linking a shared library fails:')

    @needs_compiler
    def test_no_link_time_optimisation(self, tree, compiler):
        # It goes on without; a source that does not compile ends it here.
        (tree / 'csrc' / 'base' / 'ring.c').write_text('#error "enough"\n')
        lto = compiler('[ "$a" = -flto=auto ]', 'what is LTO?')
        status, output = run('setup.py', 'build_ext', cwd=tree, CC=lto)
        assert status == 1
        assert f'pyasync: {lto} has no -flto=auto: built without it' in output
        assert 'PYASYNC_BUILD=nolto takes less' in output

    def test_another_implementation_and_platform(self, tree):
        fake = "import platform, runpy, sys, sysconfig, setuptools.command.build_ext\n{}\n" + (
            "sys.argv[:] = ['setup.py', 'build_ext']; runpy.run_path('setup.py')"
        )
        _, output = run('-c', fake.format("sys.platform = 'sunos5'"), cwd=tree)
        assert 'it needs Linux, and this is sunos5.' in output
        lie = "platform.python_implementation = lambda: 'PyPy'"
        _, output = run('-c', fake.format(lie), cwd=tree)
        assert 'it extends CPython, and this is PyPy.' in output

    def test_old_setuptools(self, tree):
        lie = "import runpy, setuptools; setuptools.__version__ = '65.5.0'; "
        _, output = run('-c', f"{lie} runpy.run_path('setup.py')", cwd=tree)
        assert 'it needs setuptools 77 or newer, and this is 65.5.0' in output

    def test_a_folder_that_cannot_be_written(self, tree):
        lie = "import os, runpy; os.access = lambda *_: False; runpy.run_path('setup.py')"
        _, output = run('-c', lie, cwd=tree)
        assert f'{tree} cannot be written' in output


# ---- what is said where it cannot be imported ----


@pytest.fixture
def package(tmp_path):
    """A copy of the package without its C half."""
    folder = tmp_path / 'pyasync'
    shutil.copytree(PACKAGE if PACKAGE.is_dir() else support.ROOT, folder, ignore=JUNK)
    return folder


def import_package(package, *options, **environ):
    """What the ImportError says."""
    status, output = run(*options, '-c', 'import pyasync', cwd=package.parent, **environ)
    assert status == 1, output
    assert 'During handling' not in output
    return re.search(r'^ImportError: (.*)', output, re.DOTALL | re.MULTILINE)[1]


class TestImport:
    def test_the_source_tree(self, package):
        (package.parent / 'csrc').mkdir()
        said = import_package(package)
        assert said.startswith(f'{package.parent} is the source tree of pyasync, and nothing is bu')
        assert f'-m pip install -e {package.parent}' in said

    def test_a_file_lost(self, package):
        assert import_package(package).startswith(f'{package} has no _core*.so any more.')

    def test_built_for_another_interpreter(self, package):
        other = package / '_core.cpython-310-x86_64-linux-gnu.so'
        other.write_text('')
        said = import_package(package)
        assert said.startswith(f'{other} is for another interpreter: this one loads _core{SUFFIX}.')

    def test_a_file_that_is_no_library(self, package):
        (package / f'_core{SUFFIX}').write_text('built on another machine')
        assert import_package(package).startswith('the C half of pyasync cannot be loaded: ')

    def test_left_over_from_another_version(self, package):
        if _core.__version__ == 'unknown':
            pytest.skip('this build has no version')
        shutil.copy(_core.__file__, package)
        (package / '_version.py').write_text("__version__ = '999'\n")
        said = import_package(package)
        assert said.startswith(f'{package} is pyasync 999, but {package}/_core')
        assert f'is left over from {pyasync.__version__}.' in said

    @pytest.mark.skipif(
        not hasattr(sys, '_is_gil_enabled') or 'free-threading' not in sys.version,
        reason='not a free-threaded build',
    )
    def test_a_gil_kept_off(self, package):
        shutil.copy(_core.__file__, package)
        said = import_package(package, '-X', 'gil=0')
        assert said.startswith('pyasync needs the GIL, and PYTHON_GIL=0 or -X gil=0 keeps it off.')
