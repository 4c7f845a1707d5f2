"""Child processes."""

import asyncio
import os
import signal
import subprocess
import sys

from harness.probe import Group

high = Group('Subprocesses: create_subprocess_*() and Process', 'tests/net/test_subprocess.py')
low = Group('Subprocesses: transports and protocols', 'tests/net/test_subprocess.py')
PIPE = subprocess.PIPE


@high(
    'asyncio.create_subprocess_exec()',
    covers=(
        'Process.communicate()',
        'asyncio.create_subprocess_exec(stdin=)',
        'asyncio.create_subprocess_exec(stdout=)',
        'asyncio.create_subprocess_exec(stderr=)',
        'Process.communicate(input=)',
    ),
)
async def create_exec(t):
    process = await t.aio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE, stderr=PIPE)
    t.tell(await process.communicate(b'data'), process.returncode)
    process = await t.aio.create_subprocess_exec('echo', 'out', stdout=PIPE)
    t.tell(await process.communicate(input=None))
    with t.raised():
        await t.aio.create_subprocess_exec('no-such-program-here')


@high(
    'asyncio.create_subprocess_shell()',
    covers=(
        'asyncio.create_subprocess_shell(stdin=)',
        'asyncio.create_subprocess_shell(stdout=)',
        'asyncio.create_subprocess_shell(stderr=)',
    ),
)
async def create_shell(t):
    process = await t.aio.create_subprocess_shell(
        'read line; echo "$line"; echo err >&2; exit 3', stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    t.tell(await process.communicate(b'line\n'), process.returncode)
    with t.raised():
        await t.aio.create_subprocess_shell(5)


@high('asyncio.create_subprocess_exec(limit=)', covers=('asyncio.create_subprocess_shell(limit=)',))
async def limit(t):
    process = await t.aio.create_subprocess_exec('echo', 'x' * 100, stdout=PIPE, limit=10)
    with t.raised():
        await process.stdout.readline()
    await process.communicate()


@high('keyword arguments of Popen: env, cwd, start_new_session, pass_fds, close_fds')
async def popen_arguments(t):
    read, write = os.pipe()
    process = await t.aio.create_subprocess_exec(
        'sh',
        '-c',
        f'pwd; echo $VAR; echo inherited >&{write}',
        stdout=PIPE,
        env={'VAR': 'value', 'PATH': os.environ['PATH']},
        cwd='/',
        start_new_session=True,
        pass_fds=[write],
    )
    os.close(write)
    t.tell(await process.communicate(), os.read(read, 20))
    os.close(read)
    for bad in (
        {'text': True},
        {'universal_newlines': True},
        {'bufsize': 5},
        {'encoding': 'x'},
        {'shell': True},
    ):
        with t.raised():
            await t.aio.create_subprocess_exec('true', **bad)


@high('preexec_fn, umask, process_group')
async def popen_preexec(t):
    process = await t.aio.create_subprocess_exec(
        'sh',
        '-c',
        'echo $VAR; umask',
        stdout=PIPE,
        umask=0o77,
        process_group=0,
        preexec_fn=lambda: os.environ.__setitem__('VAR', 'unseen'),
    )
    t.tell(await process.communicate())


@high('Process.wait()', covers=('Process.returncode',))
async def wait(t):
    process = await t.aio.create_subprocess_shell('exit 7')
    t.tell(await process.wait(), process.returncode, await process.wait())
    process = await t.aio.create_subprocess_shell('kill -9 $$')
    t.tell(await process.wait())


@high('Process.send_signal()')
async def send_signal(t):
    process = await t.aio.create_subprocess_exec('sleep', '100')
    process.send_signal(signal.SIGUSR1)
    t.tell(await process.wait())
    with t.raised():
        process.send_signal(signal.SIGUSR1)


@high('Process.terminate()')
async def terminate(t):
    process = await t.aio.create_subprocess_exec('sleep', '100')
    process.terminate()
    t.tell(await process.wait())
    with t.raised():
        process.terminate()


@high('Process.kill()')
async def kill(t):
    process = await t.aio.create_subprocess_exec('sleep', '100')
    process.kill()
    t.tell(await process.wait())
    with t.raised():
        process.kill()


@high('Process: stdin, stdout, stderr, pid')
async def attributes(t):
    process = await t.aio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
    t.tell(type(process.stdin).__name__, type(process.stdout).__name__, process.stderr)
    t.tell(process.pid > 0, process.returncode, process)
    process.stdin.write(b'line\n')
    await process.stdin.drain()
    t.tell(await process.stdout.readline())
    process.stdin.close()
    await process.stdin.wait_closed()
    t.tell(await process.stdout.read(), await process.wait(), process)


@high('stdin that nobody reads: communicate() and drain()')
async def broken_stdin(t):
    process = await t.aio.create_subprocess_exec('true', stdin=PIPE)
    t.tell(await process.communicate(bytes(1_000_000)))


@high('DEVNULL, STDOUT, and a file as stdout')
async def redirections(t):
    process = await t.aio.create_subprocess_shell(
        'echo out; echo err >&2', stdout=PIPE, stderr=t.aio.subprocess.STDOUT
    )
    t.tell(await process.communicate())
    process = await t.aio.create_subprocess_exec('cat', stdin=t.aio.subprocess.DEVNULL, stdout=PIPE)
    t.tell(await process.communicate())
    with open(os.devnull, 'wb') as null:
        process = await t.aio.create_subprocess_exec('echo', stdout=null)
        t.tell(await process.wait(), process.stdout)


@high('communicate() that is cancelled')
async def communicate_cancelled(t):
    process = await t.aio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
    task = asyncio.create_task(process.communicate())
    waiting = asyncio.create_task(process.stdout.read())
    await asyncio.sleep(0)
    waiting.cancel()
    process.kill()
    await asyncio.wait([task, waiting])
    t.tell(await process.wait())


@high('many children at once')
async def many(t):
    async def one(i):
        process = await t.aio.create_subprocess_shell(f'exit {i}')
        return await process.wait()

    t.tell(await asyncio.gather(*map(one, range(5))))


@high('a child in a loop that runs in another thread')
def in_thread(t):
    import threading

    async def main():
        process = await asyncio.create_subprocess_exec('echo', 'out', stdout=PIPE)
        return await process.communicate()

    def run():
        with t.raised():
            t.tell(t.run(main()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


class Recorder(asyncio.SubprocessProtocol):
    """Tells what happens to the child."""

    def __init__(self, t):
        self.t = t
        self.told = []
        self.ended = t.loop.create_future()
        self.data = {}

    def connection_made(self, transport):
        self.transport = transport

    def pipe_data_received(self, fd, data):
        self.data[fd] = self.data.get(fd, b'') + data

    def pipe_connection_lost(self, fd, exc):
        self.told.append(('pipe lost', fd, repr(exc)))

    def process_exited(self):
        self.told.append(('exited',))

    def connection_lost(self, exc):
        self.ended.set_result(repr(exc))


async def recorded(t, protocol):
    t.tell(await protocol.ended, sorted(protocol.told), protocol.data)


@low(
    'loop.subprocess_exec()',
    covers=(
        'loop.subprocess_exec(stdin=)',
        'loop.subprocess_exec(stdout=)',
        'loop.subprocess_exec(stderr=)',
        'SubprocessProtocol.pipe_data_received()',
        'SubprocessProtocol.pipe_connection_lost()',
        'SubprocessProtocol.process_exited()',
    ),
)
async def subprocess_exec(t):
    transport, protocol = await t.loop.subprocess_exec(
        lambda: Recorder(t),
        'sh',
        '-c',
        'echo out; echo err >&2; exit 5',
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    await recorded(t, protocol)
    t.tell(transport.get_returncode())
    with t.raised():
        await t.loop.subprocess_exec(lambda: Recorder(t), 5)


@low('loop.subprocess_exec(universal_newlines=, shell=, bufsize=, encoding=, errors=, text=)')
async def exec_refused(t):
    for name, value in (
        ('universal_newlines', True),
        ('shell', True),
        ('bufsize', 5),
        ('encoding', 'utf-8'),
        ('errors', 'strict'),
        ('text', True),
    ):
        with t.raised():
            await t.loop.subprocess_exec(lambda: Recorder(t), 'true', **{name: value})


@low(
    'loop.subprocess_shell()',
    covers=(
        'loop.subprocess_shell(stdin=)',
        'loop.subprocess_shell(stdout=)',
        'loop.subprocess_shell(stderr=)',
    ),
)
async def subprocess_shell(t):
    transport, protocol = await t.loop.subprocess_shell(lambda: Recorder(t), 'cat; exit 2')
    stdin = transport.get_pipe_transport(0)
    stdin.write(b'data')
    stdin.close()
    await recorded(t, protocol)
    transport.close()


@low('loop.subprocess_shell(universal_newlines=, shell=, bufsize=, encoding=, errors=, text=)')
async def shell_refused(t):
    for name, value in (
        ('universal_newlines', True),
        ('shell', False),
        ('bufsize', 5),
        ('encoding', 'utf-8'),
        ('errors', 'strict'),
        ('text', True),
    ):
        with t.raised():
            await t.loop.subprocess_shell(lambda: Recorder(t), 'true', **{name: value})


@low(
    'SubprocessTransport.get_pid()',
    covers=('SubprocessTransport.get_returncode()', 'SubprocessTransport.get_pipe_transport()'),
)
async def methods(t):
    transport, protocol = await t.loop.subprocess_exec(lambda: Recorder(t), 'cat', stderr=None)
    t.tell(transport.get_pid() > 0, transport.get_returncode())
    stdin = transport.get_pipe_transport(0)
    t.tell(isinstance(stdin, asyncio.WriteTransport), transport.get_pipe_transport(2))
    t.tell(type(transport.get_extra_info('subprocess')).__name__, transport.get_extra_info('x'))
    t.tell(isinstance(transport, asyncio.SubprocessTransport), transport.get_protocol() is protocol)
    t.tell(transport.is_closing(), transport.close(), transport.is_closing())
    await protocol.ended
    t.tell(transport.get_returncode())


@low(
    'SubprocessTransport.send_signal()',
    covers=('SubprocessTransport.terminate()', 'SubprocessTransport.kill()'),
)
async def signals(t):
    for name, *arguments in (('send_signal', signal.SIGUSR1), ('terminate',), ('kill',)):
        transport, protocol = await t.loop.subprocess_exec(lambda: Recorder(t), 'sleep', '100')
        getattr(transport, name)(*arguments)
        await recorded(t, protocol)
        t.tell(transport.get_returncode())
        with t.raised():
            getattr(transport, name)(*arguments)
        transport.close()


@low('close() kills a child that runs')
async def close(t):
    transport, protocol = await t.loop.subprocess_exec(lambda: Recorder(t), 'sleep', '100')
    transport.close()
    await recorded(t, protocol)


@low('repr of a subprocess transport')
async def transport_repr(t):
    transport, protocol = await t.loop.subprocess_exec(
        lambda: Recorder(t), 'sleep', '100', stdin=None, stdout=None, stderr=None
    )
    t.tell(transport)
    transport.kill()
    await protocol.ended
    t.tell(transport)
    transport.close()


@low('a child that still runs when its loop ends', since=(3, 12))
def left_running(t):
    async def main():
        t.process = await asyncio.create_subprocess_exec(
            sys.executable, '-c', 'input()', stdin=PIPE
        )

    import gc

    t.run(main())
    del t.process
    gc.collect()
