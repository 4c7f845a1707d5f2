"""Runs an unchanged program, accelerated by pyasync, as the interpreter would run it.

Nothing of this file is left where the program could see it: ``__main__`` is a module of its own,
sys.argv and sys.path are the program's, and a traceback begins at its first line.
"""

import builtins
import io
import os
import pkgutil
import runpy
import sys
import textwrap
import types
from importlib.machinery import BuiltinImporter, SourceFileLoader

import pyasync

from . import _children

USAGE = """\
usage: python -m pyasync [--loop-only] [-c code | -m module | script | -] [argument ...]
"""

HELP = f"""\
{USAGE}
Run an unchanged program with pyasync's event loop, tasks, locks, queues, streams... as asyncio's.

  -c code        the program is the code given
  -m module      the program is a module
  script         the program is a file, a folder or a zip file with a __main__.py
  -              the program is read from standard input (the default, if not a terminal)
  --loop-only    replace the event loop alone; the names in asyncio stay asyncio's own
  -h, --help     show this and exit
  -V, --version  show the version and exit

Without a program: asyncio's prompt, with top-level await, accelerated in the same way.
"""


def main(arguments):
    """Run what the arguments ask for; returns the exit status where the program sets none."""
    accelerate = arguments[:1] != ['--loop-only']
    if not accelerate:
        arguments = arguments[1:]
    match arguments:
        case ['-h' | '--help', *_]:
            print(HELP, end='')
        case ['-V' | '--version', *_]:
            print(f'pyasync {pyasync.__version__}')
        case ['-c' | '-m' as option]:
            return refuse(f'argument expected for the {option} option')
        case ['-c', code, *rest]:
            run(run_code, code, rest, accelerate)
        case ['-m', module, *rest]:
            run(run_module, module, rest, accelerate)
        case [] | ['-', *_] if sys.stdin is not None and sys.stdin.isatty():
            run(run_module, 'asyncio', [], accelerate)
        case []:
            run(run_stdin, '', [], accelerate)
        case ['-', *rest]:
            run(run_stdin, '-', rest, accelerate)
        case [option, *_] if option.startswith('-'):
            return refuse(f'unknown option {option}')
        case [path, *rest]:
            run(run_path, path, rest, accelerate)
    return 0


def refuse(reason):
    print(f'python -m pyasync: {reason}\n{USAGE}', end='', file=sys.stderr)
    return 2


def run(kind, program, arguments, accelerate):
    """Run a program in a fresh __main__; what it raises is left to the interpreter."""
    sys.modules['__main__'] = module = types.ModuleType('__main__')
    module.__builtins__ = builtins
    module.__loader__ = BuiltinImporter
    pyasync.install(accelerate=accelerate)
    _children.follow(accelerate)
    try:
        kind(program, arguments, vars(module))
    except SystemExit:
        raise
    except BaseException as exc:
        hide_our_frames(exc)
        raise


def hide_our_frames(exc):
    """Have the interpreter, which is about to report exc, begin its traceback below this file."""
    report = sys.excepthook
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next

    def excepthook(kind, exc, _):
        sys.excepthook = report
        report(kind, exc.with_traceback(traceback), traceback)

    sys.excepthook = excepthook


def run_code(code, arguments, namespace):
    sys.argv[:] = ['-c', *arguments]
    set_first_path('')
    if sys.version_info >= (3, 14):  # as the interpreter does from then on
        code = textwrap.dedent(code)
    exec(compile(code, '<string>', 'exec', dont_inherit=True), namespace)


def run_stdin(name, arguments, namespace):
    sys.argv[:] = [name, *arguments]
    set_first_path('')
    namespace['__file__'] = '<stdin>'
    code = sys.stdin.buffer.read() if sys.stdin is not None else b''
    exec(compile(code, '<stdin>', 'exec', dont_inherit=True), namespace)


def run_module(name, arguments, _):
    sys.argv[:] = ['-m', *arguments]
    runpy._run_module_as_main(name)


def run_path(path, arguments, namespace):
    sys.argv[:] = [path, *arguments]
    if pkgutil.get_importer(path) is not None:  # a folder or a zip file
        set_first_path(os.path.abspath(path), always=True)
        runpy._run_module_as_main('__main__', alter_argv=False)
        return
    set_first_path(os.path.dirname(os.path.realpath(path)))
    path = os.path.abspath(path)
    namespace.update(__file__=path, __loader__=SourceFileLoader('__main__', path))
    exec(code_of(path), namespace)


def code_of(path):
    try:
        file = io.open_code(path)
    except OSError as exc:
        reason = f"can't open file {path!r}: [Errno {exc.errno}] {exc.strerror}"
        print(f'{sys.orig_argv[0]}: {reason}', file=sys.stderr)
        sys.exit(2)
    with file:
        code = pkgutil.read_code(file)
        if code is None:  # not a .pyc
            file.seek(0)
            code = compile(file.read(), path, 'exec', dont_inherit=True)
    return code


def set_first_path(path, always=False):
    """Put path where the interpreter has put the current folder for us."""
    if not sys.flags.safe_path:
        sys.path[0] = path
    elif always:
        sys.path.insert(0, path)


if __name__ == '__main__':
    if status := main(sys.argv[1:]):
        sys.exit(status)
