"""The loop's queues and its selector, for code that iterates the loop itself (nest_asyncio)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import socket
import threading

import pytest
import support


def iterate(loop):
    """One iteration in Python, by the attributes that every version of asyncio has."""
    timers = loop._scheduled
    while timers and timers[0]._cancelled:
        heapq.heappop(timers)
    timeout = 0 if loop._ready else None
    if timeout is None and timers:
        timeout = max(0, timers[0]._when - loop.time())
    loop._process_events(loop._selector.select(timeout))
    end = loop.time() + loop._clock_resolution
    while timers and timers[0]._when < end:
        loop._ready.append(heapq.heappop(timers))
    for _ in range(len(loop._ready)):
        handle = loop._ready.popleft()
        if not handle._cancelled:
            handle._run()


@contextlib.contextmanager
def running(loop):
    """The loop counts as running, though nobody iterates it."""
    loop._thread_id = threading.get_ident()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)
        loop._thread_id = None


def drive(loop, coro):
    with running(loop):
        task = loop.create_task(coro)
        while not task.done():
            iterate(loop)
        return task.result()


def take_all(loop):
    return [loop._ready.popleft() for _ in range(len(loop._ready))]


class TestReady:
    def test_what_is_put_in_runs_in_its_place(self, loop):
        seen = []
        loop.call_soon(seen.append, 2)
        last, first, zeroth = (asyncio.Handle(seen.append, (n,), loop) for n in (3, 1, 0))
        loop._ready.append(last)
        loop._ready.appendleft(first)
        loop._ready.extendleft([zeroth])
        loop._ready.extend([asyncio.Handle(seen.append, (4,), loop)])
        support.run_once(loop)
        assert seen == [0, 1, 2, 3, 4]

    def test_many_are_put_first(self, loop):
        seen = []
        for number in range(100):
            loop._ready.appendleft(asyncio.Handle(seen.append, (number,), loop))
        support.run_once(loop)
        assert seen == list(reversed(range(100)))

    def test_what_is_taken_out_does_not_run(self, loop):
        seen = []
        handles = [loop.call_soon(seen.append, n) for n in range(3)]
        assert loop._ready.popleft() is handles[0]
        assert list(loop._ready) == handles[1:]
        assert loop._ready[0] is handles[1]
        assert handles[2] in loop._ready
        assert handles[0] not in loop._ready
        loop._ready.clear()
        assert not loop._ready
        support.run_once(loop)
        assert seen == []
        handles[0]._run()
        assert seen == [0]

    def test_empty(self, loop):
        with pytest.raises(IndexError, match='pop from an empty deque'):
            loop._ready.popleft()

    def test_what_was_taken_out_can_be_put_back(self, loop):
        seen = []
        loop.call_soon(seen.append, 1)
        task = loop.create_task(asyncio.sleep(0, 'slept'))
        handles = take_all(loop)
        gc.collect()
        loop._ready.extend(handles)
        del handles
        gc.collect()
        assert loop.run_until_complete(task) == 'slept'
        assert seen == [1]

    def test_handle_of_a_task_steps_it(self, loop):
        async def main():
            assert asyncio.current_task() is task
            await asyncio.sleep(0)
            return 'done'

        task = loop.create_task(main())
        with running(loop):
            for _ in range(2):
                for handle in take_all(loop):
                    handle._run()
                assert asyncio.current_task() is None
        assert task.result() == 'done'

    def test_task_that_waits_for_another(self, loop):
        async def inner():
            await asyncio.sleep(0)
            return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))

        async def outer():
            return await loop.create_task(inner())

        assert drive(loop, outer()) == [1, 2]

    def test_one_task_runs_within_another(self, loop):
        async def inner():
            await asyncio.sleep(0)
            return asyncio.current_task()

        async def outer():
            me, task = asyncio.current_task(), loop.create_task(inner())
            while not task.done():
                held = hold_current_task(loop)
                iterate(loop)
                give_back_current_task(loop, held)
            await asyncio.sleep(0)
            return task.result() is task and asyncio.current_task() is me

        assert loop.run_until_complete(outer())

    def test_timer_that_is_put_in_runs_once(self, loop):
        seen = []
        timer = loop.call_later(3600, seen.append, 'due')
        later = loop.call_later(7200, seen.append, 'later')
        timers = loop._scheduled
        loop._ready.append(heapq.heappop(timers))
        assert list(loop._scheduled) == [later]
        timer = None  # noqa: F841 - the queue alone has it
        gc.collect()
        support.run_once(loop)
        assert seen == ['due']
        later.cancel()


def hold_current_task(loop):
    swap = getattr(asyncio.tasks, '_swap_current_task', None)
    return swap(loop, None) if swap else asyncio.tasks._current_tasks.pop(loop, None)


def give_back_current_task(loop, task):
    swap = getattr(asyncio.tasks, '_swap_current_task', None)
    if swap:
        swap(loop, task)
    else:
        asyncio.tasks._current_tasks[loop] = task


class TestScheduled:
    def test_order_is_that_of_a_heap(self, loop):
        timers = [loop.call_later(100 + delay, int) for delay in (5, 1, 4, 2, 3, 9, 7, 8, 6, 0)]
        heap = loop._scheduled
        if heap is loop._scheduled:
            heap = list(heap)
        popped = [heapq.heappop(heap) for _ in range(len(heap))]
        assert popped == sorted(timers, key=lambda timer: timer.when())
        for timer in timers:
            timer.cancel()


class TestSelector:
    def test_select_tells_what_is_ready(self, loop):
        here, there = socket.socketpair()
        with here, there:
            seen = []
            loop.add_reader(here, seen.append, 'read')
            assert loop._selector.select(0) == []
            there.send(b'x')
            [(key, events)] = loop._selector.select(None)
            assert (key.fd, events) == (here.fileno(), 1)
            assert key.fileobj is here
            assert [handle._args for handle in key.data if handle] == [('read',)]
            loop._process_events([(key, events)])
            [handle] = take_all(loop)
            handle._run()
            assert seen == ['read']
            loop.add_writer(there, seen.append, 'write')
            events = {key.fd: events for key, events in loop._selector.select(1)}
            assert events == {here.fileno(): 1, there.fileno(): 2}
            loop.remove_reader(here)
            loop.remove_writer(there)

    def test_the_map_is_alive(self, loop):
        selector = loop._selector
        watched = selector.get_map()
        before = set(watched)
        here, there = socket.socketpair()
        with here, there:
            fd = here.fileno()
            assert here not in watched
            loop.add_reader(here, print)
            assert set(watched) == before | {fd} and len(watched) == len(before) + 1
            assert watched[here] == watched[fd] == watched.get(here) == selector.get_key(here)
            assert watched[fd] in watched.values() and (fd, watched[fd]) in watched.items()
            for call in watched.__getitem__, selector.get_key:
                with pytest.raises(KeyError) as caught:
                    call(there)
                assert caught.value.args == (f'{there!r} is not registered',)
                with pytest.raises(ValueError, match=r"^Invalid file object: 'x'$"):
                    call('x')
            here.close()
            assert watched[here].fd == fd
            with pytest.raises(ValueError, match=r'^Invalid file descriptor: -1$'):
                selector.get_key(-1)
            loop.remove_reader(fd)
        loop.close()
        assert dict(watched) == {} and selector.get_map() is None
        with pytest.raises(RuntimeError, match=r'^Selector is closed$'):
            selector.get_key(0)

    def test_it_takes_nothing(self, impl, loop):
        for name in ('register', 'modify', 'unregister'):
            assert hasattr(loop._selector, name) is not impl.ours

    def test_another_thread_ends_a_select(self, loop):
        seen = []
        with running(loop):
            thread = threading.Thread(target=loop.call_soon_threadsafe, args=(seen.append, 1))
            thread.start()
            while not seen:
                iterate(loop)
            thread.join()

    def test_streams_timers_and_threads(self, loop):
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()
            await writer.wait_closed()

        async def main():
            server = await asyncio.start_server(echo, '127.0.0.1', 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'one ')
            writer.write(b'line\n')
            line = await reader.read()
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.001)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await loop.create_future()
            return line, await loop.run_in_executor(None, int, '42')

        assert drive(loop, main()) == (b'one line\n', 42)

    def test_select_of_a_closed_loop(self, impl):
        loop = impl.new_event_loop()
        selector = loop._selector
        loop.close()
        with pytest.raises((RuntimeError, ValueError)):
            selector.select(0)

    def test_strange_timeout(self, loop):
        with pytest.raises(TypeError):
            loop._selector.select('long')
