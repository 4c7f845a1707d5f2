"""native.py -- the C programs of native/, compiled once and kept beside other temporary files."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / 'native'
COMPILER = 'cc'


def program(name: str) -> Path:
    """The path of native/NAME.c compiled. Raises RuntimeError where the compiler refuses."""
    source = SOURCES / f'{name}.c'
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    # One directory a user: a name in a shared one could be somebody else's program.
    cache = Path(tempfile.gettempdir()) / f'pyasync-benchmarks-{os.getuid()}'
    cache.mkdir(mode=0o700, exist_ok=True)
    if cache.stat().st_uid != os.getuid():
        raise RuntimeError(f'{cache} belongs to somebody else')
    path = cache / f'{name}-{digest}'
    if not path.exists():
        unfinished = path.with_suffix(f'.{os.getpid()}')
        command = [COMPILER, '-O2', '-o', str(unfinished), str(source), '-ldl']
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f'{" ".join(command)}: {done.stderr.strip()}')
        unfinished.replace(path)
    return path
