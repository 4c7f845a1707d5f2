"""Builds the extension pyasync._core from csrc/.

The environment variable PYASYNC_BUILD chooses the mode:
  release (default)  -O3, link-time optimisation, hidden symbols, no assertions
  debug              -Og, assertions, live-object counts
  asan               debug with AddressSanitizer and UndefinedBehaviorSanitizer

PYASYNC_KQUEUE=1 builds the kqueue poller on Linux too, by libkqueue, to test it there.
"""

import glob
import os
import sys

from setuptools import Extension, setup

WARNINGS = ['-Wall', '-Wextra', '-Wno-missing-field-initializers', '-Wno-cast-function-type']
VISIBILITY = ['-fvisibility=hidden', '-std=c11', '-D_GNU_SOURCE']
CHECKED = ['-UNDEBUG', '-DPYASYNC_DEBUG', '-g', '-Og', '-fno-omit-frame-pointer']
SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']

MODES = {
    'release': (['-O3', '-DNDEBUG', '-flto=auto'], ['-O3', '-flto=auto']),
    'debug': (CHECKED, []),
    'asan': (CHECKED + SANITIZERS, SANITIZERS),
}

mode = os.environ.get('PYASYNC_BUILD', 'release')
if mode not in MODES:
    sys.exit(f'PYASYNC_BUILD={mode!r}: choose one of {", ".join(MODES)}')
compile_args, link_args = MODES[mode]
if os.environ.get('PYASYNC_KQUEUE'):
    compile_args = [*compile_args, '-DPYASYNC_HAVE_KQUEUE', '-I/usr/include/kqueue']
    link_args = [*link_args, '-lkqueue']

setup(
    ext_modules=[
        Extension(
            'pyasync._core',
            sources=sorted(glob.glob('csrc/**/*.c', recursive=True)),
            depends=sorted(glob.glob('csrc/**/*.h', recursive=True)),
            include_dirs=['csrc'],
            extra_compile_args=WARNINGS + VISIBILITY + compile_args,
            extra_link_args=link_args,
        )
    ]
)
