"""asyncpg: pool, transactions, cursors, COPY, notifications, cancellation, lost connections."""

from __future__ import annotations

import support
from compat.databases import DROPPING, SCHEMA, SHARED
from compat.support import check_same, needs

pytestmark = needs('asyncpg')

CONNECT = (
    SHARED
    + SCHEMA
    + """
import ssl

WHERE = {'host': '127.0.0.1', 'port': PORT, 'user': 'postgres', 'database': 'postgres'}
"""
)


def test_queries_transactions_cursors_and_copies(postgres):
    check_same(
        CONNECT
        + """
async def main():
    plain = await start(asyncpg.connect(**WHERE, ssl=False))
    seen = []
    path = {'search_path': NAME}
    async with asyncpg.create_pool(
        **WHERE, ssl=False, min_size=2, max_size=5, server_settings=path
    ) as pool:
        await pool.execute('CREATE TABLE items (id int PRIMARY KEY, name text, at timestamptz)')
        await pool.executemany(
            'INSERT INTO items VALUES ($1, $2, to_timestamp(4e8))',
            [(n, f'name {n}') for n in range(200)],
        )
        rows = await asyncio.gather(
            *(pool.fetchrow('SELECT * FROM items WHERE id = $1', n) for n in range(20))
        )
        seen.append([tuple(row) for row in rows])
        async with pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute("UPDATE items SET name = 'changed' WHERE id < 3")
                try:
                    async with connection.transaction():
                        await connection.execute('DELETE FROM items')
                        await connection.execute('INSERT INTO items VALUES (1), (1)')
                except asyncpg.UniqueViolationError as exc:
                    seen.append(told(exc))
                names = [r['name'] async for r in connection.cursor(
                    'SELECT name FROM items ORDER BY id LIMIT 9', prefetch=2)]
                cursor = await connection.cursor('SELECT id FROM items ORDER BY id')
                await cursor.forward(100)
                seen += [names, [tuple(r) for r in await cursor.fetch(3)]]
            statement = await connection.prepare('SELECT count(*), $1::json FROM items')
            seen.append(tuple(await statement.fetchrow('{"a": 1}')))

            async def lines():
                for n in range(1000, 3000):
                    yield b'%d\\tcopied %d\\t\\\\N\\n' % (n, n)
                    if n % 500 == 0:
                        await asyncio.sleep(0)

            seen.append(await connection.copy_to_table('items', source=lines()))
            seen.append(await connection.copy_records_to_table(
                'items', records=[(n, 'x' * 3000, None) for n in range(5000, 5100)]))
            size = 0

            async def count(data):
                nonlocal size
                size += len(data)
                await asyncio.sleep(0)

            seen += [await connection.copy_from_table('items', output=count), size]

            async def broken():
                yield b'1\\tagain\\t\\\\N\\n'
                raise ValueError('the source is broken')

            seen.append(await failure(connection.copy_to_table('items', source=broken())))
            seen.append(len(await connection.fetchval("SELECT repeat('long', 300000)")))
            seen.append(await failure(connection.fetch('SELECT wrong FROM items')))
            await connection.set_type_codec(
                'json', schema='pg_catalog', encoder=str, decoder=lambda text: text.upper())
            seen.append(await connection.fetchval("SELECT '{}'::json || ''", timeout=10))
            done, error = await asyncio.gather(
                connection.fetch('SELECT 1'), connection.fetch('SELECT 2'), return_exceptions=True)
            seen += [tuple(done[0]), told(error)]
    await end(plain)
    return seen

run(main)
""",
        'asyncpg',
        PORT=postgres.port,
    )


def test_notifications_cancellation_and_lost_connections(postgres):
    check_same(
        CONNECT
        + DROPPING
        + """
async def main():
    plain = await start(asyncpg.connect(**WHERE, ssl=False))
    seen = []
    context = ssl.create_default_context(cafile=CERTIFICATE)
    secure = await asyncpg.connect(**WHERE | {'host': 'localhost'}, ssl=context)
    seen.append(await secure.fetchval(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))

    heard = asyncio.Queue()
    def hear(connection, pid, channel, payload):
        heard.put_nowait((connection is secure, channel == NAME, payload))
    await secure.add_listener(NAME, hear)
    await plain.execute(f"NOTIFY {NAME}, 'first'")
    seen.append(await heard.get())
    async with plain.transaction():
        for n in range(3):
            await plain.execute('SELECT pg_notify($1, $2)', NAME, str(n))
    seen.append([await heard.get() for _ in range(3)])
    await secure.remove_listener(NAME, hear)

    # A task that is cancelled in the middle of a query leaves the connection usable.
    for connection in plain, secure:
        task = asyncio.create_task(connection.execute('SELECT pg_sleep(60)'))
        while not await (secure if connection is plain else plain).fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%'"
            " AND state = 'active'", connection.get_server_pid()):
            await asyncio.sleep(0)
        task.cancel()
        seen.append(await asyncio.gather(task, return_exceptions=True))
        seen.append(await connection.fetchval('SELECT 1'))
        seen.append(await failure(connection.execute('SELECT pg_sleep(60)', timeout=0.02)))
        waiting = asyncio.wait_for(connection.execute('SELECT pg_sleep(60)'), 0.02)
        seen.append(await failure(waiting))
        try:
            async with asyncio.timeout(0.02):
                await connection.execute('SELECT pg_sleep(60)')
        except TimeoutError as exc:
            seen.append(told(exc))
        seen.append(await connection.fetchval('SELECT 2'))

    # The server ends connections: an idle one, one in a query, one in a pool.
    lost = asyncio.Event()
    secure.add_termination_listener(lambda connection: lost.set())
    await plain.execute('SELECT pg_terminate_backend($1)', secure.get_server_pid())
    await lost.wait()
    seen.append(secure.is_closed())
    seen.append(await failure(secure.fetch('SELECT 1')))
    async with asyncpg.create_pool(**WHERE, ssl=False, min_size=1, max_size=2) as pool:
        async with pool.acquire() as first, pool.acquire() as second:
            seen.append(await failure(pool.acquire(timeout=0.02)))
            waiting = asyncio.create_task(pool.fetchval('SELECT 3'))
            sleeping = asyncio.create_task(second.execute('SELECT pg_sleep(60)'))
            await first.execute('SELECT pg_terminate_backend($1)', second.get_server_pid())
            seen += [told(e) for e in await asyncio.gather(sleeping, return_exceptions=True)]
        seen.append(await waiting)
        seen.append(await asyncio.gather(*(pool.fetchval('SELECT $1::int', n) for n in range(9))))
        held = await pool.acquire()
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)
        seen.append(closing.done())
        await pool.release(held)
        await closing
        seen.append(await failure(pool.acquire()))

    # Somebody in between drops the connection in the middle of an answer.
    server = await dropping(100_000)
    port = server.sockets[0].getsockname()[1]
    connection = await asyncpg.connect(**WHERE | {'port': port}, ssl=False)
    seen.append(await failure(
        connection.fetch("SELECT repeat('x', 1000) FROM generate_series(1, 1000)")))
    seen.append(connection.is_closed())
    server.close()
    await server.wait_closed()
    seen.append((await failure(asyncpg.connect(**WHERE | {'port': port}, ssl=False)))[0])
    seen.append(await failure(asyncpg.connect(**WHERE | {'user': 'not here'}, ssl=False)))
    await end(plain)
    return seen

run(main)
""",
        'asyncpg',
        PORT=postgres.port,
        CERTIFICATE=str(support.TESTS / 'localhost.pem'),
    )
