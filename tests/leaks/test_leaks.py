"""Each kind of object made and dropped 10,000 times in a process of its own: nothing grows."""

from __future__ import annotations

import sys

import pytest
from leaks.support import check

COUNT = 10_000

# What a kind does once; loop, fut, callback, run_once and coroutines are there.
KINDS = {
    'handle': 'loop.call_soon(callback, 1)',
    'handle with many arguments': 'loop.call_soon(callback, 1, 2, 3, 4, 5, 6, 7, 8)',
    'handle with context': 'loop.call_soon(callback, context=contextvars.copy_context())',
    'handle cancelled': 'loop.call_soon(callback, []).cancel()',
    'handle raising': 'loop.call_soon(fails)',
    'handle repr': 'repr(loop.call_soon(callback, 1))',
    'handle threadsafe': 'loop.call_soon_threadsafe(callback, 1)',
    'timer due': 'loop.call_later(0, callback, 1)',
    'timer cancelled': 'loop.call_later(3600, callback, []).cancel()',
    'timer in the far future': 'loop.call_at(1e300, callback, []).cancel()',
    'timer refused': "refused(TypeError, loop.call_later, 'x', callback)",
    'future': 'loop.create_future()',
    'future constructed': 'impl.Future(loop=loop)',
    'future with result': 'loop.create_future().set_result([])',
    'future with callbacks': """
        f = loop.create_future()
        for _ in range(3):
            f.add_done_callback(callback)
        f.remove_done_callback(callback)
        f.add_done_callback(callback)
        f.set_result(None)
        """,
    'future with exception': """
        f = loop.create_future()
        f.set_exception(KeyError())
        f.exception()
        """,
    'future with exception lost': 'loop.create_future().set_exception(KeyError())',
    'future cancelled': "loop.create_future().cancel('message')",
    'future in a cycle': """
        f = loop.create_future()
        f.add_done_callback(lambda f, g=f: None)
        """,
    'future repr': 'repr(loop.create_future())',
    'future subclass': 'FutureSubclass(loop=loop).set_result(None)',
    'future iterator': 'next(iter(loop.create_future()))',
    'future refused': 'refused(asyncio.InvalidStateError, loop.create_future().result)',
    'task': 'loop.create_task(answer())',
    'task constructed': 'impl.Task(answer(), loop=loop)',
    'task named': "loop.create_task(answer(), name='name')",
    'task with context': 'loop.create_task(answer(), context=contextvars.copy_context())',
    'task yielding': 'loop.create_task(asyncio.sleep(0))',
    'task sleeping': 'loop.create_task(asyncio.sleep(1e-9))',
    'task waiting': """
        f = loop.create_future()
        loop.create_task(wait_for(f))
        loop.call_soon(f.set_result, None)
        """,
    'task waiting for a task': 'loop.create_task(wait_for(loop.create_task(answer())))',
    'task waiting for a stock future': """
        f = asyncio.Future(loop=loop)
        loop.create_task(wait_for(f))
        loop.call_soon(f.set_result, None)
        """,
    'task failing': """
        t = loop.create_task(raises())
        t.add_done_callback(lambda t: t.exception())
        """,
    'task failing unseen': 'loop.create_task(raises())',
    'task cancelled at once': 'loop.create_task(answer()).cancel()',
    'task cancelled waiting': """
        t = loop.create_task(wait_for(loop.create_future()))
        loop.call_soon(t.cancel, 'message')
        """,
    'task yielding nonsense': """
        t = loop.create_task(nonsense())
        t.add_done_callback(lambda t: t.exception())
        """,
    'task repr': 'repr(loop.create_task(answer()))',
    'task stack': 'loop.create_task(answer()).get_stack()',
    'task subclass': 'TaskSubclass(answer(), loop=loop)',
    'task refused': 'refused(TypeError, loop.create_task, None)',
    'stock task': 'asyncio.Task(wait_for(loop.create_task(answer())), loop=loop)',
    'gather': 'loop.create_task(gathers())',
    'shield': 'loop.create_task(wait_for(asyncio.shield(loop.create_task(answer()))))',
    'all_tasks': 'asyncio.all_tasks(loop)',
    'reader': """
        loop.add_reader(left, callback)
        loop.remove_reader(left)
        """,
    'reader and writer': """
        loop.add_reader(left, callback, 1)
        loop.add_writer(left, callback, 2)
        loop.add_reader(left, callback, 3)
        loop.remove_reader(left)
        loop.remove_writer(left)
        """,
    'reader refused': "refused(ValueError, loop.add_reader, 'x', callback)",
    'exception handler': 'loop.set_exception_handler(lambda loop, context: None)',
    'run': 'loop.run_until_complete(answer())',
}

# These cost more each time.
SLOW = {
    'signal handler': """
        loop.add_signal_handler(10, callback)
        loop.remove_signal_handler(10)
        """,
    'debug': """
        loop.set_debug(True)
        loop.create_task(answer())
        loop.call_soon(callback)
        loop.set_debug(False)
        """,
    'loop': 'new_event_loop().close()',
    'loop with work left': """
        other = new_event_loop()
        other.call_soon(callback)
        other.call_later(60, callback)
        other.add_reader(left, callback)
        other.close()
        """,
    'loop run': """
        other = new_event_loop()
        other.run_until_complete(answer())
        other.close()
        """,
    'executor': 'loop.run_until_complete(loop.run_in_executor(pool, int))',
    'run_coroutine_threadsafe': 'asyncio.run_coroutine_threadsafe(answer(), loop)',
    'sock pair': """
        pair = socket.socketpair()
        for sock in pair:
            sock.setblocking(False)
            loop.add_reader(sock, callback)
        loop.call_soon(pair[0].send, b'x')
        run_once()
        for sock in pair:
            loop.remove_reader(sock)
            sock.close()
        """,
}
if sys.version_info >= (3, 12):
    KINDS['task eager'] = 'loop.call_soon(lambda: impl.Task(answer(), loop=loop, eager_start=True))'
    KINDS['task eager waiting'] = """
        loop.call_soon(lambda: impl.Task(asyncio.sleep(0), loop=loop, eager_start=True))
        """

SCRIPT = """
import concurrent.futures, contextvars, gc, logging, socket, types
from leaks.support import check_growth
logging.disable()

class FutureSubclass(impl.Future):
    pass

class TaskSubclass(impl.Task):
    pass

def callback(*args):
    pass

def fails():
    raise KeyError

def refused(kind, function, *args):
    try:
        function(*args)
    except kind:
        pass
    else:
        raise AssertionError

async def answer():
    return 1

async def raises():
    raise KeyError

async def wait_for(f):
    return await f

@types.coroutine
def nonsense_generator():
    yield 1

async def nonsense():
    await nonsense_generator()

async def gathers():
    await asyncio.gather(answer(), asyncio.sleep(0))

def run_once():
    loop.call_soon(loop.stop)
    loop.run_forever()

# One thread: the default pool starts more of them when it likes.
pool = concurrent.futures.ThreadPoolExecutor(1)
left, right = socket.socketpair()
left.setblocking(False)

loop = new_event_loop()
loop.set_exception_handler(lambda loop, context: None)

def once():
    KIND

def many(count):
    for number in range(count):
        once()
        if number % 20 == 19:
            run_once()
    for _ in range(6):
        run_once()
    gc.collect()

check_growth(many, COUNT)
loop.close()
"""


@pytest.mark.parametrize('kind', KINDS)
def test_nothing_grows(impl, kind):
    # Stock runs too, to show that the script itself leaks nothing: fewer rounds do for that.
    check(impl, SCRIPT, KINDS[kind], COUNT if impl.ours else COUNT // 2)


@pytest.mark.parametrize('kind', SLOW)
def test_nothing_grows_slowly(impl, kind):
    check(impl, SCRIPT, SLOW[kind], COUNT if impl.ours else COUNT // 10)
