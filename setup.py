"""Builds the extension pyasync._core from csrc/.

The environment variable PYASYNC_BUILD chooses the mode:
  release (default)  -O3, link-time optimisation where the compiler has it, hidden symbols
  nolto              release without link-time optimisation: less memory to build it, slower
  debug              -Og, assertions, live-object counts
  asan               debug with AddressSanitizer and UndefinedBehaviorSanitizer

PYASYNC_KQUEUE=1 builds the kqueue poller on Linux too, by libkqueue, to test it there.

Whatever is missing is found by small probes before the first source is compiled, and the message
says what to do; docs/installing.md lists them.
"""

import glob
import os
import platform
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor

import setuptools
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = runpy.run_path(os.path.join(HERE, 'pyasync', '_version.py'))['__version__']

WARNINGS = ['-Wall', '-Wextra', '-Wno-missing-field-initializers', '-Wno-cast-function-type']
LANGUAGE = ['-fvisibility=hidden', '-std=c11', '-D_GNU_SOURCE']
RELEASE = ['-O3', '-DNDEBUG']
CHECKED = ['-UNDEBUG', '-DPYASYNC_DEBUG', '-g', '-Og', '-fno-omit-frame-pointer']
SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']

MODES = {
    'release': (RELEASE, ['-O3']),
    'nolto': (RELEASE, ['-O3']),
    'debug': (CHECKED, []),
    'asan': (CHECKED + SANITIZERS, SANITIZERS),
}
LINK_TIME_OPTIMISATION = '-flto=auto'

PROBE = 'int probe(void);\nint probe(void) { return 0; }\n'
PROBE_C11 = '_Static_assert(_Generic(0, int: 1), "C11");\n' + PROBE
PROBE_PYTHON = '#include <Python.h>\n' + PROBE

GET_COMPILER = """\
  Debian, Ubuntu:  apt install gcc libc6-dev
  Fedora, RHEL:    dnf install gcc
  Alpine:          apk add gcc musl-dev linux-headers
or name another one in the environment variable CC (GCC 7 or Clang 7, or newer)."""

GET_HEADERS = """\
  Debian, Ubuntu:  apt install python{version}-dev
  Fedora, RHEL:    dnf install python{version}-devel (python3-devel for the system's own Python)
  Alpine:          apk add python3-dev
A Python of pyenv, uv, conda, or python.org's source has them already."""


def stop(message):
    """End the build with a message that stands out from what surrounds it."""
    sys.exit(f'\npyasync cannot be built here: {message}\n')


def check_version():
    if sys.version_info < (3, 11):  # noqa: UP036  (who runs setup.py without pip)
        stop(
            f'it needs Python 3.11 or newer, and this is {platform.python_version()} '
            f'({sys.executable}).\nMake a virtual environment of a newer Python: '
            'python3.13 -m venv .venv'
        )


def check_platform():
    running = platform.python_implementation()
    if running != 'CPython':
        stop(f'it extends CPython, and this is {running}.\nPrograms run there on asyncio itself.')
    if sys.platform != 'linux':
        stop(
            f'it needs Linux, and this is {sys.platform}.\nPrograms run here on asyncio itself; '
            "the marker sys_platform == 'linux' has a requirement left out here."
        )


def check_setuptools():
    if int(setuptools.__version__.split('.')[0]) < 77:
        stop(
            f'it needs setuptools 77 or newer, and this is {setuptools.__version__}.\n'
            'Without --no-build-isolation pip fetches one; with it: '
            "pip install -U 'setuptools>=77'"
        )


def check_folder():
    if not os.access(HERE, os.W_OK):
        stop(
            f'the build writes into its source folder, and {HERE} cannot be written.\n'
            'Build a copy: cp -r . /tmp/pyasync && pip install /tmp/pyasync'
        )


class Prober:
    """Compiles small sources with the compiler and flags of the build, out of sight."""

    def __init__(self, compiler, folder):
        self.compiler = compiler
        self.folder = folder
        self.output = ''

    def run(self, *command):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as exc:
            self.output = str(exc)
            return False
        self.output = done.stdout.decode(errors='replace').strip()
        return done.returncode == 0

    def compiles(self, text, *flags):
        source = os.path.join(self.folder, 'probe.c')
        with open(source, 'w') as file:
            file.write(text)
        self.object = os.path.join(self.folder, 'probe.o')
        return self.run(*self.compiler.compiler_so, *flags, '-c', source, '-o', self.object)

    def links(self, *flags):
        library = os.path.join(self.folder, 'probe.so')
        return self.run(*self.compiler.linker_so, self.object, *flags, '-o', library)

    def reason(self):
        """The last lines that the compiler said, indented."""
        lines = self.output.splitlines()[-8:] or ['(it said nothing)']
        return '\n'.join(f'    {line}' for line in lines)


def check_compiler(prober, include_dirs, flags):
    """Stop where the compiler or the headers are not what it takes."""
    name = prober.compiler.compiler_so[0]
    whence = (
        'the environment variable CC'
        if os.environ.get('CC')
        else 'the compiler that this Python was built with'
    )
    if shutil.which(name) is None:
        stop(f'there is no C compiler. {name!r} ({whence}) is not found. Get one:\n{GET_COMPILER}')
    if not prober.compiles(PROBE):
        stop(
            f'the C compiler {name!r} ({whence}) fails on an empty program:\n{prober.reason()}\n'
            f'Get a working one:\n{GET_COMPILER}'
        )
    if not prober.compiles(PROBE_C11, *LANGUAGE, *flags):
        stop(
            f'the C compiler {name!r} ({whence}) does not take C11, or a flag that it needs:\n'
            f'{prober.reason()}\nGet a newer one:\n{GET_COMPILER}'
        )
    headers = [f'-I{folder}' for folder in include_dirs]
    if not prober.compiles(PROBE_PYTHON, *LANGUAGE, *headers):
        version = sysconfig.get_python_version()
        stop(
            f"the headers of this Python ({sys.executable}) are missing or don't compile:\n"
            f'{prober.reason()}\nThey belong into {sysconfig.get_path("include")}. Get them:\n'
            f'{GET_HEADERS.format(version=version)}'
        )
    if not (prober.compiles(PROBE, *flags) and prober.links(*flags)):
        stop(
            f'the compiler works, but linking a shared library fails:\n{prober.reason()}\n'
            f'Get the linker and the C library:\n{GET_COMPILER}'
        )


def compile_in_parallel(compiler):
    """Have the compiler object compile its list of sources on all CPUs."""
    compile_some = compiler.compile

    def compile(sources, **options):
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = pool.map(lambda source: compile_some([source], **options), sources)
            return [path for paths in objects for path in paths]

    compiler.compile = compile


class build_core(build_ext):
    """build_ext with the questions asked first, and the answers in plain words."""

    def finalize_options(self):
        super().finalize_options()
        self.force = True  # what an earlier build left may be of another mode

    def run(self):
        check_platform()
        super().run()

    def build_extension(self, extension):
        with tempfile.TemporaryDirectory() as folder:
            prober = Prober(self.compiler, folder)
            include_dirs = [*self.compiler.include_dirs, *extension.include_dirs]
            check_compiler(prober, include_dirs, extension.extra_link_args)
            if mode == 'release':
                optimise = [LINK_TIME_OPTIMISATION]
                if prober.compiles(PROBE, *RELEASE, *optimise) and prober.links('-O3', *optimise):
                    extension.extra_compile_args += optimise
                    extension.extra_link_args += optimise
                else:
                    print(
                        f'pyasync: {shlex.join(self.compiler.compiler_so[:1])} has no '
                        f'{LINK_TIME_OPTIMISATION}: built without it, a little slower'
                    )
        compile_in_parallel(self.compiler)
        try:
            super().build_extension(extension)
        except Exception as exc:
            stop(
                f'{exc}.\nThe compiler says why above. If it was killed, memory ran out: '
                'PYASYNC_BUILD=nolto takes less.\nIf this Python '
                f'({platform.python_version()}) is newer than pyasync {VERSION} knows, take a '
                'newer pyasync or an older Python.'
            )


check_version()
check_setuptools()
check_folder()
mode = os.environ.get('PYASYNC_BUILD', 'release')
if mode not in MODES:
    sys.exit(f'PYASYNC_BUILD={mode!r}: choose one of {", ".join(MODES)}')
compile_args, link_args = map(list, MODES[mode])
compile_args.append(f'-DPYASYNC_VERSION="{VERSION}"')
if os.environ.get('PYASYNC_KQUEUE'):
    compile_args += ['-DPYASYNC_HAVE_KQUEUE', '-I/usr/include/kqueue']
    link_args.append('-lkqueue')

setup(
    cmdclass={'build_ext': build_core},
    ext_modules=[
        Extension(
            'pyasync._core',
            sources=sorted(glob.glob('csrc/**/*.c', recursive=True)),
            depends=['setup.py', 'pyasync/_version.py', *glob.glob('csrc/**/*.h', recursive=True)],
            include_dirs=['csrc'],
            extra_compile_args=WARNINGS + LANGUAGE + compile_args,
            extra_link_args=link_args,
        )
    ],
)
