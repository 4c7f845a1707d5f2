"""Subprocesses: exec and shell, pipes, signals, exits, many of them, and who else has children."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from asyncio import unix_events
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

import pytest
from net.support import Watched, iterations

pytestmark = [
    # 3.12 and 3.13 deprecate their child watchers.
    pytest.mark.filterwarnings('ignore::DeprecationWarning'),
    pytest.mark.usefixtures('child_watcher'),
]


class Output(Watched, asyncio.SubprocessProtocol):
    """What a SubprocessProtocol hears."""

    def __init__(self):
        super().__init__()
        self.data = {1: b'', 2: b''}

    def pipe_data_received(self, fd, data):
        self.data[fd] += data
        self.note('data')

    def pipe_connection_lost(self, fd, exc):
        self.note('pipe lost', fd)

    def process_exited(self):
        self.note('exited')


class TestRunning:
    async def test_exec(self, loop):
        process = await asyncio.create_subprocess_exec('echo', 'one', 'two words', stdout=PIPE)
        assert process.pid > 0
        assert await process.communicate() == (b'one two words\n', None)
        assert process.returncode == 0

    async def test_shell(self, loop):
        process = await asyncio.create_subprocess_shell('echo out; echo err >&2; exit 3', **BOTH)
        assert await process.communicate() == (b'out\n', b'err\n')
        assert process.returncode == 3

    @pytest.mark.parametrize('code', [0, 1, 7, 255])
    async def test_exit_status(self, loop, code):
        process = await asyncio.create_subprocess_shell(f'read x; exit {code}', stdin=PIPE)
        assert process.returncode is None
        process.stdin.close()
        assert await process.wait() == code
        assert process.returncode == code
        assert await process.wait() == code

    async def test_input(self, loop):
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
        assert await process.communicate(b'through') == (b'through', None)

    async def test_megabytes_through_cat(self, loop):
        payload = os.urandom(1 << 16) * 64
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(payload)
        assert out == payload

    async def test_streams(self, loop):
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
        for line in (b'one\n', b'two\n'):
            process.stdin.write(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        process.stdin.close()
        assert await process.stdout.read() == b''
        assert await process.wait() == 0

    async def test_stderr_to_stdout(self, loop):
        process = await asyncio.create_subprocess_shell(
            'echo out; echo err >&2', stdout=PIPE, stderr=STDOUT
        )
        assert await process.communicate() == (b'out\nerr\n', None)
        assert process.stderr is None

    async def test_devnull(self, loop):
        process = await asyncio.create_subprocess_exec(
            'cat', stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
        assert await process.communicate() == (b'', None)

    async def test_files(self, loop, tmp_path):
        with open(tmp_path / 'out', 'wb') as out:
            process = await asyncio.create_subprocess_exec('echo', 'x', stdout=out)
            await process.wait()
        assert (tmp_path / 'out').read_bytes() == b'x\n'

    async def test_cwd_and_env(self, loop, tmp_path):
        process = await asyncio.create_subprocess_shell(
            'pwd; echo $MINE', stdout=PIPE, cwd=tmp_path, env={'MINE': 'value'}
        )
        out, _ = await process.communicate()
        assert out.decode().split() == [os.path.realpath(tmp_path), 'value']

    async def test_pass_fds(self, loop):
        reader, writer = os.pipe()
        process = await asyncio.create_subprocess_shell(
            f'echo passed >/dev/fd/{writer}', pass_fds=[writer]
        )
        await process.wait()
        os.close(writer)
        assert os.read(reader, 100) == b'passed\n'
        os.close(reader)

    async def test_no_fds_leak_into_the_child(self, loop):
        process = await asyncio.create_subprocess_exec('ls', '/proc/self/fd', stdout=PIPE)
        out, _ = await process.communicate()
        # Its own three, and the directory that it reads.
        assert len(out.split()) == 4

    async def test_new_session(self, loop):
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, start_new_session=True)
        assert os.getsid(process.pid) == process.pid
        process.stdin.close()
        await process.wait()

    async def test_preexec_fn(self, loop):
        process = await asyncio.create_subprocess_exec(
            *('sh', '-c', 'umask'), stdout=PIPE, preexec_fn=lambda: os.umask(0o123)
        )
        assert (await process.communicate())[0].strip() == b'0123'

    async def test_stdin_closed_by_the_child(self, loop):
        """communicate() ignores the broken pipe; a write and drain() do not for ever succeed."""
        process = await asyncio.create_subprocess_exec('true', stdin=PIPE)
        assert await process.communicate(b'x' * 10_000_000) == (None, None)
        assert process.returncode == 0

    async def test_drain_of_a_broken_pipe(self, loop):
        process = await asyncio.create_subprocess_exec('true', stdin=PIPE)
        await process.wait()
        with pytest.raises((BrokenPipeError, ConnectionResetError)) as caught:
            for _ in range(10):
                process.stdin.write(b'x' * 100_000)
                await process.stdin.drain()
        caught.value.__traceback__ = None
        process.stdin.close()
        del caught


BOTH = {'stdout': PIPE, 'stderr': PIPE}


class TestRefused:
    @pytest.mark.parametrize('stdout', [None, PIPE])
    async def test_missing_program(self, loop, stdout):
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec('/nonesuch', stdin=PIPE, stdout=stdout)

    async def test_not_executable(self, loop, tmp_path):
        (tmp_path / 'file').touch()
        with pytest.raises(PermissionError):
            await asyncio.create_subprocess_exec(tmp_path / 'file')

    async def test_missing_directory(self, loop):
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec('true', cwd='/nonesuch')

    @pytest.mark.parametrize(
        'options',
        [{'universal_newlines': True}, {'shell': True}, {'bufsize': 1}, {'text': True}],
        ids=repr,
    )
    async def test_options(self, loop, options):
        with pytest.raises(ValueError):
            await loop.subprocess_exec(Output, 'true', **options)

    async def test_wrong_types(self, loop):
        with pytest.raises((TypeError, ValueError)):
            await loop.subprocess_exec(Output, 5)
        with pytest.raises(ValueError, match='cmd must be a string'):
            await loop.subprocess_shell(Output, 5)


class TestSignals:
    @pytest.mark.parametrize(
        ('how', 'arguments', 'number'),
        [
            ('kill', (), signal.SIGKILL),
            ('terminate', (), signal.SIGTERM),
            ('send_signal', (signal.SIGUSR1,), signal.SIGUSR1),
        ],
    )
    async def test_killed(self, loop, how, arguments, number):
        process = await asyncio.create_subprocess_exec('sleep', '60')
        assert getattr(process, how)(*arguments) is None
        assert await process.wait() == -number
        assert process.returncode == -number

    async def test_killed_by_others(self, loop):
        process = await asyncio.create_subprocess_exec('sleep', '60')
        os.kill(process.pid, signal.SIGTERM)
        assert await process.wait() == -signal.SIGTERM

    @pytest.mark.parametrize('how', ['kill', 'terminate'])
    async def test_after_the_exit(self, loop, how):
        process = await asyncio.create_subprocess_exec('true')
        await process.wait()
        # The transport is done a little later than the wait.
        await iterations(5)
        with pytest.raises(ProcessLookupError):
            getattr(process, how)()
        with pytest.raises(ProcessLookupError):
            process.send_signal(signal.SIGUSR1)


class TestWaiting:
    async def test_by_many(self, loop):
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE)
        waiters = [asyncio.create_task(process.wait()) for _ in range(10)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        process.stdin.close()
        assert await asyncio.gather(*waiters[1:]) == [0] * 9
        assert waiters[0].cancelled()

    async def test_timeout(self, loop):
        process = await asyncio.create_subprocess_exec('sleep', '60')
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 0.01)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    async def test_many_children(self, loop):
        async def one(number):
            process = await asyncio.create_subprocess_shell(
                f'cat; exit {number}', stdin=PIPE, stdout=PIPE
            )
            out, _ = await process.communicate(b'%d' % number)
            return out, process.returncode

        results = await asyncio.gather(*(one(number) for number in range(25)))
        assert results == [(b'%d' % number, number) for number in range(25)]

    async def test_grandchildren_keep_the_pipes_open(self, loop):
        """The child is gone and waited for while its pipe still is open."""
        code = 'import os, sys\nif os.fork() == 0: sys.stdin.read(); os.write(1, b"late")'
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, '-I', '-S', '-W', 'ignore', '-c', code), stdin=PIPE, stdout=PIPE
        )
        transport = process._transport
        while transport.get_returncode() is None:
            await asyncio.sleep(0.001)
        process.stdin.close()
        assert await process.stdout.read() == b'late'
        assert await process.wait() == 0


class TestTransport:
    async def test_protocol(self, loop):
        transport, protocol = await loop.subprocess_shell(
            Output, 'echo out; echo err >&2', stdin=None
        )
        await protocol.lost()
        assert protocol.data == {1: b'out\n', 2: b'err\n'}
        assert protocol.calls[0] == 'made'
        assert protocol.calls[-1] == 'lost'
        assert {('pipe lost', 1), ('pipe lost', 2), 'exited'} <= set(protocol.calls)
        assert transport.get_returncode() == 0
        transport.close()

    async def test_extra_info(self, loop):
        transport, protocol = await loop.subprocess_exec(Output, 'cat')
        assert isinstance(transport, asyncio.SubprocessTransport)
        assert isinstance(transport.get_extra_info('subprocess'), subprocess.Popen)
        assert transport.get_pid() == transport.get_extra_info('subprocess').pid
        assert transport.get_returncode() is None
        for fd in (0, 1, 2):
            pipe = transport.get_pipe_transport(fd)
            base = asyncio.WriteTransport if fd == 0 else asyncio.ReadTransport
            assert isinstance(pipe, base)
        assert transport.get_pipe_transport(3) is None
        assert f'pid={transport.get_pid()} running' in repr(transport)
        transport.get_pipe_transport(0).close()
        await protocol.lost()
        assert 'returncode=0' in repr(transport)
        transport.close()

    async def test_close_kills(self, loop):
        transport, protocol = await loop.subprocess_exec(Output, 'sleep', '60')
        assert transport.is_closing() is False
        transport.close()
        assert transport.is_closing() is True
        await protocol.lost()
        assert transport.get_returncode() == -signal.SIGKILL

    async def test_unclosed(self, loop):
        transport, protocol = await loop.subprocess_exec(Output, 'true')
        await protocol.lost()
        # An exit does not close it.
        protocol.transport = None
        for thread in threading.enumerate():
            if thread.name.startswith('waitpid-'):  # of 3.11's child watcher: it refers to it
                thread.join()
        with pytest.warns(ResourceWarning, match='unclosed transport'):
            del transport
            gc.collect()


class TestNeighbours:
    async def test_a_handler_of_sigchld(self, loop):
        """Stays in place, and runs."""
        called = []
        before = signal.signal(signal.SIGCHLD, lambda *args: called.append(args[0]))
        try:
            handler = signal.getsignal(signal.SIGCHLD)
            process = await asyncio.create_subprocess_exec('true')
            assert await process.wait() == 0
            assert signal.getsignal(signal.SIGCHLD) is handler
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert called == [signal.SIGCHLD]

    async def test_children_of_others(self, loop):
        """Nobody reaps what we did not start."""
        foreign = subprocess.Popen(['sh', '-c', 'exit 5'])
        process = await asyncio.create_subprocess_exec('true')
        assert await process.wait() == 0
        assert foreign.wait() == 5

    async def test_reaped_by_others(self, loop, caplog):
        """The status is lost, the wait is not."""
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE)
        popen = process._transport.get_extra_info('subprocess')
        os.kill(popen.pid, signal.SIGKILL)
        try:
            os.waitpid(popen.pid, 0)
        except ChildProcessError:
            # A watcher in a thread was faster.
            assert await process.wait() == -signal.SIGKILL
        else:
            assert await process.wait() in (255, -signal.SIGKILL)
        process.stdin.close()

    def test_in_the_loop_of_a_thread(self, impl, loop):
        results = []

        def run():
            other = impl.new_event_loop()

            async def main():
                process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
                results.append(await process.communicate(b'x'))
                results.append(process.returncode)

            other.run_until_complete(main())
            other.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert results == [(b'x', None), 0]


def fds():
    return sorted(os.listdir('/proc/self/fd'))


@pytest.fixture
def signalled(monkeypatch):
    """The processes that os.kill() was asked to signal."""
    pids = []
    monkeypatch.setattr(os, 'kill', lambda pid, number: pids.append(pid))
    return pids


@pytest.fixture(params=['pidfd', 'no pidfds', 'no descriptor'])
def pidfds(request, monkeypatch):
    """Processes are watched by pidfds, and as where there are none, or none any more."""
    from pyasync import _subprocess

    def refuse(*args):
        raise OSError(errno.EMFILE, 'none left')

    if request.param == 'no pidfds':
        monkeypatch.setattr(_subprocess, '_has_pidfds', lambda: False)
    elif request.param == 'no descriptor':
        monkeypatch.setattr(_subprocess, '_open_pidfd', refuse)
    return request.param


async def exiting(loop):
    """A child that is about to exit, with 3, and that the loop has not heard of yet."""
    transport, protocol = await loop.subprocess_shell(Output, 'read line; exit 3')
    os.write(transport.get_pipe_transport(0).get_extra_info('pipe').fileno(), b'\n')
    return transport, protocol


@pytest.mark.ours
class TestWatching:
    async def test_no_threads(self, loop):
        threads = threading.active_count()
        processes = [await asyncio.create_subprocess_exec('cat', stdin=PIPE) for _ in range(5)]
        assert threading.active_count() == threads
        for process in processes:
            process.stdin.close()
            await process.wait()

    async def test_every_way(self, loop, pidfds):
        process = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
        assert await process.communicate(b'x' * 200_000) == (b'x' * 200_000, None)
        assert process.returncode == 0
        process = await asyncio.create_subprocess_exec('sleep', '60')
        process.terminate()
        assert await process.wait() == -signal.SIGTERM
        process = await asyncio.create_subprocess_shell('exit 7')
        assert await process.wait() == 7

    async def test_no_descriptor_stays(self, loop):
        for last in (False, True):
            before = fds()
            process = await asyncio.create_subprocess_exec('true')
            await process.wait()
            with pytest.raises(FileNotFoundError):
                await asyncio.create_subprocess_exec('/nowhere')
            if last:
                assert fds() == before

    async def test_signals_after_the_exit(self, loop, signalled):
        """The grandchild keeps the pipe, so the transport stays, when the child was waited for."""
        process = await asyncio.create_subprocess_shell(
            'exec 3<&0; cat <&3 3<&- & exit 0', stdin=PIPE, stdout=PIPE
        )
        while process.returncode is None:
            await asyncio.sleep(0)
        for _ in range(2):
            process.kill()
            process.terminate()
            process.send_signal(signal.SIGUSR1)
        assert signalled == []
        process.stdin.close()
        await process.communicate()

    async def test_exit_status_of_what_is_killed_too_late(self, loop):
        """Stock reports 255 where Popen.poll() has taken the exit status (to 3.12)."""
        transport, protocol = await exiting(loop)
        os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)
        transport.kill()
        await protocol.lost()
        assert transport.get_returncode() == 3
        transport.close()

    async def test_exit_status_of_what_is_closed_too_late(self, loop, caplog):
        """Stock's close() takes the exit status, and then 255 is reported."""
        transport, protocol = await exiting(loop)
        os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)
        transport.close()
        await protocol.lost()
        assert transport.get_returncode() == 3
        assert protocol.count('exited') == 1
        assert not caplog.messages

    async def test_exit_status_that_popen_took(self, loop, caplog):
        transport, protocol = await exiting(loop)
        assert transport.get_extra_info('subprocess').wait() == 3
        await protocol.lost()
        assert transport.get_returncode() == 3
        assert not caplog.messages
        transport.close()

    async def test_waited_for_by_others(self, loop, caplog, signalled):
        transport, protocol = await exiting(loop)
        pid = transport.get_pid()
        os.waitpid(pid, 0)
        transport.kill()
        assert signalled == []
        await protocol.lost()
        assert transport.get_returncode() == 255
        assert f'child process pid {pid}' in caplog.text
        assert 'will report returncode 255' in caplog.text
        transport.close()

    async def test_sigchld_ignored(self, loop, caplog):
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            process = await asyncio.create_subprocess_exec('true')
            assert await process.wait() == 255
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert 'will report returncode 255' in caplog.text

    def test_loop_closed_first(self, impl):
        """The child is killed, its descriptor closed."""
        before = fds()
        loop = impl.new_event_loop()

        async def main():
            transport, _ = await loop.subprocess_exec(
                asyncio.SubprocessProtocol, 'sleep', '60', stdin=None, stdout=None, stderr=None
            )
            return transport

        transport = loop.run_until_complete(main())
        popen = transport.get_extra_info('subprocess')
        loop.close()
        with pytest.warns(ResourceWarning, match='unclosed transport'):
            del transport
            gc.collect()
        assert fds() == before
        assert popen.wait() == -signal.SIGKILL

    async def test_cancelled_while_it_is_made(self, loop):
        before = fds()
        task = loop.create_task(
            loop.subprocess_exec(Output, 'sleep', '60', stdin=PIPE, stdout=None, stderr=None)
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gc.collect()
        assert fds() == before

    async def test_class(self, loop):
        transport, protocol = await loop.subprocess_exec(Output, 'true')
        assert isinstance(transport, unix_events._UnixSubprocessTransport)
        assert repr(transport).startswith('<_UnixSubprocessTransport pid=')
        await protocol.lost()
        transport.close()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason='a thread for each child')
def test_loop_closed_before_the_exit(impl, caplog):
    """asyncio's thread waits for the child and logs, ours leaves it to the Popen object."""
    loop = impl.new_event_loop()
    asyncio.set_event_loop(loop)
    transport, _ = loop.run_until_complete(
        loop.subprocess_exec(
            asyncio.SubprocessProtocol, 'sleep', '60', stdin=None, stdout=None, stderr=None
        )
    )
    popen = transport.get_extra_info('subprocess')
    loop.close()
    os.kill(popen.pid, signal.SIGKILL)
    for thread in threading.enumerate():
        if thread.name.startswith('asyncio-waitpid'):
            thread.join()
    assert popen.wait() == (-signal.SIGKILL if impl.ours else 0)
    logged = f'that handles pid {popen.pid} is closed' in caplog.text
    assert logged is not impl.ours
    with pytest.warns(ResourceWarning, match='unclosed transport'):
        del transport
        gc.collect()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason='the last version with them is 3.13')
class TestSetWatcher:
    async def test_another_class(self, loop):
        """Who has set a watcher finds it used."""
        seen = []

        class Watcher(asyncio.ThreadedChildWatcher):
            def add_child_handler(self, pid, callback, *args):
                seen.append(pid)
                super().add_child_handler(pid, callback, *args)

        asyncio.set_child_watcher(Watcher())
        process = await asyncio.create_subprocess_shell('exit 4')
        assert await process.wait() == 4
        assert seen == [process.pid]

    async def test_not_active(self, loop):
        class Watcher(asyncio.ThreadedChildWatcher):
            def is_active(self):
                return False

        asyncio.set_child_watcher(Watcher())
        with pytest.raises(RuntimeError, match='not activated'):
            await asyncio.create_subprocess_exec('true')
