"""nest_asyncio: loops that run within themselves: tasks, timers, sockets, threads, errors."""

from __future__ import annotations

import pytest
from compat.support import WAYS, check_equal, needs, results_of, start_program

PROGRAM = """
import socket
import sys

async def leaf(name, count=1):
    for _ in range(count):
        await asyncio.sleep(0)
    return name

async def two_at_once():
    return await asyncio.gather(leaf('a'), leaf('b', 2))

async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()

async def talk():
    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b'words\\n')
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return answer

async def fail():
    await asyncio.sleep(0)
    raise ValueError('inner')

async def late():
    async with asyncio.timeout(0.01):
        await asyncio.sleep(60)

def nested(coro):
    return asyncio.get_event_loop().run_until_complete(coro)

async def deeper(depth):
    await asyncio.sleep(0)
    return depth if depth == 0 else nested(deeper(depth - 1)) + depth

async def main():
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    seen = [nested(leaf('leaf')), nested(two_at_once()), nested(deeper(5)), nested(talk())]
    seen.append(asyncio.run(leaf('run')))
    for coro in (fail(), late()):
        try:
            nested(coro)
        except Exception as exc:
            seen.append(repr(exc))
    # What was there before runs while the nested loop does.
    other = asyncio.ensure_future(leaf('other', 3))
    timer = loop.call_later(0.001, seen.append, 'timer')
    nested(asyncio.sleep(0.01))
    seen.append(other.done() and other.result())
    seen.append(nested(loop.run_in_executor(None, leaf, 'thread')).close())
    future = loop.create_future()
    loop.call_soon_threadsafe(future.set_result, 'future')
    seen.append(nested(future))
    waiting = asyncio.ensure_future(asyncio.sleep(60))
    waiting.add_done_callback(lambda task: seen.append(task.cancelled()))
    nested(leaf('x'))
    waiting.cancel()
    nested(asyncio.wait([waiting]))
    queue = asyncio.Queue()
    asyncio.ensure_future(queue.put('queued'))
    seen.append(nested(queue.get()))
    seen.append((asyncio.current_task() is me, asyncio.get_running_loop() is loop))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(deeper(3))
    seen.append(task.result())
    await asyncio.sleep(0)
    seen.append(len(asyncio.all_tasks()))
    return seen

loop = asyncio.new_event_loop()
kind = type(loop).__module__
assert kind == (OURS and 'pyasync._loop' or 'asyncio.unix_events'), kind
asyncio.set_event_loop(loop)
nest.apply(loop)
nest.apply()
print(loop.run_until_complete(main()))
print(asyncio.run(main()))
loop.call_soon(loop.stop)
loop.run_forever()
loop.close()
"""


@pytest.mark.parametrize('name', ['nest_asyncio', 'nest_asyncio2'])
def test_loop_within_itself(name):
    """Each way prints what stock does, where the library works on stock."""
    if needs(name).args[0]:
        pytest.skip(f'not installed: {name}')
    code = f'import {name} as nest\n{PROGRAM}'
    # The namespace has no policy to be patched: its asyncio.run() is its own.
    ways = [way for way in WAYS if way != 'namespace']
    programs = {
        way: start_program(way, f'OURS = {way != "stock"}\n{code}', name) for way in ways
    }
    results = results_of(programs)
    if results['stock'][0]:
        pytest.skip('stock asyncio of this version: ' + results['stock'][2].splitlines()[-1])
    check_equal(results)
