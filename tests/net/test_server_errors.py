"""Servers in trouble: factories that raise, no file descriptors left; and Unix servers."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
import sys
from asyncio import constants, trsock

import pytest
import support
from net.support import Recorder, closed, iterations, receive_all

pytestmark = pytest.mark.pollers


class Expected(Exception):
    """What our factories raise."""


# The accepted socket is left to the collector by stock.
@pytest.mark.filterwarnings('ignore:unclosed <socket:ResourceWarning')
class TestFactory:
    @pytest.mark.parametrize('debug', [False, True])
    async def test_raises(self, loop, debug, caplog):
        """The connection is dropped, reported in debug mode only; the server goes on."""
        caplog.set_level(logging.CRITICAL, 'asyncio')
        called = []

        def factory():
            called.append(None)
            raise Expected

        loop.set_debug(debug)
        server = await loop.create_server(factory, '127.0.0.1', 0)
        for count in range(1, 3):
            sock = socket.create_connection(server.sockets[0].getsockname())
            sock.setblocking(False)
            while len(called) < count:
                await asyncio.sleep(0)
            await iterations()
            assert len(loop.reports) == debug
            for report in loop.reports:
                assert report['message'] == 'Error on transport creation for incoming connection'
                assert type(report['exception']) is Expected
                assert 'transport' not in report
                assert 'protocol' not in report
                report.pop('exception').__traceback__ = None
            loop.reports.clear()
            gc.collect()
            assert await receive_all(sock) == b''
            sock.close()
        server.close()
        loop.set_debug(False)

    @pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt])
    def test_exits(self, loop, error):
        def factory():
            raise error

        server = loop.run_until_complete(loop.create_server(factory, '127.0.0.1', 0))
        sock = socket.create_connection(server.sockets[0].getsockname())
        with pytest.raises(error):
            loop.run_forever()
        server.close()
        sock.close()
        support.run_once(loop)
        gc.collect()
        # The task of the connection may tell of the exception that nobody took from it.
        loop.reports.clear()

    async def test_connection_made_raises(self, loop):
        class Raising(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                raise Expected

        protocol = Raising()
        server = await loop.create_server(lambda: protocol, '127.0.0.1', 0)
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.send(b'x')
        assert await protocol.received(1) == b'x'
        (report,) = loop.reports
        assert type(report['exception']) is Expected
        report['exception'].__traceback__ = None
        loop.reports.clear()
        sock.close()
        await protocol.lost()
        server.close()

    async def test_closes_the_server(self, loop):
        """From within the callbacks of a connection that it just accepted."""

        class Closing(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                server.close()

        protocol = Closing()
        server = await loop.create_server(lambda: protocol, '127.0.0.1', 0)
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.send(b'x')
        assert await protocol.received(1) == b'x'
        assert server.sockets == ()
        sock.close()
        await protocol.lost()
        await server.wait_closed()


class TestNoDescriptors:
    async def test_reported_and_retried(self, loop, monkeypatch):
        """EMFILE: the listening socket rests for ACCEPT_RETRY_DELAY, then serves on."""
        monkeypatch.setattr(constants, 'ACCEPT_RETRY_DELAY', 0.01)
        protocol = Recorder()
        server = await loop.create_server(lambda: protocol, '127.0.0.1', 0, backlog=1)
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.send(b'x')
        taken = take_all_descriptors()
        try:
            while not loop.reports:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            assert not protocol.calls
        finally:
            give_back_descriptors(taken)
        assert await protocol.received(1) == b'x'
        for report in loop.reports:
            assert report['message'] == 'socket.accept() out of system resource'
            assert report['exception'].errno == errno.EMFILE
            assert type(report['socket']) is trsock.TransportSocket
            report['exception'].__traceback__ = None
        loop.reports.clear()
        sock.close()
        await protocol.lost()
        server.close()

    async def test_closed_while_it_rests(self, loop, monkeypatch):
        monkeypatch.setattr(constants, 'ACCEPT_RETRY_DELAY', 0.01)
        server = await loop.create_server(Recorder, '127.0.0.1', 0, backlog=1)
        sock = socket.create_connection(server.sockets[0].getsockname())
        taken = take_all_descriptors()
        try:
            while not loop.reports:
                await asyncio.sleep(0.001)
        finally:
            give_back_descriptors(taken)
        for report in loop.reports:
            report['exception'].__traceback__ = None
        loop.reports.clear()
        server.close()
        sock.close()
        await asyncio.sleep(0.03)
        # Stock finds a closed socket then, and says so.
        for report in loop.reports:
            assert isinstance(report['exception'], (ValueError, OSError))
            report['exception'].__traceback__ = None
        loop.reports.clear()


def take_all_descriptors():
    """Leave this process no file descriptor to get; answers what gives them back."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(support.open_fds())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError as error:
        assert error.errno == errno.EMFILE
    return limits, taken


def give_back_descriptors(state):
    import resource

    limits, taken = state
    for fd in taken:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def unix_path(tmp_path, kind):
    if kind == 'path':
        return str(tmp_path / 'socket')
    if kind == 'bytes':
        return os.fsencode(tmp_path / 'socket')
    if kind == 'pathlib':
        return tmp_path / 'socket'
    name = f'\0pyasync-test-{os.getpid()}'
    return name if kind == 'abstract' else name.encode()


class TestUnix:
    @pytest.mark.parametrize('kind', ['path', 'bytes', 'pathlib', 'abstract', 'abstract bytes'])
    async def test_names(self, loop, tmp_path, kind):
        path = unix_path(tmp_path, kind)
        protocols = []

        def factory():
            protocols.append(Recorder())
            return protocols[-1]

        server = await loop.create_unix_server(factory, path)
        client = Recorder()
        transport, _ = await loop.create_unix_connection(lambda: client, path)
        transport.write(b'hello')
        while not protocols:
            await asyncio.sleep(0)
        assert await protocols[0].received(5) == b'hello'
        name = server.sockets[0].getsockname()
        assert transport.get_extra_info('peername') == name
        assert protocols[0].transport.get_extra_info('sockname') == name
        assert protocols[0].transport.get_extra_info('peername') == ''
        transport.close()
        await client.lost()
        await protocols[0].lost()
        server.close()
        await server.wait_closed()

    async def test_the_file_goes_with_the_server(self, loop, tmp_path):
        path = tmp_path / 'socket'
        server = await loop.create_unix_server(Recorder, path)
        assert path.is_socket()
        server.close()
        # cleanup_socket is new in 3.13.
        assert path.exists() is (sys.version_info < (3, 13))

    @pytest.mark.skipif(sys.version_info < (3, 13), reason='cleanup_socket is new in 3.13')
    async def test_the_file_stays(self, loop, tmp_path):
        path = tmp_path / 'socket'
        server = await loop.create_unix_server(Recorder, path, cleanup_socket=False)
        server.close()
        assert path.is_socket()

    async def test_a_stale_file_is_replaced(self, loop, tmp_path):
        path = str(tmp_path / 'socket')
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        server = await loop.create_unix_server(Recorder, path)
        server.close()

    async def test_not_a_socket(self, loop, tmp_path):
        path = tmp_path / 'file'
        path.touch()
        with pytest.raises(OSError, match='is already in use') as caught:
            await loop.create_unix_server(Recorder, path)
        assert caught.value.errno == errno.EADDRINUSE

    async def test_refused(self, loop, tmp_path):
        path = str(tmp_path / 'socket')
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_connection(Recorder, path)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, path)


class TestAcceptedSocket:
    async def test_connect_accepted_socket(self, loop):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        protocol = Recorder()
        transport, answer = await loop.connect_accepted_socket(lambda: protocol, accepted)
        assert answer is protocol
        assert transport._server is None
        client.send(b'x')
        assert await protocol.received(1) == b'x'
        client.close()
        await protocol.lost()
        await closed(transport)

    async def test_not_a_stream(self, loop):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError, match='A Stream Socket was expected, got '):
                await loop.connect_accepted_socket(Recorder, sock)
            with pytest.raises(ValueError, match='A Stream Socket was expected, got '):
                await loop.create_server(Recorder, sock=sock)
