"""psycopg: connections, pipelines, COPY, notifications, pool, cancellation, lost connections."""

from __future__ import annotations

from compat.databases import DROPPING, SCHEMA, SHARED
from compat.support import check_same, needs

pytestmark = needs('psycopg', 'psycopg_pool')

CONNECT = (
    SHARED
    + SCHEMA
    + """
import logging
from psycopg import AsyncConnection

# Whether a pipeline is ended with a warning depends on how far the server is.
logging.disable()

def where(port=PORT, user='postgres'):
    return f'host=127.0.0.1 port={port} user={user} dbname=postgres sslmode=disable'

async def connect(**options):
    connection = await AsyncConnection.connect(where(), **options)
    await connection.execute(f'SET search_path TO {NAME}')
    await connection.commit()
    return connection
"""
)


def test_queries_pipelines_and_copies(postgres):
    check_same(
        CONNECT
        + """
async def main():
    plain = await start(connect(autocommit=True))
    seen = []
    await plain.execute('CREATE TABLE items (id int PRIMARY KEY, name text)')
    async with await connect() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            'INSERT INTO items VALUES (%s, %s) RETURNING id',
            [(n, f'name {n}') for n in range(50)],
            returning=True,
        )
        seen.append(await cursor.fetchone())
        await connection.commit()
        async with connection.transaction():
            await cursor.execute("UPDATE items SET name = 'changed' WHERE id < 3")
            try:
                async with connection.transaction():
                    await cursor.execute('DELETE FROM items')
                    await cursor.execute('INSERT INTO items VALUES (1), (1)')
            except psycopg.errors.UniqueViolation as exc:
                seen.append(told(exc))
        await cursor.execute('SELECT * FROM items ORDER BY id LIMIT 5')
        seen.append([row async for row in cursor])
        seen.append([row async for row in cursor.stream('SELECT generate_series(1, 3)')])
        async with connection.cursor('named') as named:
            await named.execute('SELECT id FROM items ORDER BY id')
            seen += [await named.fetchmany(3), await named.fetchone()]
        async with connection.pipeline() as pipeline:
            first = await connection.execute('SELECT 1')
            second = await connection.execute('SELECT %s', ['two'])
            await pipeline.sync()
            seen += [await first.fetchone(), await second.fetchone()]
        try:
            async with connection.pipeline():
                await connection.execute('SELECT wrong')
                await connection.execute('SELECT 3')
        except psycopg.Error as exc:
            seen.append(told(exc))
        await connection.rollback()
        async with cursor.copy('COPY items FROM STDIN') as copy:
            for n in range(1000, 3000):
                await copy.write_row((n, 'copied' * 20))
        size = 0
        async with cursor.copy('COPY items TO STDOUT') as copy:
            async for data in copy:
                size += len(data)
        seen.append(size)
        try:
            async with cursor.copy('COPY items FROM STDIN') as copy:
                await copy.write_row((1, 'again'))
                raise ValueError('the source is broken')
        except ValueError as exc:
            seen.append(told(exc))
        seen.append(await failure(cursor.execute('SELECT 1')) is cursor)
        await connection.rollback()
        await cursor.execute("SELECT repeat('long', 300000)")
        seen.append(len((await cursor.fetchone())[0]))
        seen.append(await asyncio.gather(*(one(connection, n) for n in range(5))))
    seen.append(connection.closed)
    await end(plain)
    return seen

async def one(connection, number):
    return await (await connection.execute('SELECT %s', [number])).fetchone()

run(main)
""",
        'psycopg',
        PORT=postgres.port,
    )


def test_notifications_cancellation_pool_and_lost_connections(postgres):
    check_same(
        CONNECT
        + DROPPING
        + """
async def main():
    plain = await start(connect(autocommit=True))
    seen = []
    listening = await connect(autocommit=True)
    await listening.execute(f'LISTEN {NAME}')

    async def hear():
        return [note.payload async for note in listening.notifies(stop_after=3)]

    hearing = asyncio.create_task(hear())
    for n in range(3):
        await asyncio.sleep(0)
        await plain.execute('SELECT pg_notify(%s, %s)', [NAME, str(n)])
    seen.append(await hearing)
    seen.append([note async for note in listening.notifies(timeout=0.01)])

    # A task that is cancelled in the middle of a query leaves the connection usable.
    async def sleeps():
        query = 'SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = %s'
        pid = listening.info.backend_pid
        return (await (await plain.execute(query, [pid, 'PgSleep'])).fetchone())[0]

    task = asyncio.create_task(listening.execute('SELECT pg_sleep(60)'))
    while not await sleeps():
        await asyncio.sleep(0)
    task.cancel('enough')
    seen.append(repr(await asyncio.gather(task, return_exceptions=True)))
    seen.append(await (await listening.execute('SELECT 1')).fetchone())
    waiting = asyncio.wait_for(listening.execute('SELECT pg_sleep(60)'), 0.02)
    seen.append(await failure(waiting))
    try:
        async with listening.transaction():
            # The transaction's alone: what resets it is no statement, which could be too late.
            await listening.execute('SET LOCAL statement_timeout = 20')
            await listening.execute('SELECT pg_sleep(60)')
    except psycopg.errors.QueryCanceled as exc:
        seen.append(told(exc))
    try:
        async with asyncio.timeout(0.02):
            await listening.execute('SELECT pg_sleep(60)')
    except TimeoutError as exc:
        seen.append(told(exc))

    # The server ends the connection in the middle of a query, and before one.
    terminate = 'SELECT pg_terminate_backend(%s)'
    task = asyncio.create_task(listening.execute('SELECT pg_sleep(60)'))
    while not await sleeps():
        await asyncio.sleep(0)
    await plain.execute(terminate, [listening.info.backend_pid])
    seen.append(await failure(task))
    seen += [listening.closed, listening.broken]
    seen.append(await failure(listening.execute('SELECT 1')))

    checked = psycopg_pool.AsyncConnectionPool.check_connection
    options = {'min_size': 1, 'max_size': 2, 'open': False, 'timeout': 10, 'check': checked}
    async with psycopg_pool.AsyncConnectionPool(where(), **options) as pool:
        await pool.wait()
        async with pool.connection() as first, pool.connection() as second:
            try:
                async with pool.connection(timeout=0.02):
                    pass
            except psycopg_pool.PoolTimeout as exc:
                seen.append(told(exc))
            waiter = asyncio.create_task(ask(pool, 'three'))
            pid = second.info.backend_pid
            await asyncio.sleep(0)
        seen.append(await waiter)
        await plain.execute(terminate, [pid])
        seen.append(await asyncio.gather(*(ask(pool, str(n)) for n in range(9))))
    seen.append((await failure(ask(pool, 'closed')))[0])

    server = await dropping(100_000)
    port = server.sockets[0].getsockname()[1]
    connection = await AsyncConnection.connect(where(port))
    query = "SELECT repeat('x', 1000) FROM generate_series(1, 1000)"
    seen.append(await failure(connection.execute(query)))
    seen.append(connection.closed)
    server.close()
    await server.wait_closed()
    seen.append((await failure(AsyncConnection.connect(where(port))))[0])
    seen.append((await failure(AsyncConnection.connect(where(user='nobody'))))[0])
    await end(plain)
    return seen

async def ask(pool, word):
    async with pool.connection() as connection:
        return await (await connection.execute('SELECT %s', [word])).fetchone()

run(main)
""",
        'psycopg, psycopg_pool',
        PORT=postgres.port,
    )
