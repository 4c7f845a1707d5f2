"""ends.py -- what probes of connections begin with: pairs of sockets, a protocol that tells."""

import asyncio
import contextlib
import socket


def pair():
    """Two connected Unix sockets that don't block."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


def tcp_pair():
    """Two connected TCP sockets that block."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        two, _ = listener.accept()
    return one, two


def udp_pair():
    """Two UDP sockets on loopback that don't block."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.setblocking(False)
        end.bind(('127.0.0.1', 0))
    return ends


@contextlib.contextmanager
def both(ends):
    """The two, which are closed at the end of the block."""
    with ends[0], ends[1]:
        yield ends


class Recorder(asyncio.Protocol):
    """Tells what happens to it; lost is set at the end, enough with so many bytes."""

    def __init__(self, t, count=4, keep_open=None):
        self.t = t
        self.data = b''
        self.count = count
        self.keep_open = keep_open
        self.enough = t.loop.create_future()
        self.lost = t.loop.create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.t.tell('made')

    def data_received(self, data):
        self.data += data
        if len(self.data) >= self.count and not self.enough.done():
            self.enough.set_result(None)

    def eof_received(self):
        self.t.tell('eof', self.data[:20])
        return self.keep_open

    def pause_writing(self):
        self.t.tell('pause')

    def resume_writing(self):
        self.t.tell('resume')

    def connection_lost(self, exc):
        self.t.tell('lost', repr(exc))
        if not self.lost.done():
            self.lost.set_result(exc)
