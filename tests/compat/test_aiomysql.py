"""aiomysql: pool, transactions, cursors that stream, cancellation, lost connections."""

from __future__ import annotations

from compat.databases import DROPPING, SHARED
from compat.support import check_same, needs

pytestmark = needs('aiomysql')


def test_queries_pool_cancellation_and_lost_connections(mariadb):
    check_same(
        SHARED
        + DROPPING
        + """
WHERE = {'host': '127.0.0.1', 'user': 'root', 'autocommit': True, 'charset': 'utf8mb4'}

async def ask(pool, query, *arguments):
    async with pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute(query, arguments)
        return await cursor.fetchone()

async def main():
    seen = []
    plain = await aiomysql.connect(port=PORT, **WHERE)
    cursor = await plain.cursor()
    await cursor.execute(f'CREATE DATABASE {NAME}')
    await plain.select_db(NAME)
    await cursor.execute('CREATE TABLE items (id INT PRIMARY KEY, name LONGTEXT)')
    async with aiomysql.create_pool(port=PORT, db=NAME, minsize=1, maxsize=3, **WHERE) as pool:
        async with pool.acquire() as connection:
            async with connection.cursor(aiomysql.DictCursor) as cursor:
                await cursor.executemany(
                    'INSERT INTO items VALUES (%s, %s)', [(n, f'name {n}') for n in range(300)])
                await connection.begin()
                await cursor.execute("UPDATE items SET name = 'changed' WHERE id < 3")
                await connection.rollback()
                await connection.begin()
                await cursor.execute("UPDATE items SET name = 'ende, \\u00e4ndern' WHERE id = 4")
                await connection.commit()
                await cursor.execute('SELECT * FROM items ORDER BY id LIMIT 5')
                seen.append(await cursor.fetchall())
                seen.append(await failure(cursor.execute('INSERT INTO items VALUES (1, 1)')))
                seen.append(await failure(cursor.execute('SELECT wrong FROM items')))
            async with connection.cursor(aiomysql.SSCursor) as cursor:
                await cursor.execute('SELECT id FROM items ORDER BY id')
                seen += [await cursor.fetchmany(3), len([row async for row in cursor])]
                await cursor.execute("SELECT REPEAT('long', 300000)")
                seen.append(len((await cursor.fetchone())[0]))
        seen.append(await asyncio.gather(*(ask(pool, 'SELECT %s', n) for n in range(20))))

        # The pool has no more; a waiter gets what comes back.
        held = [await pool.acquire() for _ in range(3)]
        seen.append(await failure(asyncio.wait_for(ask(pool, 'SELECT 1'), 0.02)))
        waiting = asyncio.create_task(ask(pool, 'SELECT 2'))
        await asyncio.sleep(0)
        pool.release(held.pop())
        seen.append(await waiting)

        # Cancelled in the middle of a query, the connection is closed.
        cursor = await held[0].cursor()
        task = asyncio.create_task(cursor.execute('SELECT SLEEP(60)'))
        running = 'SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s AND state = %s'
        ident = held[0].thread_id()
        while (await ask(pool, running, ident, 'User sleep')) != (1,):
            await asyncio.sleep(0)
        task.cancel()
        seen.append(repr(await asyncio.gather(task, return_exceptions=True)))
        seen.append(await failure(cursor.execute('SELECT 1')))
        seen.append(await failure(asyncio.wait_for(ask(pool, 'SELECT SLEEP(60)'), 0.02)))
        for connection in held:
            pool.release(connection)
        seen.append(await asyncio.gather(*(ask(pool, 'SELECT %s', n) for n in range(9))))

        # The server ends a connection: an idle one, and one in a query.
        async with pool.acquire() as connection:
            await ask(pool, 'KILL %s', connection.thread_id())
            cursor = await connection.cursor()
            seen.append((await failure(cursor.execute('SELECT 1')))[0])
            await connection.ping()
            await cursor.execute('SELECT SLEEP(0)')
            seen.append(await cursor.fetchall())
            task = asyncio.create_task(cursor.execute('SELECT SLEEP(60)'))
            ident = connection.thread_id()
            while (await ask(pool, running, ident, 'User sleep')) != (1,):
                await asyncio.sleep(0)
            await ask(pool, 'KILL %s', ident)
            seen.append((await failure(task))[0])
        seen.append(await ask(pool, 'SELECT 3'))

    server = await dropping(100_000)
    port = server.sockets[0].getsockname()[1]
    connection = await aiomysql.connect(port=port, **WHERE)
    cursor = await connection.cursor()
    seen.append(await failure(cursor.execute("SELECT REPEAT('x', 1000000)")))
    connection.close()
    server.close()
    await server.wait_closed()
    seen.append((await failure(aiomysql.connect(port=port, **WHERE)))[0])
    seen.append(await failure(aiomysql.connect(port=PORT, **WHERE, db='not here')))
    cursor = await plain.cursor()
    await cursor.execute(f'DROP DATABASE {NAME}')
    await plain.ensure_closed()
    return seen

run(main)
""",
        'aiomysql',
        PORT=mariadb.port,
    )
