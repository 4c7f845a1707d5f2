"""The poller contract, seen through the loop: random interests and readiness against a model."""

from __future__ import annotations

import os
import selectors
import socket

import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st

PIPES = 4

steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                'add_reader',
                'remove_reader',
                'add_writer',
                'remove_writer',
                'fill',
                'drain',
                'send',
                'receive',
                'poll',
            ]
        ),
        st.integers(0, PIPES - 1),
    ),
    max_size=40,
)


class World:
    """Socket pairs: the near ends are watched by the loop, the far ends are the other side."""

    def __init__(self, loop):
        self.loop = loop
        self.pairs = [socket.socketpair() for _ in range(PIPES)]
        for near, far in self.pairs:
            near.setblocking(False)
            far.setblocking(False)
        self.reading, self.writing = set(), set()
        self.readable, self.full = set(), set()
        self.seen = set()

    def close(self):
        for near, far in self.pairs:
            near.close()
            far.close()

    def do(self, verb, number):
        near, far = self.pairs[number]
        if verb == 'add_reader':
            self.loop.add_reader(near, self.seen.add, ('read', number))
            self.reading.add(number)
        elif verb == 'remove_reader':
            assert self.loop.remove_reader(near) is (number in self.reading)
            self.reading.discard(number)
        elif verb == 'add_writer':
            self.loop.add_writer(near, self.seen.add, ('write', number))
            self.writing.add(number)
        elif verb == 'remove_writer':
            assert self.loop.remove_writer(near) is (number in self.writing)
            self.writing.discard(number)
        elif verb == 'send':
            far.send(b'x')
            self.readable.add(number)
        elif verb == 'receive':
            self.empty(near)
            self.readable.discard(number)
        elif verb == 'fill':
            try:
                while True:
                    near.send(bytes(65536))
            except BlockingIOError:
                self.full.add(number)
        elif verb == 'drain':
            self.empty(far)
            self.full.discard(number)
        else:
            self.poll()

    @staticmethod
    def empty(sock):
        try:
            while sock.recv(1 << 20):
                pass
        except BlockingIOError:
            pass

    def poll(self):
        expected = {('read', number) for number in self.reading & self.readable}
        expected |= {('write', number) for number in self.writing - self.full}
        self.seen.clear()
        support.run_until(self.loop, lambda: expected <= self.seen)
        support.run_once(self.loop)
        assert self.seen == expected


@given(steps)
@settings(max_examples=60)
def test_model(steps):
    for impl in support.implementations():
        loop = impl.new_event_loop()
        world = World(loop)
        try:
            for verb, number in steps:
                world.do(verb, number)
            world.poll()
            for number in range(PIPES):
                world.do('remove_reader', number)
                world.do('remove_writer', number)
            world.poll()
        finally:
            loop.close()
            world.close()


@pytest.mark.pollers
class TestReadiness:
    def test_hang_up_wakes_reader_and_writer(self, loop):
        left, right = socket.socketpair()
        seen = set()
        loop.add_reader(left, seen.add, 'read')
        loop.add_writer(left, seen.add, 'write')
        right.close()
        support.run_until(loop, lambda: seen == {'read', 'write'})
        loop.remove_reader(left)
        loop.remove_writer(left)
        left.close()

    def test_terminal_and_devices(self, loop):
        try:
            controller, terminal = os.openpty()
        except OSError:
            pytest.skip('no pseudo-terminals here')
        seen = []
        loop.add_reader(terminal, lambda: seen.append(os.read(terminal, 100)))
        os.write(controller, b'line\n')
        support.run_until(loop, lambda: seen)
        assert seen[0] == b'line\n'
        loop.remove_reader(terminal)
        os.close(terminal)
        os.close(controller)

    def test_more_ready_than_one_poll_tells(self, loop):
        # Beyond any fixed array of events.
        pairs = [socket.socketpair() for _ in range(200)]
        seen = set()
        for number, (left, right) in enumerate(pairs):
            right.send(b'x')
            loop.add_reader(left, seen.add, number)
        support.run_until(loop, lambda: len(seen) == 200)
        for left, right in pairs:
            loop.remove_reader(left)
            left.close()
            right.close()

    def test_busy_fds_do_not_starve_others(self, loop):
        pairs = [socket.socketpair() for _ in range(150)]
        counts = [0] * len(pairs)

        def ready(number):
            counts[number] += 1

        for number, (left, _) in enumerate(pairs):
            loop.add_writer(left, ready, number)
        support.run_until(loop, lambda: min(counts) >= 2)
        for left, right in pairs:
            loop.remove_writer(left)
            left.close()
            right.close()

    @pytest.mark.ours
    def test_the_poller_asked_for_is_used(self, impl, loop):
        kinds = set()
        for fd in support.open_fds():
            try:
                kinds.add(os.readlink(f'/proc/self/fd/{fd}'))
            except OSError:
                pytest.skip('no /proc here')
        has_epoll = any('eventpoll' in kind for kind in kinds)
        assert has_epoll is (impl.name == 'pyasync')


@pytest.mark.ours
class TestChoice:
    def made(self, *args):
        loop = support.implementation('pyasync').EventLoop(*args)
        name = type(loop._selector).__name__
        loop.close()
        return name

    def test_a_selector(self):
        assert self.made(selectors.PollSelector()) == 'PollSelector'
        selector = selectors.EpollSelector()
        assert self.made(selector) == self.made() == 'EpollSelector'
        assert selector.get_map() is None  # closed

    def test_the_environment(self):
        with support.environment(PYASYNC_POLLER='poll'):
            assert self.made() == 'PollSelector'
            assert self.made(selectors.EpollSelector()) == 'EpollSelector'
        with support.environment(PYASYNC_POLLER=''):
            assert self.made() == 'EpollSelector'
        with (
            support.environment(PYASYNC_POLLER='select'),
            pytest.raises(ValueError, match='select'),
        ):
            self.made()
