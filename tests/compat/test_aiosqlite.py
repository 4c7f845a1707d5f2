"""aiosqlite: a thread for each connection, transactions, cursors, cancellation, errors."""

from __future__ import annotations

from compat.databases import SHARED
from compat.support import check_same, needs

pytestmark = needs('aiosqlite')


def test_queries_transactions_and_threads():
    check_same(
        SHARED
        + """
import threading

async def main():
    seen = []
    async with aiosqlite.connect(':memory:') as db:
        db.row_factory = aiosqlite.Row
        await db.execute('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)')
        await db.executemany(
            'INSERT INTO items VALUES (?, ?)', [(n, f'name {n}') for n in range(200)])
        await db.commit()
        async with db.execute('SELECT * FROM items WHERE id < 5') as cursor:
            seen.append([tuple(row) async for row in cursor])
        async with db.execute('SELECT id FROM items') as cursor:
            await cursor.fetchone()
            seen.append([tuple(row) for row in await cursor.fetchmany(3)])
        seen.append(await failure(db.execute('INSERT INTO items VALUES (1, NULL)')))
        seen.append(await failure(db.execute('SELECT wrong FROM items')))
        await db.execute('DELETE FROM items')
        await db.rollback()

        async def count(limit):
            async with db.execute('SELECT count(*) FROM items WHERE id < ?', [limit]) as cursor:
                return (await cursor.fetchone())[0]

        seen.append(await asyncio.gather(*(count(n) for n in range(20))))
        # SQL that calls Python in the connection's thread, which wakes the loop.
        loop, called, go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def wait(value):
            loop.call_soon_threadsafe(called.set)
            go.wait()
            return value * 2

        await db.create_function('wait', 1, wait)
        task = asyncio.create_task(db.execute_fetchall('SELECT wait(21)'))
        await called.wait()
        seen.append(task.done())
        go.set()
        seen.append([tuple(row) for row in await task])
        # Cancelled, the query still runs to its end, and the next one waits for that.
        called.clear()
        go.clear()
        task = asyncio.create_task(db.execute_fetchall('SELECT wait(1)'))
        await called.wait()
        task.cancel()
        seen.append(repr(await asyncio.gather(task, return_exceptions=True)))
        later = asyncio.create_task(count(7))
        seen.append(await failure(asyncio.wait_for(asyncio.shield(later), 0.01)))
        go.set()
        seen.append(await later)
        seen.append([line async for line in db.iterdump()][-1])
    seen.append(await failure(db.execute('SELECT 1')))
    seen.append(await failure(aiosqlite.connect('/not/here')))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(alone(n)) for n in range(10)]
    # A connection's thread says that it is closed a moment before it ends.
    for thread in set(threading.enumerate()) - {threading.main_thread()}:
        thread.join()
    return [*seen, [task.result() for task in tasks], threading.active_count()]

async def alone(number):
    async with aiosqlite.connect(':memory:') as db:
        return [tuple(row) for row in await db.execute_fetchall('SELECT ?', [number])]

run(main)
""",
        'aiosqlite',
    )
