"""Subinterpreters, each with its own GIL: import and run, in turn and at once (3.12+)."""

from __future__ import annotations

import sys

import pytest
import support

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason='interpreters with a GIL of their own came with 3.12'
)

RUN = """
import threading

def make():
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        made = interpreters.create()
        return made.exec, made.close
    if sys.version_info >= (3, 13):
        import _interpreters
        made = _interpreters.create()
        def run(code):
            failure = _interpreters.exec(made, code)
            assert failure is None, failure
        return run, lambda: _interpreters.destroy(made)
    import _xxsubinterpreters
    made = _xxsubinterpreters.create()
    # 3.12's own _asyncio and _ssl corrupt the heap when an interpreter that had them ends.
    return lambda code: _xxsubinterpreters.run_string(made, code), lambda: None

CODE = '''
import sys
sys.path[:] = PATH
import asyncio
MODULE
async def child(number):
    await asyncio.sleep(0)
    return number
async def main():
    loop = asyncio.get_running_loop()
    fut = loop.create_future()
    loop.call_later(0.001, fut.set_result, "timer")
    loop.call_soon_threadsafe(int)
    assert len(asyncio.all_tasks()) == 1
    tasks = [asyncio.create_task(child(n)) for n in range(100)]
    assert await asyncio.gather(*tasks) == list(range(100))
    assert await fut == "timer"
    return "ran"
for _ in range(3):
    loop = new_event_loop()
    assert loop.run_until_complete(main()) == "ran"
    loop.close()
'''.replace("PATH", repr(sys.path)).replace("MODULE",
    "from pyasync import new_event_loop" if impl.ours else "from asyncio import new_event_loop")
"""


def run(impl, code):
    end = 'import os; os._exit(0)' if sys.version_info < (3, 13) else ''
    support.run_script(impl, RUN + support.textwrap.dedent(code) + end)


def test_one(impl):
    run(
        impl,
        """
        run, destroy = make()
        run(CODE)
        destroy()
        """,
    )


def test_several_in_turn(impl):
    run(
        impl,
        """
        for _ in range(5):
            run, destroy = make()
            run(CODE)
            run(CODE)
            destroy()
        """,
    )


def test_several_alive_and_the_main_one(impl):
    run(
        impl,
        """
        made = [make() for _ in range(3)]
        for run, _ in made:
            run(CODE)
        exec(CODE)
        for run, destroy in made:
            run(CODE)
            destroy()
        exec(CODE)
        """,
    )


def test_at_once_in_threads(impl):
    run(
        impl,
        """
        errors = []
        def work():
            try:
                run, destroy = make()
                run(CODE)
                destroy()
            except BaseException as exc:
                errors.append(exc)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        exec(CODE)
        for thread in threads:
            thread.join()
        assert not errors, errors
        """,
    )
