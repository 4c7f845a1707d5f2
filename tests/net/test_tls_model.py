"""The same things done to a TLS connection on stock asyncio and on ours: the same is to be seen.

What is done is drawn: what the peer sends, what the application does to its transport, and what its
protocol does from within a callback. After each step both loops run until they come to rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest
import support
from net.support import BufferedRecorder, Recorder, iterations, stream_pair
from net.tls_support import VERSIONS, client_context, opening, peer_of, server_context

hypothesis = pytest.importorskip('hypothesis')
st = hypothesis.strategies


# Iterations with nothing to see: a loop with work at hand may ask its poller less often.
REST = 24


class Expected(Exception):
    """What our protocols raise."""


class Acting:
    """A protocol that does something within a callback, once: `reactions` says what in which."""

    reactions: dict

    def react(self, name):
        action = self.reactions.pop(name, None)
        if action == 'raise':
            raise Expected(name)
        if action is not None:
            do(self.transport, action)

    below = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self.below = transport._ssl_protocol._transport
        self.react('made')

    def eof_received(self):
        result = super().eof_received()
        self.react('eof')
        return result

    def pause_writing(self):
        super().pause_writing()
        self.react('pause')

    def resume_writing(self):
        super().resume_writing()
        self.react('resume')

    def connection_lost(self, exc):
        super().connection_lost(told(exc))
        self.react('lost')


class ActingProtocol(Acting, Recorder):
    def data_received(self, data):
        super().data_received(data)
        self.note('size', len(data))
        self.react('data')


class ActingBuffered(Acting, BufferedRecorder):
    def get_buffer(self, sizehint):
        self.note('hint', sizehint)
        self.react('buffer')
        return self.buffer

    def buffer_updated(self, nbytes):
        super().buffer_updated(nbytes)
        self.note('size', nbytes)
        self.react('data')


def told(exc):
    """An exception as text, so that nothing is kept alive."""
    return None if exc is None else f'{type(exc).__name__}: {exc}'


def do(transport, action):
    name, *arguments = action
    getattr(transport, name)(*arguments)


SIZES = st.sampled_from([0, 1, 10, 100, 16384, 16385, 40_000, 200_000])
DATA = SIZES.map(bytes)

ACTIONS = st.one_of(
    st.tuples(st.just('write'), DATA),
    st.tuples(st.just('writelines'), st.lists(DATA, max_size=3)),
    st.sampled_from([('pause_reading',), ('resume_reading',), ('close',), ('abort',)]),
    st.tuples(st.just('set_write_buffer_limits'), st.sampled_from([None, 0, 1000, 100_000])),
    st.tuples(st.just('set_read_buffer_limits'), st.sampled_from([None, 0, 1000])),
)
FROM_PEER = st.one_of(
    st.tuples(st.just('send'), SIZES),
    st.tuples(st.just('send in part'), st.integers(1, 40)),
    st.sampled_from(
        [('rest',), ('say end',), ('half close',), ('vanish',), ('garbage',), ('read',)]
    ),
)
STEPS = st.lists(
    st.one_of(st.tuples(st.just('do'), ACTIONS), st.tuples(st.just('peer'), FROM_PEER)), max_size=8
)
REACTIONS = st.dictionaries(
    st.sampled_from(['made', 'data', 'eof', 'pause', 'resume', 'lost', 'buffer']),
    st.one_of(ACTIONS, st.just('raise')),
    max_size=2,
)


class Play:
    """One connection, and what was seen of it."""

    def __init__(self, protocol, side, version):
        self.protocol = protocol
        self.side = side
        self.version = version
        self.seen = []
        self.reports = []
        self.unsent = b''
        self.received = 0
        self.peers_end = None

    async def run(self, steps):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda loop, context: self.reports.append(
                (context['message'].partition('(')[0], told(context.get('exception')))
            )
        )
        left, right = stream_pair('unix')
        ours, theirs = client_context(version=self.version), server_context(version=self.version)
        if self.side == 'server':
            ours, theirs = theirs, ours
        with right:
            making = asyncio.ensure_future(opening(self.protocol, self.side, left, ours))
            self.peer = peer_of(self.side, right, theirs)
            await self.handshake(making)
            await self.rest()
            if making.done() and not making.exception():
                for step in steps:
                    await self.step(*step)
                self.protocol.reactions.clear()
                self.protocol.transport.abort()
            else:
                making.cancel()
                self.note('not made', making.done() and told(making.exception()))
            await self.rest()
            self.note('at last')
            # After a second close() an abort() does nothing.
            if self.protocol.below is not None and not self.protocol.below.is_closing():
                self.protocol.below.abort()
                await self.rest()
        left.close()
        return self.seen

    async def handshake(self, making):
        for _ in range(20):
            try:
                self.peer.object.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except OSError as error:
                self.note('peer', told(error))
                return
            else:
                await self.send()
                return
            await self.send()
            await iterations(REST)
            self.feed()

    async def rest(self):
        """Run until nothing was seen for some iterations."""
        quiet = 0
        while quiet < REST:
            before = len(self.protocol.calls), len(self.reports)
            await iterations(1)
            after = len(self.protocol.calls), len(self.reports)
            quiet = quiet + 1 if after == before else 0

    async def step(self, who, action):
        if who == 'do':
            try:
                do(self.protocol.transport, action)
            except Exception as error:
                self.note('raised', told(error))
        elif self.peer.sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                await self.by_peer(*action)
        await self.rest()
        self.look(who, action)

    async def by_peer(self, name, size=0):
        sock = self.peer.sock
        if name == 'send':
            self.peer.object.write(bytes(size))
            await self.send()
        elif name == 'send in part':
            self.peer.object.write(b'0123456789')
            data = self.unsent + self.peer.outgoing.read()
            sock.send(data[:size])
            self.unsent = data[size:]
        elif name == 'rest':
            await self.send()
        elif name == 'say end':
            with contextlib.suppress(ssl.SSLError):
                self.peer.object.unwrap()
            await self.send()
        elif name == 'half close':
            sock.shutdown(1)
        elif name == 'vanish':
            self.peer.vanish()
        elif name == 'garbage':
            await self.send(b'garbage' * 10)
        elif name == 'read':
            self.feed()

    async def send(self, more=b''):
        """So much as the connection takes; the other side reads meanwhile."""
        data, self.unsent = self.unsent + self.peer.outgoing.read() + more, b''
        for _ in range(40):
            if not data:
                return
            try:
                data = data[self.peer.sock.send(data) :]
            except BlockingIOError:
                await iterations(2)
        self.unsent = data

    def feed(self):
        with contextlib.suppress(BlockingIOError):
            while data := self.peer.sock.recv(1 << 20):
                self.peer.incoming.write(data)
            self.peers_end = 'end'
        with contextlib.suppress(ssl.SSLError):
            while data := self.peer.object.read(1 << 20):
                self.received += len(data)
            self.peers_end = 'said end'

    def look(self, who, action):
        transport = self.protocol.transport
        answers = []
        for name in ('is_closing', 'is_reading', 'get_write_buffer_size', 'get_read_buffer_size'):
            try:
                answers.append(getattr(transport, name)())
            except AttributeError:
                answers.append('gone')
        self.note(who, action[0], *answers, self.received, self.peers_end)

    def note(self, *what):
        calls, self.protocol.calls = self.protocol.calls, []
        reports, self.reports = self.reports, []
        self.seen.append((*what, calls, self.protocol.error, reports))


def play(impl, kind, side, version, steps, reactions):
    protocol = kind()
    protocol.reactions = dict(reactions)
    scene = Play(protocol, side, version)
    loop = impl.new_event_loop()
    try:
        return loop.run_until_complete(scene.run(steps))
    finally:
        loop.close()
        protocol.transport = protocol.below = None


@pytest.mark.skipif(support.STOCK_ONLY, reason='compares with stock')
@hypothesis.settings(max_examples=60)
@hypothesis.given(
    kind=st.sampled_from([ActingProtocol, ActingBuffered]),
    side=st.sampled_from(['client', 'server']),
    version=st.sampled_from(VERSIONS),
    steps=STEPS,
    reactions=REACTIONS,
)
def test_as_stock(kind, side, version, steps, reactions):
    stock, ours = (support.implementation(name) for name in ('asyncio', 'pyasync'))
    wanted = play(stock, kind, side, version, steps, reactions)
    assert play(ours, kind, side, version, steps, reactions) == wanted
