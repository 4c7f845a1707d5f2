"""python -m pyasync: a program runs as the interpreter would run it, accelerated."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import zipfile

import pytest
import support

if support.STOCK_ONLY:
    pytest.skip('stock only', allow_module_level=True)

import pyasync

SHOW = """\
import sys
print(sys.argv, sys.path[0])
print(__name__, globals().get('__file__'), __package__, __spec__, __loader__, __builtins__)
print(sys.modules['__main__'].__dict__ is globals())
print(sorted(set(globals()) - {'__annotations__', '__cached__'}))
"""
FAIL = SHOW + 'def fail():\n    1 / 0\ntry:\n    fail()\nfinally:\n    undefined\n'
LOOP = """\
import asyncio
async def main():
    print(type(asyncio.get_running_loop()).__module__, end=' ')
asyncio.run(main())
"""
INTERRUPTED = """\
import asyncio, os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
async def main():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    finally:
        print('cleaned up')
asyncio.run(main())
"""
PROCESSES = """\
import multiprocessing, sys
def child(queue, word):
    queue.put((word, __name__, sys.argv))
if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue, 'word'))
    process.start()
    process.join()
    print(process.exitcode, queue.get())
"""
FAMILY = """\
import asyncio, multiprocessing, sys
async def kinds():
    return type(asyncio.get_running_loop()).__module__, asyncio.Queue.__module__
def descend(queue, generations):
    queue.put(asyncio.run(kinds()))
    if generations:
        context = multiprocessing.get_context(sys.argv[1])
        child = context.Process(target=descend, args=(queue, generations - 1))
        child.start()
        child.join()
if __name__ == '__main__':
    queue = multiprocessing.get_context(sys.argv[1]).SimpleQueue()
    descend(queue, 2)
    for generation in range(3):
        print(*queue.get())
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'show.py').write_text(SHOW)
    (tmp_path / 'fail.py').write_text(FAIL)
    (tmp_path / 'syntax.py').write_text('x = (\n')
    (tmp_path / 'exit.py').write_text('raise SystemExit(7)\n')
    (tmp_path / 'words.py').write_text('import sys\nsys.exit("words")\n')
    (tmp_path / 'interrupt.py').write_text('raise KeyboardInterrupt\n')
    (tmp_path / 'package').mkdir()
    (tmp_path / 'package/__init__.py').touch()
    (tmp_path / 'package/__main__.py').write_text(FAIL)
    (tmp_path / 'link.py').symlink_to('package/__main__.py')
    with zipfile.ZipFile(tmp_path / 'zipped', 'w') as file:
        file.writestr('__main__.py', SHOW)
    return tmp_path


def python(folder, *arguments, stdin=''):
    """(status, stdout, stderr) of the interpreter, addresses left out."""
    env = support.script_environment()
    del env['PYTHONSAFEPATH']
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
    )
    return done.returncode, *(re.sub('0x[0-9a-f]+', '0x', s) for s in (done.stdout, done.stderr))


COMMANDS = {
    'script': ['show.py', 'a', '-b', '--help'],
    'traceback': ['fail.py'],
    'syntax error': ['syntax.py'],
    'exit status': ['exit.py'],
    'exit with words': ['words.py'],
    'interrupt': ['interrupt.py'],
    'symbolic link': ['link.py'],
    'folder': ['package', 'a'],
    'zip file': ['zipped', 'a'],
    'no such file': ['nothing.py', 'a'],
    'module': ['-m', 'show', 'a', '-c'],
    'package': ['-m', 'package', 'a'],
    'no such module': ['-m', 'nothing'],
    'code': ['-c', SHOW, 'a', '-m', '-'],
    'code of the wrong syntax': ['-c', 'x = ('],
    'safe path': ['-P', 'show.py'],
    'isolated folder': ['-P', 'package'],
}


@pytest.mark.parametrize('command', COMMANDS.values(), ids=COMMANDS)
def test_same_as_the_interpreter(folder, command):
    options = [word for word in command if word == '-P']
    program = command[len(options) :]
    expected = python(folder, *command)
    assert python(folder, *options, '-m', 'pyasync', *program) == expected


@pytest.mark.parametrize('program', [[], ['-'], ['-', 'a', '-m']])
@pytest.mark.parametrize('text', [FAIL, 'x = ('])
def test_program_on_standard_input(folder, program, text):
    expected = python(folder, *program, stdin=text)
    assert python(folder, '-m', 'pyasync', *program, stdin=text) == expected


NAMES = 'import asyncio; print(asyncio.Task.__module__, type(asyncio.new_event_loop()).__module__)'


def test_names_of_asyncio_are_ours_unless_only_the_loop_is_wanted(folder):
    accelerated = (0, 'pyasync._core pyasync._loop\n', '')
    assert python(folder, '-m', 'pyasync', '-c', NAMES) == accelerated
    loop_only = (0, '_asyncio pyasync._loop\n', '')
    assert python(folder, '-m', 'pyasync', '--loop-only', '-c', NAMES) == loop_only


def test_program_may_have_an_option_of_that_name(folder):
    command = ['show.py', '--loop-only']
    assert python(folder, '-m', 'pyasync', *command) == python(folder, *command)


def test_each_way_in_has_our_loop(folder):
    (folder / 'loop.py').write_text(LOOP)
    expected = (0, 'pyasync._loop ', '')
    assert python(folder, '-W', 'error', '-m', 'pyasync', 'loop.py') == expected
    assert python(folder, '-W', 'error', '-m', 'pyasync', '-m', 'loop') == expected
    assert python(folder, '-W', 'error', '-m', 'pyasync', '-c', LOOP) == expected
    assert python(folder, '-W', 'error', '-m', 'pyasync', '-', stdin=LOOP) == expected


def test_objects_of_the_program_can_be_pickled(folder):
    code = 'import pickle\nclass A: pass\nassert type(pickle.loads(pickle.dumps(A()))) is A'
    assert python(folder, '-m', 'pyasync', '-c', code) == (0, '', '')


def test_signal_ends_the_program_as_under_the_interpreter(folder):
    """The status is that of a death by SIGINT, which a shell loop needs to stop as well."""
    (folder / 'interrupted.py').write_text(INTERRUPTED)
    status, out, err = python(folder, '-m', 'pyasync', 'interrupted.py')
    assert (status, out) == (-signal.SIGINT, 'cleaned up\n')
    assert err.endswith('\nKeyboardInterrupt\n')


@pytest.mark.parametrize('method', ['spawn', 'forkserver', 'fork'])
@pytest.mark.parametrize(
    'program', [['processes.py'], ['-m', 'processes']], ids=['script', 'module']
)
def test_processes_of_multiprocessing_find_the_program(folder, program, method):
    (folder / 'processes.py').write_text(PROCESSES)
    expected = python(folder, *program, method)
    assert (expected[0], expected[2]) == (0, '')
    assert python(folder, '-m', 'pyasync', *program, method) == expected


@pytest.mark.parametrize('method', ['spawn', 'forkserver', 'fork'])
@pytest.mark.parametrize('option', [[], ['--loop-only']], ids=['accelerated', 'loop only'])
def test_processes_of_multiprocessing_run_on_ours(folder, option, method):
    """Children and grandchildren, as the command line asked for."""
    (folder / 'family.py').write_text(FAMILY)
    module = 'asyncio.queues' if option else 'pyasync.queues'
    expected = (0, f'pyasync._loop {module}\n' * 3, '')
    assert python(folder, '-m', 'pyasync', *option, 'family.py', method) == expected


@pytest.mark.parametrize('first', ['', 'import multiprocessing.spawn\n'], ids=['late', 'early'])
def test_children_follow_whenever_multiprocessing_is_imported(folder, first):
    (folder / 'sitecustomize.py').write_text(first)
    (folder / 'family.py').write_text(FAMILY)
    with support.environment(PYTHONPATH=str(folder)):
        status, out, err = python(folder, '-m', 'pyasync', 'family.py', 'spawn')
    assert (status, out, err) == (0, out.splitlines(True)[0] * 3, '')
    assert out.startswith('pyasync._loop ')


def test_multiprocessing_is_imported_by_the_program_alone(folder):
    code = "import sys; print([n for n in sys.modules if n.startswith('multiprocessing')])"
    assert python(folder, '-m', 'pyasync', '-c', code) == (0, '[]\n', '')


def test_excepthook_of_the_program_sees_its_own_frames(folder):
    code = 'import sys\nsys.excepthook = lambda *a: print(a[0].__name__, a[2].tb_lineno)\n1/0'
    assert python(folder, '-m', 'pyasync', '-c', code) == (1, 'ZeroDivisionError 3\n', '')


@pytest.mark.parametrize('option', ['-h', '--help'])
def test_help(folder, option):
    status, out, err = python(folder, '-m', 'pyasync', option)
    assert (status, err) == (0, '')
    assert out.startswith('usage: python -m pyasync ')


@pytest.mark.parametrize('option', ['-V', '--version'])
def test_version(folder, option):
    expected = (0, f'pyasync {pyasync.__version__}\n', '')
    assert python(folder, '-m', 'pyasync', option) == expected


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['-x', 'show.py'], 'unknown option -x'),
        (['--unknown'], 'unknown option --unknown'),
        (['--loop-only', '--unknown'], 'unknown option --unknown'),
        (['-c'], 'argument expected for the -c option'),
        (['-m'], 'argument expected for the -m option'),
    ],
)
def test_usage_error(folder, arguments, reason):
    status, out, err = python(folder, '-m', 'pyasync', *arguments)
    assert (status, out) == (2, '')
    assert err.startswith(f'python -m pyasync: {reason}\nusage: ')


def test_prompt_with_top_level_await(folder):
    """On a terminal and without a program: asyncio's prompt."""
    controller, terminal = pty.openpty()
    env = dict(support.script_environment(), PYTHON_BASIC_REPL='1', TERM='dumb')
    output = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
    command = [sys.executable, '-m', 'pyasync']
    with subprocess.Popen(command, cwd=folder, env=env, stdin=terminal, **output) as child:
        os.close(terminal)
        os.write(controller, b'await asyncio.sleep(0, type(asyncio.get_running_loop()))\n')
        os.write(controller, b'exit()\n')
        out, _ = child.communicate()
    os.close(controller)
    assert b"<class 'pyasync._loop.EventLoop'>" in out
    assert b'asyncio REPL' in out
