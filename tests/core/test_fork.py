"""os.fork: the child makes a fresh loop, the parent's goes on."""

from __future__ import annotations

import pytest
import support

pytestmark = pytest.mark.pollers

FORK = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)

async def work():
    fut = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, fut.set_result, "worked")
    asyncio.get_running_loop().call_soon_threadsafe(int)
    await asyncio.sleep(0)
    return await fut

def in_child(body):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            body()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def fresh():
    loop = new_event_loop()
    assert loop.run_until_complete(work()) == "worked"
    loop.close()
"""


def run(impl, code):
    support.run_script(impl, FORK + support.textwrap.dedent(code))


def test_fresh_loop_in_the_child(impl):
    run(impl, 'in_child(fresh)')


def test_while_the_parent_has_a_loop(impl):
    run(
        impl,
        """
        loop = new_event_loop()
        assert loop.run_until_complete(work()) == "worked"
        in_child(fresh)
        assert loop.run_until_complete(work()) == "worked"
        loop.close()
        """,
    )


def test_out_of_a_running_loop(impl):
    run(
        impl,
        """
        loop = new_event_loop()
        def body():
            # The child is not inside the parent's run: no loop runs in its thread.
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass
            else:
                asyncio._set_running_loop(None)
            asyncio.run(work()) if not impl.ours else impl.run(work())
        async def main():
            await asyncio.sleep(0)
            in_child(body)
            return await work()
        assert loop.run_until_complete(main()) == "worked"
        loop.close()
        """,
    )


def test_child_closes_the_parents_loop(impl):
    # Closing gives the child's copies of the fds back and leaves the parent's alone.
    run(
        impl,
        """
        loop = new_event_loop()
        import socket
        left, right = socket.socketpair()
        loop.add_reader(left, print)
        loop.remove_reader(left)
        in_child(loop.close)
        assert loop.run_until_complete(work()) == "worked"
        seen = []
        loop.add_reader(left, seen.append, 1)
        right.send(b"x")
        support.run_until(loop, lambda: seen)
        loop.close()
        """,
    )


def test_while_another_thread_runs_a_callback(impl):
    # The child has memory of that thread, which its own threads take for their stacks.
    run(
        impl,
        """
        import threading
        begun, ended = threading.Event(), threading.Event()
        def callback():
            begun.set()
            assert ended.wait(60)
        async def wait_for_callback():
            await asyncio.sleep(0)
            while not ended.is_set():
                await asyncio.sleep(0.001)
        loop = new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(wait_for_callback(),))
        thread.start()
        handle = loop.call_soon_threadsafe(callback)
        assert begun.wait(60)

        def work_in_threads():
            if impl.ours:
                handle.cancel()  # asyncio's waits for ever, since 3.14
            for _ in range(10):
                threads = [threading.Thread(target=fresh) for _ in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
                    assert not thread.is_alive()

        in_child(work_in_threads)
        ended.set()
        thread.join()
        loop.close()
        """,
    )
