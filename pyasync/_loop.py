"""The Python half of the event loop: what happens once per loop or once per run.

``EventLoop`` puts the C type first and asyncio's own selector loop second: what is done for every
callback, timer or ready descriptor is C's, all the rest is inherited from the running version.
No selector, self-pipe or queue of the inherited class is ever made or used.
"""

import _asyncio
import asyncio
import collections.abc
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import weakref
from asyncio.selector_events import BaseSelectorEventLoop

from . import _core, _subprocess, _tls

POLLER_VARIABLE = 'PYASYNC_POLLER'


class _WatchedMap(collections.abc.Mapping):
    """What ``get_map()`` answers: {fd: SelectorKey} of what is watched when it is asked.

    Found by descriptor or file object; empty once the loop is closed.
    """

    def __init__(self, loop):
        self._loop = weakref.ref(loop)

    def _keys(self):
        loop = self._loop()
        watched = {} if loop is None or loop.is_closed() else loop._watched()
        return {
            fd: selectors.SelectorKey(fileobj, fd, events, (reader, writer))
            for fd, (events, reader, writer, fileobj) in watched.items()
        }

    def __len__(self):
        return len(self._keys())

    def __iter__(self):
        return iter(self._keys())

    def __getitem__(self, fileobj):
        keys = self._keys()
        try:
            return keys[selectors._fileobj_to_fd(fileobj)]
        except KeyError:
            raise KeyError(f'{fileobj!r} is not registered') from None
        except ValueError:  # it is closed: perhaps it is watched still
            for key in keys.values():
                if key.fileobj is fileobj:
                    return key
            raise

    # All at once: the mixin would ask for each.
    def values(self):
        return self._keys().values()

    def items(self):
        return self._keys().items()


class _PollerView:
    """What stands in for ``loop._selector``: shows what the C half watches, and closes it."""

    def __init__(self, loop):
        self._loop = weakref.ref(loop)

    def get_map(self):
        """What is watched, as selectors.BaseSelector.get_map: None once the loop is closed."""
        loop = self._loop()
        return None if loop is None or loop.is_closed() else _WatchedMap(loop)

    # The SelectorKey of a watched file object or descriptor. Raises KeyError where it is not
    # watched, RuntimeError where the loop is closed.
    get_key = selectors.BaseSelector.get_key

    def select(self, timeout=None):
        """[(SelectorKey, events)] of what is ready within timeout seconds (None: for ever).

        For who iterates the loop in Python; as selectors.BaseSelector.select.
        Raises RuntimeError where the loop is closed.
        """
        loop = self._loop()
        ready = loop._poll(timeout)
        watched = dict(self.get_map().items()) if ready else {}
        keys = [(watched.get(fd), events) for fd, events in ready]
        return [(key, events & key.events) for key, events in keys if key is not None]

    def close(self):
        """Close the poller of the C half."""
        loop = self._loop()
        if loop is not None:
            loop._close_poller()


class EpollSelector(_PollerView):
    """Named as asyncio's debug log names it."""


class KqueueSelector(_PollerView):
    """Named as asyncio's debug log names it."""


class PollSelector(_PollerView):
    """Named as asyncio's debug log names it."""


class _ReadyQueue(collections.abc.Sequence):
    """``loop._ready``: the callbacks that are ready, as collections.deque has them.

    For who iterates the loop in Python: what is put in runs, what is taken out does not, and a
    timer that is put in leaves ``loop._scheduled``.
    """

    def __init__(self, loop):
        self._loop = loop

    def _handles(self):
        return _core.Loop._ready.__get__(self._loop)

    def __repr__(self):
        return f'deque({self._handles()!r})'

    def __len__(self):
        return self._loop._count_ready()

    def __getitem__(self, index):
        return self._handles()[index]

    def __iter__(self):
        return iter(self._handles())

    def append(self, handle):
        self._loop._put_ready(handle)

    def appendleft(self, handle):
        self._loop._put_ready_first(handle)

    def extend(self, handles):
        for handle in list(handles):
            self.append(handle)

    def extendleft(self, handles):
        for handle in list(handles):
            self.appendleft(handle)

    def popleft(self):
        return self._loop._take_ready()

    def clear(self):
        while self:
            self.popleft()


class _TransportTable(weakref.WeakValueDictionary):
    """``loop._transports``: asyncio's own transports, and ours, which the C half knows by fd."""

    def __init__(self, loop):
        super().__init__()
        self._loop = weakref.ref(loop)

    def __getitem__(self, fd):
        transport = self._loop()._owner_of(fd)
        return super().__getitem__(fd) if transport is None else transport

    def get(self, fd, default=None):
        try:
            return self[fd]
        except KeyError:
            return default

    def __contains__(self, fd):
        return self.get(fd) is not None

    def __setitem__(self, fd, transport):
        loop = self._loop()
        if (
            isinstance(transport, _core._SelectorTransport)
            and transport._loop is loop
            and transport._sock_fd == fd
        ):
            loop._set_owner(fd, transport)
        else:
            super().__setitem__(fd, transport)

    def __delitem__(self, fd):
        if self._loop()._owner_of(fd) is None:
            super().__delitem__(fd)
        else:
            self._loop()._set_owner(fd, None)


_VIEWS = {'epoll': EpollSelector, 'kqueue': KqueueSelector, 'poll': PollSelector}


def _poller_for(selector):
    """The poller that a selector passed to the constructor, or the environment, asks for."""
    if isinstance(selector, selectors.PollSelector):
        return 'poll'
    return os.environ.get(POLLER_VARIABLE) if selector is None else None


_StockEventLoop = asyncio.SelectorEventLoop

# asyncio's own hooks: where somebody has replaced one of them in its class, it is called.
_MAKE_SOCKET_TRANSPORT = BaseSelectorEventLoop._make_socket_transport
_MAKE_DATAGRAM_TRANSPORT = BaseSelectorEventLoop._make_datagram_transport
_MAKE_SSL_TRANSPORT = BaseSelectorEventLoop._make_ssl_transport
_MAKE_READ_PIPE_TRANSPORT = _StockEventLoop._make_read_pipe_transport
_MAKE_WRITE_PIPE_TRANSPORT = _StockEventLoop._make_write_pipe_transport
_MAKE_SUBPROCESS_TRANSPORT = _StockEventLoop._make_subprocess_transport


class EventLoop(_core.NetLoop, asyncio.SelectorEventLoop):
    """EventLoop(selector=None): asyncio's selector event loop, with its core in C.

    A selectors.PollSelector makes it wait by poll(2); any other selector is closed and the
    platform's best poller taken. The environment variable PYASYNC_POLLER names one as well.

    Raises ValueError where the platform lacks the poller named. As asyncio.SelectorEventLoop.
    """

    # What asyncio's __init__ assigns. The loop has a __dict__ as well, but while that stays empty
    # the interpreter finds the loop's methods (call_soon, create_future...) in half the time.
    __slots__ = (
        '_asyncgens',
        '_asyncgens_shutdown_called',
        '_clock_resolution',
        '_coroutine_origin_tracking_enabled',
        '_coroutine_origin_tracking_saved_depth',
        '_csock',
        '_default_executor',
        '_exception_handler',
        '_executor_shutdown_called',
        '_internal_fds',
        '_old_agen_hooks',
        '_selector',
        '_signal_handlers',
        '_ssock',
        '_transports',
        '_unix_server_sockets',
        '_watcher',
        'slow_callback_duration',
    )

    def __init__(self, selector=None):
        if name := _poller_for(selector):
            try:
                self._use_poller(name)
            except ValueError:
                self._close_poller()  # so that __del__ finds nothing to close or to warn of
                raise
        if selector is not None:
            selector.close()
        # The wake-up socket pair that signal handlers need is made with the first of them.
        self._ssock = self._csock = None
        self._old_agen_hooks = None
        super().__init__(_VIEWS[self._poller](self))
        self._transports = _TransportTable(self)

    @property
    def _ready(self):
        return _ReadyQueue(self)

    @_ready.setter
    def _ready(self, queue):
        pass  # asyncio's __init__ assigns a queue of its own: it is not used

    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        if self._csock is not None:
            if self._signal_handlers and not sys.is_finalizing():
                # They are given back after this: the interpreter would complain of a signal that
                # comes in between and has a closed socket to be written to.
                with contextlib.suppress(ValueError):  # another thread, told so by close()
                    signal.set_wakeup_fd(-1)
            super()._close_self_pipe()

    def add_signal_handler(self, sig, callback, *args):
        if self._csock is None and not self.is_closed():
            super()._make_self_pipe()
        super().add_signal_handler(sig, callback, *args)

    # A socket of another type than Python's own has methods that C must not pass over: it gets
    # asyncio's transport.

    def _make_socket_transport(self, sock, protocol, waiter=None, **kwargs):
        if (
            type(sock) is not socket.socket
            or BaseSelectorEventLoop._make_socket_transport is not _MAKE_SOCKET_TRANSPORT
        ):
            return super()._make_socket_transport(sock, protocol, waiter, **kwargs)
        self._ensure_fd_no_transport(sock)
        return _core._SelectorSocketTransport(self, sock, protocol, waiter, **kwargs)

    def _make_datagram_transport(self, sock, protocol, *args, **kwargs):
        if (
            type(sock) is not socket.socket
            or BaseSelectorEventLoop._make_datagram_transport is not _MAKE_DATAGRAM_TRANSPORT
        ):
            return super()._make_datagram_transport(sock, protocol, *args, **kwargs)
        self._ensure_fd_no_transport(sock)
        return _core._SelectorDatagramTransport(self, sock, protocol, *args, **kwargs)

    def _make_ssl_transport(self, rawsock, *args, **kwargs):
        if (
            type(rawsock) is not socket.socket
            or BaseSelectorEventLoop._make_ssl_transport is not _MAKE_SSL_TRANSPORT
        ):
            return super()._make_ssl_transport(rawsock, *args, **kwargs)
        return _tls.make_transport(self, rawsock, *args, **kwargs)

    def _make_server_ssl_protocol(self, *args):
        return _tls.make_server_protocol(self, *args)

    start_tls = _tls.start_tls

    def _make_read_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        stock = _StockEventLoop._make_read_pipe_transport
        if stock is not _MAKE_READ_PIPE_TRANSPORT:
            return stock(self, pipe, protocol, waiter, extra)
        return _core._UnixReadPipeTransport(self, pipe, protocol, waiter, extra)

    def _make_write_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        stock = _StockEventLoop._make_write_pipe_transport
        if stock is not _MAKE_WRITE_PIPE_TRANSPORT:
            return stock(self, pipe, protocol, waiter, extra)
        return _core._UnixWritePipeTransport(self, pipe, protocol, waiter, extra)

    def _make_subprocess_transport(self, *args, **kwargs):
        make = _StockEventLoop._make_subprocess_transport
        if make is _MAKE_SUBPROCESS_TRANSPORT:
            make = _subprocess.make_transport
        return make(self, *args, **kwargs)

    def _start_serving(self, protocol_factory, sock, sslcontext=None, *args, **kwargs):
        if not self._accepts_in_c(sock, sslcontext):
            super()._start_serving(protocol_factory, sock, sslcontext, *args, **kwargs)
            return
        # From 3.15 on there is a context, the last of the arguments.
        args += tuple(kwargs.values())
        self._add_reader(
            sock.fileno(), self._accept_ready, protocol_factory, sock, sslcontext, *args
        )

    def _accepts_in_c(self, sock, sslcontext):
        if sslcontext is None:
            is_patched = (
                type(self)._make_socket_transport is not EventLoop._make_socket_transport
                or BaseSelectorEventLoop._make_socket_transport is not _MAKE_SOCKET_TRANSPORT
            )
        else:
            is_patched = (
                type(self)._make_ssl_transport is not EventLoop._make_ssl_transport
                or BaseSelectorEventLoop._make_ssl_transport is not _MAKE_SSL_TRANSPORT
            )
        return (
            type(sock) is socket.socket
            and not is_patched
            and type(self)._accept_connection is BaseSelectorEventLoop._accept_connection
            and type(self)._accept_connection2 is BaseSelectorEventLoop._accept_connection2
        )

    def run_forever(self):
        self._run_forever_setup()
        try:
            if self._runs_once_by_override():
                while True:
                    self._run_once()
                    if self._stopping:
                        break
            else:
                self._run_until_stopped()
        finally:
            self._run_forever_cleanup()

    def _runs_once_by_override(self):
        return _core.Loop._run_once.__get__(self) != self._run_once

    if not hasattr(asyncio.BaseEventLoop, '_run_forever_setup'):  # before 3.13

        def _run_forever_setup(self):
            self._check_closed()
            self._check_running()
            self._set_coroutine_origin_tracking(self._debug)
            self._old_agen_hooks = sys.get_asyncgen_hooks()
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook,
                finalizer=self._asyncgen_finalizer_hook,
            )
            asyncio._set_running_loop(self)

        def _run_forever_cleanup(self):
            self._stopping = False
            self._thread_id = None
            asyncio._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            if self._old_agen_hooks is not None:
                sys.set_asyncgen_hooks(*self._old_agen_hooks)
                self._old_agen_hooks = None


for _name in ('run_forever', 'add_signal_handler'):
    getattr(EventLoop, _name).__doc__ = getattr(asyncio.SelectorEventLoop, _name).__doc__
del _name


_core._adopt(EventLoop)


def _send_before_fork():
    """Send what transports hold back until the iteration ends: the child would send it, too."""
    loop = asyncio._get_running_loop()
    if isinstance(loop, _core.NetLoop):
        loop._send_held_back()


os.register_at_fork(before=_send_before_fork, after_in_child=_core._after_fork_in_child)


class _TaskSet(weakref.WeakSet):
    """asyncio's set of all tasks, which also yields ours: registering each would cost more than
    making it, so the C half links them and they are asked for when somebody looks."""

    def __iter__(self):
        yield from super().__iter__()
        yield from _core._tasks()

    def __len__(self):
        return super().__len__() + len(_core._tasks())

    def __contains__(self, task):
        return super().__contains__(task) or any(task is ours for ours in _core._tasks())


def _stock_task_sets():
    """Where the running version keeps them: by name to 3.13, held by C alone from 3.14 on.

    Not looked for in C before: 3.12 shows the collector the dead objects of its free lists, and
    whoever takes one frees it again.
    """
    if sys.version_info >= (3, 14):
        candidates = gc.get_referents(_asyncio)
    else:
        candidates = [
            getattr(asyncio.tasks, '_all_tasks', None),  # 3.11
            getattr(asyncio.tasks, '_scheduled_tasks', None),  # 3.12, 3.13
        ]
    return [found for found in candidates if isinstance(found, weakref.WeakSet)]


def _adopt_task_sets():
    found = _stock_task_sets()
    for tasks in found:
        tasks.__class__ = _TaskSet
    if not found and hasattr(asyncio.tasks, '_all_tasks'):
        # A further interpreter of 3.11 has the first one's set: the same tasks, and ours beside.
        own = _TaskSet()
        vars(own).update(vars(asyncio.tasks._all_tasks))
        asyncio.tasks._all_tasks = own


_adopt_task_sets()
