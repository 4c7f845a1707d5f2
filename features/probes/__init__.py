"""The probes, a module a section of the table."""

import importlib

MODULES = (
    'loop_calls',
    'running',
    'futures',
    'sync',
    'combinators',
    'files',
    'connections',
    'transports',
    'streams',
    'tls',
    'subprocesses',
    'debugging',
)


def load():
    """Import them all: each registers its probes."""
    for name in MODULES:
        importlib.import_module(f'{__name__}.{name}')
