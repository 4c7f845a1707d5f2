"""Database servers, started when a test first asks for one, ended with the session."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import support

PATH = support.ROOT / 'benchmarks' / 'harness' / 'servers.py'


def start(kind, *arguments):
    """The server of that kind; skips where it can't be had."""
    if not PATH.exists():
        pytest.skip('benchmarks/, which know how to start servers, are not here')
    if 'servers' not in sys.modules:
        spec = importlib.util.spec_from_file_location('servers', PATH)
        sys.modules['servers'] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules['servers'])
    servers = sys.modules['servers']
    absent = [name for name in getattr(servers, kind.upper()) if servers.find(name) is None]
    if absent:
        pytest.skip(f'not installed: {", ".join(absent)}')
    return getattr(servers, kind)(*arguments)


@pytest.fixture(scope='session')
def postgres():
    """A PostgreSQL server with the user postgres; it speaks TLS."""
    server = start('postgres', support.TESTS / 'localhost.pem')
    yield server
    server.stop()


@pytest.fixture(scope='session')
def redis():
    """A Redis server."""
    server = start('redis')
    yield server
    server.stop()


@pytest.fixture(scope='session')
def mariadb():
    """A MariaDB server with the user root."""
    server = start('mariadb')
    yield server
    server.stop()
