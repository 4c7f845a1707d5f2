"""Child processes: who waits for them and who signals them. All the rest is asyncio's.

Where the kernel has process descriptors (pidfds), each child is watched by one, on every version:
no thread, no SIGCHLD handler. Signals go through it too, so they never reach a process that has
got the number of a child which was waited for already. A child watcher that somebody has set is
used as asyncio uses it.
"""

import asyncio
import functools
import os
import signal
from asyncio import events, unix_events
from asyncio.log import logger

from . import _stock

# Since 3.14 the child watcher is the loop's own; before, the policy's, and anybody may set it.
_POLICY_HAS_WATCHER = hasattr(events, 'get_child_watcher')
_ThreadedWatcher = getattr(unix_events, 'ThreadedChildWatcher', None) or (
    unix_events._ThreadedChildWatcher
)
# 3.11 takes a thread for each child, unless told otherwise.
_STOCK_CAN_USE_PIDFD = getattr(unix_events, 'can_use_pidfd', None)
_DefaultWatcher = (
    (getattr(unix_events, 'PidfdChildWatcher', None) or unix_events._PidfdChildWatcher)
    if _STOCK_CAN_USE_PIDFD
    else _ThreadedWatcher
)

_STATUS_IS_LOST = (
    'child process pid %d exit status already read:  will report returncode 255'
    if _STOCK_CAN_USE_PIDFD
    else 'Unknown child process pid %d, will report returncode 255'
)


class _UnixSubprocessTransport(unix_events._UnixSubprocessTransport):
    """As asyncio's, but that it watches its child itself and signals no other process."""

    _pidfd = None  # open while the child is watched by it
    _thread_watcher = None

    def watch(self):
        """Have the loop hear of the child's exit."""
        loop = self._loop
        try:
            self._pidfd = _open_pidfd(self._pid)
        except (ProcessLookupError, ChildProcessError):
            loop.call_soon(self._reap)  # gone: the kernel waits for it where SIGCHLD is ignored
        except OSError:
            # No descriptor left, or a filter of system calls since we looked: as without pidfds.
            self._thread_watcher = _ThreadedWatcher()
            self._thread_watcher.add_child_handler(self._pid, loop._child_watcher_callback, self)
        else:
            loop._add_reader(self._pidfd, self._reap)

    def _reap(self, options=0):
        """Take the exit status of the child, which has exited or options has os.WNOHANG."""
        try:
            pid, status = os.waitpid(self._pid, options)
        except ChildProcessError:
            returncode = self._proc.returncode  # where the Popen object has waited for it
            if returncode is None:
                returncode = 255
                logger.warning(_STATUS_IS_LOST, self._pid)
        else:
            if pid == 0:
                return  # it runs
            returncode = os.waitstatus_to_exitcode(status)
            if not _STOCK_CAN_USE_PIDFD and self._loop.get_debug():
                logger.debug('process %s exited with returncode %s', self._pid, returncode)
        # From here on the number may be another process's: nobody may signal it, Popen neither.
        self._proc.returncode = returncode
        if self._pidfd is not None:
            self._close_pidfd()
        if not self._loop.is_closed():
            self._loop._child_watcher_callback(self._pid, returncode, self)

    def _close_pidfd(self):
        pidfd, self._pidfd = self._pidfd, None
        self._loop._remove_reader(pidfd)
        os.close(pidfd)

    def send_signal(self, signal):
        # What has been waited for, by us or Popen, is not told of it: as asyncio since 3.14.
        self._check_proc()
        if self._returncode is not None or self._proc.returncode is not None:
            return
        try:
            if self._pidfd is not None:
                _pidfd_send_signal(self._pidfd, signal)
            else:
                self._check_child()
                os.kill(self._pid, signal)
        except (ProcessLookupError, ChildProcessError):
            pass

    def _check_child(self):
        """Raises ChildProcessError where somebody has waited for the child already."""
        if hasattr(os, 'waitid'):
            os.waitid(os.P_PID, self._pid, _LOOK)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def close(self):
        if self._closed:
            return
        if self._pidfd is not None:
            self._reap(os.WNOHANG)  # or asyncio's close() would, and the exit status be lost
        super().close()
        if self._pidfd is not None and self._loop.is_closed():
            self._close_pidfd()

    def __del__(self):
        super().__del__()
        if self._pidfd is not None:
            self._close_pidfd()


_pidfd_send_signal = getattr(signal, 'pidfd_send_signal', None)
_LOOK = getattr(os, 'WEXITED', 0) | os.WNOHANG | getattr(os, 'WNOWAIT', 0)


def _open_pidfd(pid):
    """The descriptor of a child; ProcessLookupError or ChildProcessError where pid is none."""
    pidfd = os.pidfd_open(pid)
    try:
        os.waitid(os.P_PIDFD, pidfd, _LOOK)
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


@functools.cache
def _has_pidfds():
    """Whether the kernel has pidfds, and no filter of system calls forbids them."""
    try:
        pidfd = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return False
    try:
        _pidfd_send_signal(pidfd, 0)
    except (TypeError, OSError):
        return False
    finally:
        os.close(pidfd)
    return True


def _has_default_watcher(loop):
    """Whether nobody has set a child watcher of another kind than asyncio's default one."""
    if not _POLICY_HAS_WATCHER:
        return type(loop._watcher) is _DefaultWatcher
    policy = events.get_event_loop_policy()
    if type(policy).get_child_watcher is not _stock.DefaultEventLoopPolicy.get_child_watcher:
        return False
    if policy._watcher is not None:
        return type(policy._watcher) is _DefaultWatcher
    # Somebody, as asyncio's tests, may have replaced the function that asyncio would ask now.
    can_use_pidfd = getattr(unix_events, 'can_use_pidfd', None)
    return can_use_pidfd is _STOCK_CAN_USE_PIDFD or can_use_pidfd()


async def _make_transport(
    loop, protocol, args, shell, stdin, stdout, stderr, bufsize, extra=None, **kwargs
):
    waiter = loop.create_future()
    transport = _UnixSubprocessTransport(
        loop,
        protocol,
        args,
        shell,
        stdin,
        stdout,
        stderr,
        bufsize,
        waiter=waiter,
        extra=extra,
        **kwargs,
    )
    transport.watch()
    try:
        await waiter
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        transport.close()
        await asyncio.shield(transport._wait())
        raise
    return transport


# asyncio's method, for a watcher that somebody has set.
_make_transport_with_watcher = _stock.rebound(
    asyncio.SelectorEventLoop._make_subprocess_transport,
    {**vars(unix_events), '_UnixSubprocessTransport': _UnixSubprocessTransport},
)


def make_transport(loop, *args, **kwargs):
    """As asyncio's loop._make_subprocess_transport(): the coroutine."""
    make = _make_transport_with_watcher
    if _has_default_watcher(loop) and _has_pidfds():
        make = _make_transport
    return make(loop, *args, **kwargs)
