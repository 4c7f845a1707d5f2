"""The functions that wait for others, and for threads, thousands of times: nothing grows."""

from __future__ import annotations

import pytest
from leaks.support import check

COUNT = 4000

# What a coroutine does each time; aio is the namespace, and loop runs it.
KINDS = {
    'turn': 'await aio.sleep(0, [])',
    'sleep': 'await aio.sleep(1e-9, [])',
    'sleep never awaited': 'aio.sleep(0); aio.sleep(1)',
    'sleep closed': 'sleep = aio.sleep(9); sleep.send(None); sleep.close()',
    'sleep cancelled': 'await cancelled(aio.sleep(9))',
    'sleep refused': 'await refused(aio.sleep([]))',
    'sleep of wrong arguments': 'await refused(call(aio.sleep))',
    'gather': 'await aio.gather(answer(), answer(), loop.create_task(answer()))',
    'gather nothing': 'await aio.gather()',
    'gather equal': 'f = answer(); await aio.gather(f, f)',
    'gather equal by value': 'await aio.gather(Awaitable(), Awaitable())',
    'gather many': 'await aio.gather(*[answer() for _ in range(40)])',
    'gather stock': 'await aio.gather(asyncio.Task(answer()), answer())',
    'gather done': 'f = loop.create_future(); f.set_result([]); await aio.gather(f)',
    'gather failing': 'await refused(aio.gather(answer(), fail()))',
    'gather failing as results': 'await aio.gather(fail(), fail(), return_exceptions=True)',
    'gather cancelled': 'await cancelled(hold(aio.gather(answer(), answer())))',
    'gather forgotten': 'aio.gather(loop.create_future(), loop.create_future())',
    'gather refused': 'await refused(call(aio.gather, loop.create_future(), None))',
    'gather unhashable': 'await refused(call(aio.gather, loop.create_future(), []))',
    'wait': 'await aio.wait([loop.create_task(answer()), asyncio.Task(answer())], timeout=9)',
    'wait for the first': """
        tasks = [loop.create_task(answer()), loop.create_future()]
        await aio.wait(tasks, return_when='FIRST_COMPLETED')
        """,
    'wait timing out': 'await aio.wait([loop.create_future()], timeout=1e-9)',
    'wait cancelled': 'await cancelled(aio.wait([loop.create_future()], timeout=9))',
    'wait forgotten': """
        future = loop.create_future()
        wait = aio.wait([future])
        wait.send(None)
        """,
    'wait refused': 'await refused(aio.wait([loop.create_future(), 3]))',
    'wait refused at once': 'await refused(aio.wait([], return_when=3))',
    'as_completed': """
        for first in aio.as_completed([answer(), loop.create_task(answer())], timeout=9):
            await first
        """,
    'as_completed timing out': """
        for first in aio.as_completed([loop.create_future()], timeout=1e-9):
            await refused(first)
        """,
    'as_completed cancelled': """
        for first in aio.as_completed([loop.create_future()]):
            await cancelled(first)
            break  # 3.14's gives the same again
        """,
    'as_completed forgotten': """
        for first in aio.as_completed([loop.create_future()]):
            task = loop.create_task(first)
            await asyncio.sleep(0)
            task._log_destroy_pending = False
        """,
    'as_completed refused': 'await refused(call(lambda: next(aio.as_completed([3]))))',
    'shield': 'await aio.shield(answer())',
    'shield stock': 'await aio.shield(asyncio.Task(answer()))',
    'shield failing': 'await refused(aio.shield(fail()))',
    'shield cancelled': 'await cancelled(hold(aio.shield(answer())))',
    'shield forgotten': 'aio.shield(loop.create_future())',
    'ensure_future': 'await aio.ensure_future(Awaitable())',
    'ensure_future refused': 'await refused(call(aio.ensure_future, 3))',
    'wrap_future': """
        source = concurrent.futures.Future()
        wrapper = aio.wrap_future(source)
        source.set_result([])
        await wrapper
        """,
    'wrap_future failing': """
        source = concurrent.futures.Future()
        wrapper = aio.wrap_future(source)
        source.set_exception(KeyError([]))
        await refused(wrapper)
        """,
    'wrap_future cancelled': """
        source = concurrent.futures.Future()
        await cancelled(hold(aio.wrap_future(source)))
        assert source.cancelled()
        """,
    'wrap_future forgotten': 'aio.wrap_future(concurrent.futures.Future())',
    'wrap_future refused': 'await refused(call(aio.wrap_future, []))',
    'wrap_future of a closed loop': """
        source = concurrent.futures.Future()
        other = new_event_loop()
        wrapper = aio.wrap_future(source, loop=other)
        other.close()
        source.set_result([])
        """,
    'run_coroutine_threadsafe': """
        future = aio.run_coroutine_threadsafe(answer(), loop)
        await asyncio.sleep(0)
        await aio.wrap_future(future)
        """,
    'run_coroutine_threadsafe failing': """
        await refused(aio.wrap_future(aio.run_coroutine_threadsafe(fail(), loop)))
        """,
    'run_coroutine_threadsafe cancelled': """
        future = aio.run_coroutine_threadsafe(asyncio.sleep(9), loop)
        await asyncio.sleep(0)
        future.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        """,
    'run_coroutine_threadsafe refused': """
        await refused(call(aio.run_coroutine_threadsafe, [], loop))
        """,
    'to_thread': 'await aio.to_thread(int, "3", base=10)',
    'to_thread failing': 'await refused(aio.to_thread(int, "x"))',
    'to_thread closed': 'aio.to_thread(int, "3", base=10).close()',
    'run_in_executor': 'await loop.run_in_executor(None, list)',
    'run_in_executor failing': 'await refused(loop.run_in_executor(None, int, "x"))',
    'run_in_executor cancelled': 'await cancelled(hold(loop.run_in_executor(None, list)))',
    'callbacks looked at': """
        future = loop.create_future()
        outer = aio.gather(future)
        repr(future._callbacks), repr(future), repr(outer), outer._children
        future.set_result(1)
        repr(loop._ready)
        await outer
        source = concurrent.futures.Future()
        wrapper = aio.wrap_future(source)
        repr(wrapper._callbacks), repr(source._done_callbacks)
        source.set_result(1)
        repr(loop._ready)
        await wrapper
        """,
    'frames looked at': """
        task = loop.create_task(aio.wait([loop.create_future()]))
        await asyncio.sleep(0)
        coro = task.get_coro()
        repr((task, coro.cr_frame, coro.cr_code, coro.cr_await, task.get_stack()))
        task.cancel()
        await asyncio.wait([task])
        """,
}

SCRIPT = """
import concurrent.futures, gc, logging
logging.disable()
aio = impl.module

class Awaitable:
    def __hash__(self): return 1
    def __eq__(self, other): return True
    def __await__(self):
        yield
        return []

async def answer():
    await asyncio.sleep(0)
    return []

async def fail():
    await asyncio.sleep(0)
    raise KeyError([])

async def hold(future):
    return await future

async def call(function, *args):
    return function(*args)

async def refused(awaitable):
    try:
        await awaitable
    except Exception:
        pass
    else:
        raise AssertionError

async def cancelled(coroutine):
    task = asyncio.get_running_loop().create_task(coroutine)
    await asyncio.sleep(0)
    task.cancel([])
    try:
        await task
    except asyncio.CancelledError:
        pass

async def once(loop):
    KIND

async def many(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await once(loop)
    for _ in range(6):
        await asyncio.sleep(0)

def run(count):
    # A pool of its own: work whose waiter was cancelled is in the queue until a thread comes by.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        loop.set_default_executor(pool)
        # Destructors wake tasks, which then end: what they held goes in the collection after that.
        for rounds in (count, 0, 0):
            loop.run_until_complete(many(rounds))
            gc.collect()

def state():
    gc.collect()
    live = support.live_objects()
    return sys.getallocatedblocks(), live

loop = new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
run(COUNT // 8)
run(COUNT // 8)
blocks, live = state()
run(COUNT)
blocks_after, live_after = state()
assert live_after == live, (live, live_after)
assert blocks_after - blocks < max(COUNT // 8, 400), (blocks, blocks_after)
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    check(impl, SCRIPT, KINDS[kind], COUNT if impl.ours else COUNT // 4)
