"""IPython's and Jupyter's top-level await: in IPython's shell and in a kernel, with our loops."""

from __future__ import annotations

import subprocess
import sys

import support
from compat.support import check_equal, needs, results_of

FIRST = {
    'stock': 'import asyncio',
    'install': 'import pyasync; pyasync.install(); import asyncio',
    'namespace': 'import pyasync as asyncio; asyncio.install()',
    'accelerate': 'import pyasync; pyasync.install(accelerate=True); import asyncio',
}

# What is typed, cell by cell.
CELLS = [
    'await asyncio.sleep(0, "slept")',
    'await asyncio.gather(*(asyncio.sleep(0, n) for n in range(5)))',
    'task = asyncio.ensure_future(asyncio.sleep(0.001, "done")); task.done()',
    'await task, task.done()',
    'async with asyncio.timeout(0.001):\n    await asyncio.sleep(60)',
    'async def agen():\n    for n in range(3):\n        yield n\n'
    'async for n in agen():\n    print(n)',
    '[n async for n in agen()]',
    'queue = asyncio.Queue()\nasync with asyncio.TaskGroup() as group:\n'
    '    group.create_task(queue.put(1)); print(await queue.get())',
    'raise ValueError("of the cell")',
    'await asyncio.to_thread(pow, 2, 10)',
    'process = await asyncio.create_subprocess_exec("echo", "child", stdout=-1)\n'
    'print((await process.communicate())[0])',
    'async def echo(reader, writer):\n    writer.write(await reader.readline())\n'
    '    writer.close()\n'
    'server = await asyncio.start_server(echo, "127.0.0.1", 0)\n'
    'reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())\n'
    'writer.write(b"line\\n"); print(await reader.read()); writer.close(); server.close()',
    'same = asyncio.get_running_loop() is globals().setdefault("loop", asyncio.get_running_loop())'
    '; same',
]

SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic('colors', 'nocolor')
shell.run_line_magic('xmode', 'Minimal')
shell.user_ns['asyncio'] = asyncio

async def kind():
    return type(asyncio.get_running_loop()).__module__

for cell in CELLS:
    answer = shell.run_cell(cell)
    print(repr(answer.result), repr(answer.error_in_exec))
shell.user_ns['kind'] = kind
assert shell.run_cell('found = await kind()').success
assert shell.user_ns['found'] == LOOP, shell.user_ns['found']
shell.run_line_magic('autoawait', 'False')
print(shell.run_cell('await kind()').error_before_exec is not None)
"""

KERNEL = """
import queue
import sys
from jupyter_client.manager import KernelManager

manager = KernelManager(kernel_name='python3')
manager.kernel_spec.argv[:] = [sys.executable, '-Xfrozen_modules=off', '-c', LAUNCH,
                               '-f', '{connection_file}']
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)

def run(code):
    seen = []

    def on_output(message):
        kind, content = message['msg_type'], message['content']
        if kind == 'stream':
            seen.append((content['name'], content['text']))
        elif kind == 'execute_result':
            seen.append(content['data']['text/plain'])
        elif kind == 'error':
            seen.append((content['ename'], content['evalue']))

    reply = client.execute_interactive(code, timeout=60, output_hook=on_output)
    # What is printed in parts may come in parts.
    texts = ''.join(text for name, text in filter(lambda e: isinstance(e, tuple), seen)
                    if name == 'stdout')
    return (reply['content']['status'], texts,
            [entry for entry in seen if entry[0] != 'stdout'])

try:
    for cell in CELLS:
        print(run(cell))
    kind = run('async def kind(): return type(asyncio.get_running_loop()).__module__\\n'
               'await kind()')
    assert LOOP in repr(kind), kind
    print(run('import nest_asyncio2; nest_asyncio2.apply()\\n'
              'asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 1))'))
    print(run('import os, signal; os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)'))
    print(run('await asyncio.sleep(0, "after the interrupt")'))
finally:
    client.stop_channels()
    manager.shutdown_kernel()
"""
LAUNCH = """
{}
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
app.initialize()
app.shell.user_ns['asyncio'] = asyncio
app.start()
"""


def start(first, loop, code, folder):
    source = f'CELLS = {CELLS!r}\nLOOP = {loop!r}\nLAUNCH = {LAUNCH.format(first)!r}\n'
    source += f'{first}\n{code}'
    environment = support.script_environment()
    environment |= {'IPYTHONDIR': str(folder), 'JUPYTER_PLATFORM_DIRS': '1', 'NO_COLOR': '1'}
    return subprocess.Popen(
        [sys.executable, '-X', 'faulthandler', '-c', source],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(code, folder):
    loops = dict.fromkeys(FIRST, 'pyasync._loop') | {'stock': 'asyncio.unix_events'}
    programs = {way: start(first, loops[way], code, folder) for way, first in FIRST.items()}
    results = results_of(programs)
    assert results['stock'][0] == 0, results['stock'][2]
    check_equal(results)


@needs('IPython')
def test_ipython_shell(tmp_path):
    check(SHELL, tmp_path)


@needs('ipykernel', 'jupyter_client', 'nest_asyncio2')
def test_jupyter_kernel(tmp_path):
    check(KERNEL, tmp_path)
