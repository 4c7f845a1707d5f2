"""Imports the C half, or says why that cannot be and what to do.

An ImportError of the package is met by people who have done something else wrong: its message
names that, and docs/installing.md has the long version.
"""

import importlib
import importlib.machinery
import pathlib
import sys

from ._version import __version__

_FOLDER = pathlib.Path(__file__).parent
_ROOT = _FOLDER.parent
_IS_SOURCE = (_ROOT / 'csrc').is_dir()
_PIP = f'{sys.executable} -m pip install'
_AGAIN = f'{_PIP} -e {_ROOT}' if _IS_SOURCE else f'{_PIP} --force-reinstall SOURCE-TREE-OR-WHEEL'


def _error(reason, advice, path=None):
    return ImportError(f'{reason}\n{advice}', name=f'{__package__}._core', path=path)


def _missing():
    """No file here is the C half of this interpreter."""
    if others := sorted(_FOLDER.glob('_core*.so')):
        wanted = '_core' + importlib.machinery.EXTENSION_SUFFIXES[0]
        return _error(
            f'{others[0]} is for another interpreter: this one loads {wanted}.',
            f'Build pyasync for this one: {_AGAIN}',
        )
    if _IS_SOURCE:
        return _error(
            f'{_ROOT} is the source tree of pyasync, and nothing is built in it.',
            f'Leave that folder to import the pyasync that is installed ({_PIP} {_ROOT}), '
            f'or build it in place: {_AGAIN}',
        )
    return _error(f'{_FOLDER} has no _core*.so any more.', f'Install pyasync again: {_AGAIN}')


def _unfit(core):
    """An error where the C half is here and may not be used, else None."""
    if core.__version__ not in (__version__, 'unknown'):
        return _error(
            f'{_FOLDER} is pyasync {__version__}, but {core.__file__} is left over from '
            f'{core.__version__}.',
            f'Build or install pyasync again: {_AGAIN}',
            core.__file__,
        )
    if not getattr(sys, '_is_gil_enabled', lambda: True)():
        return _error(
            'pyasync needs the GIL, and PYTHON_GIL=0 or -X gil=0 keeps it off.',
            'Leave that away: a free-threaded Python turns the GIL on when pyasync is imported.',
            core.__file__,
        )
    return None


def _import_core():
    try:
        core = importlib.import_module('._core', __package__)
    except ModuleNotFoundError as exc:
        if exc.name != f'{__package__}._core':
            raise
        return _missing()
    except ImportError as exc:
        if exc.path is None:  # it was loaded: what it says itself is the reason
            raise
        return _error(
            f'the C half of pyasync cannot be loaded: {exc}.',
            f'It was built for another machine, C library or Python. Build it here: {_AGAIN}',
            exc.path,
        )
    return _unfit(core)


if _failure := _import_core():
    raise _failure
