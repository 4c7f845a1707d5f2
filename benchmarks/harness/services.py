"""services.py -- the database servers (servers.py) that a benchmark's clients talk to.

One of each kind is started when it is first needed, away from the clients' CPU, and serves all that
is measured in this process.
"""

import functools

from harness import servers
from harness.affinity import one_cpu
from harness.servers import POSTGRES, REDIS

__all__ = ['POSTGRES', 'REDIS', 'postgres', 'redis']


def _port_of(start):
    with one_cpu(max):
        server = start()
    _servers.append(server)  # it ends with this process
    return server.port


_servers = []


@functools.cache
def postgres():
    """The port of a PostgreSQL server with the user `postgres` and no password."""
    return _port_of(servers.postgres)


@functools.cache
def redis():
    """The port of a Redis server."""
    return _port_of(servers.redis)
