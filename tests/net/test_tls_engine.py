"""The TLS engine alone: two of them, and nothing between them but bytes."""

import ssl

import pytest
import support
from net import tls_support

if support.STOCK_ONLY:
    pytest.skip('ours only', allow_module_level=True)

from pyasync import _core

SIZES = [1, 2, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 300 * 1024]


class End:
    def __init__(self, context, **kwargs):
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.sslobj = context.wrap_bio(self.incoming, self.outgoing, **kwargs)
        self.engine = _core._TLSEngine(self.sslobj, self.incoming, self.outgoing)

    def shake_hands(self):
        try:
            self.sslobj.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self):
        """All there is: (bytes, whether the peer has closed its side)."""
        data = b''
        while True:
            buffer = bytearray(20_000)
            size = self.engine.read_into(buffer)
            if not size:
                return data, size == 0
            data += buffer[:size]


@pytest.fixture
def ends():
    server = End(tls_support.server_context(), server_side=True)
    client = End(tls_support.client_context(), server_hostname='localhost')
    done = False
    while not done:
        done = client.shake_hands()
        server.engine.feed(client.engine.drain())
        server.shake_hands()
        client.engine.feed(server.engine.drain())
    client.read()  # session tickets
    return client, server


@pytest.mark.parametrize('size', SIZES)
def test_what_is_written_is_read(ends, size):
    client, server = ends
    data = bytes(range(256)) * (size // 256 + 1)
    assert client.engine.write(data) == len(data)
    assert client.engine.outgoing_size > len(data)
    server.engine.feed(client.engine.drain())
    assert client.engine.outgoing_size == 0
    assert server.read() == (data, False)
    assert server.engine.incoming_size == 0


def test_records_cut_at_every_byte(ends):
    client, server = ends
    cut = 0
    ciphertext = b'unknown'
    while cut < len(ciphertext):
        client.engine.write(b'first')
        client.engine.write(b'second')
        ciphertext = client.engine.drain()
        server.engine.feed(ciphertext[:cut])
        before, _ = server.read()
        server.engine.feed(ciphertext[cut:])
        after, _ = server.read()
        assert before in (b'', b'first')
        assert before + after == b'firstsecond'
        cut += 1


def test_a_byte_at_a_time(ends):
    client, server = ends
    client.engine.write(b'x' * 100)
    read = b''
    for byte in client.engine.drain():
        server.engine.feed(bytes([byte]))
        read += server.read()[0]
    assert read == b'x' * 100


def test_a_small_buffer_takes_a_record_in_parts(ends):
    client, server = ends
    client.engine.write(b'0123456789')
    server.engine.feed(client.engine.drain())
    buffer = bytearray(4)
    assert [server.engine.read_into(buffer) for _ in range(4)] == [4, 4, 2, None]


def test_the_peers_end(ends):
    client, server = ends
    client.engine.write(b'last')
    with pytest.raises(ssl.SSLWantReadError):
        client.sslobj.unwrap()
    server.engine.feed(client.engine.drain())
    assert server.read() == (b'last', True)


def test_garbage(ends):
    _, server = ends
    server.engine.feed(b'garbage' * 10)
    with pytest.raises(ssl.SSLError, match=r'WRONG_VERSION_NUMBER|(?i:record.layer.failure)'):
        server.read()


def test_other_objects_are_refused():
    bio = ssl.MemoryBIO()
    with pytest.raises(TypeError, match=r'ssl\.SSLObject'):
        _core._TLSEngine(object(), bio, bio)
    with pytest.raises(TypeError):
        _core._TLSEngine()


def test_wrong_arguments(ends):
    client, _ = ends
    with pytest.raises(TypeError):
        client.engine.feed('text')
    with pytest.raises(TypeError):
        client.engine.write('text')
    with pytest.raises((TypeError, BufferError)):
        client.engine.read_into(b'read only')
