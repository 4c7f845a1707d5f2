"""The extension module more than once in a process: each import as the first, with nothing left."""

from __future__ import annotations

import gc
import importlib.util
import sys
import weakref

import pytest
import support

try:
    import _testcapi
except ImportError:
    _testcapi = None

# Refers to our memory of dead coroutines and bound methods, and leaves a task to be cancelled.
BODY = """
async def main():
    for lock in (asyncio.Lock(), asyncio.Semaphore(), asyncio.Condition()):
        async with lock:
            await asyncio.sleep(0)
    left.append(asyncio.create_task(asyncio.sleep(3600)))
    await asyncio.sleep(0)
left = []
run(main())
assert left[0].cancelled()
"""


@pytest.mark.skipif(not hasattr(_testcapi, 'run_in_subinterp'), reason='needs _testcapi')
@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 13), reason="3.12's own _asyncio corrupts the heap there"
)
def test_further_interpreters(impl):
    code = f'import sys\nsys.path[:] = {sys.path}\nimport asyncio\n'
    code += f'from {impl.module.__name__} import run\n{BODY}'
    out, err = support.run_script(
        impl,
        f"""
        import _testcapi, gc, sys
        counts = []
        for _ in range(4):
            assert _testcapi.run_in_subinterp({code!r}) == 0
            gc.collect()
            counts.append((sys.getrefcount(type), sys.getrefcount(object)))
        assert counts[1:] == counts[1:2] * 3, counts
        """,
    )
    assert (out, err) == ('', '')


@pytest.mark.ours
def test_a_copy_that_nobody_needs_any_more(impl):
    path = sys.modules['pyasync._core'].__file__
    spec = importlib.util.spec_from_file_location('pyasync._core', path)
    core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(core)
    for coroutine in [core.sleep(1) for _ in range(70)]:
        coroutine.close()
    gone = weakref.ref(core), weakref.ref(core.Loop), weakref.ref(core.sleep)
    del core, coroutine
    gc.collect()
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
