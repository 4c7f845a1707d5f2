"""redis-py on asyncio: pipelines, subscriptions, blocking pops, locks, pools, lost connections."""

from __future__ import annotations

import pytest
from compat.databases import DROPPING, SHARED
from compat.support import check_same, needs

pytestmark = needs('redis')

CODE = (
    SHARED
    + DROPPING
    + """
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import LockError

def key(name):
    return f'{NAME}:{name}'

def pool(kind=ConnectionPool, port=PORT, **options):
    options |= {'host': '127.0.0.1', 'port': port, 'client_name': NAME, 'decode_responses': True}
    if PARSER == 'Python':
        options['parser_class'] = redis._parsers._AsyncRESP2Parser
    return kind(**options)

def client(**options):
    return Redis.from_pool(pool(**options))

async def main():
    seen = []
    async with client() as db:
        # Commands and pipelines.
        await db.mset({key(n): n for n in range(50)})
        seen.append(await asyncio.gather(*(db.get(key(n)) for n in range(50))))
        async with db.pipeline(transaction=True) as pipe:
            pipe.incr(key('count')).lpush(key('list'), 'a', 'b').lrange(key('list'), 0, -1)
            seen.append(await pipe.execute())
            pipe.incr(key('list')).get(key('count'))
            seen.append([str(a) for a in await pipe.execute(raise_on_error=False)])
        async with db.pipeline() as pipe:
            await pipe.watch(key('count'))
            await db.incr(key('count'))
            pipe.multi()
            pipe.incr(key('count'))
            seen.append((await failure(pipe.execute()))[0])

        async def increase(pipe):
            value = int(await pipe.get(key('count')))
            pipe.multi()
            pipe.set(key('count'), value + 10)

        seen += [await db.transaction(increase, key('count')), await db.get(key('count'))]
        await db.set(key('large'), 'long' * 500_000)
        seen.append(len(await db.get(key('large'))))
        seen.append(sorted([name async for name in db.scan_iter(key('1*'), count=10)])
            == sorted(key(n) for n in [1, *range(10, 20)]))
        seen.append(await db.eval('return {KEYS[1] == ARGV[1], 7}', 1, key('a'), key('a')))
        seen.append((await failure(db.execute_command('WRONG')))[0])

        # Lists as queues: what is there at once, what comes, what never comes.
        async def produce():
            for number in range(5):
                await db.rpush(key('queue'), number)
                await asyncio.sleep(0)

        producing = asyncio.create_task(produce())
        seen.append([(await db.blpop(key('queue'), timeout=10))[1] for _ in range(5)])
        await producing
        seen.append(await db.blpop(key('queue'), timeout=0.01))
        waiting = await wait(db)
        waiting.cancel()
        seen.append(repr(await asyncio.gather(waiting, return_exceptions=True)))
        seen.append(await failure(asyncio.wait_for(await wait(db), 0.02)))
        seen.append(await db.get(key(7)))

        # Subscriptions.
        async with db.pubsub() as pubsub:
            await pubsub.subscribe(key('channel'))
            await pubsub.psubscribe(key('pattern*'))
            for n in range(3):
                await db.publish(key('channel'), n)
            await db.publish(key('pattern 1'), 'by pattern')
            heard = []
            async for message in pubsub.listen():
                heard.append((message['type'], message['data']))
                if message['type'] == 'pmessage':
                    break
            seen.append([what for what in heard if 'subscribe' not in what[0]])
            seen.append(await pubsub.get_message(timeout=0.01))
        handled = asyncio.Event()
        async with db.pubsub() as pubsub:
            await pubsub.subscribe(**{key('channel'): lambda message: handled.set()})
            running = asyncio.create_task(pubsub.run(poll_timeout=10))
            await db.publish(key('channel'), 'handled')
            await handled.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        # Locks.
        order = []

        async def guarded(name):
            async with db.lock(key('lock'), timeout=10, sleep=0.001):
                order.append(name)
                await asyncio.sleep(0)
                order.append(name)

        await asyncio.gather(*map(guarded, 'abc'))
        seen.append([first == second for first, second in zip(order[::2], order[1::2])])
        lock = db.lock(key('lock'), timeout=10)
        seen.append(await lock.acquire())
        other = db.lock(key('lock'), blocking_timeout=0.01, sleep=0.002)
        seen.append(await other.acquire())
        try:
            await other.release()
        except LockError as exc:
            seen.append(told(exc))
        seen.append(await lock.release())
        keys = [name async for name in db.scan_iter(f'{NAME}:*', count=1000)]
        seen.append(await db.delete(*keys) == len(keys))

    # Pools: one that refuses, one that waits.
    full = pool(max_connections=1)
    db = Redis(connection_pool=full)
    task = asyncio.create_task(db.blpop(key('queue'), timeout=0.05))
    while not full._in_use_connections:
        await asyncio.sleep(0)
    seen += [(await failure(db.ping()))[0], await task, await db.ping()]
    await full.disconnect()
    waits = pool(BlockingConnectionPool, max_connections=2, timeout=10)
    db = Redis(connection_pool=waits)
    seen.append(await asyncio.gather(*(db.echo(str(n)) for n in range(20))))
    await waits.disconnect()

    # Lost connections: ended by the server while idle and while waiting, and on the way.
    async with client() as admin, client(retry=Retry(NoBackoff(), 0)) as db:
        ident = await db.client_id()
        await admin.client_kill_filter(_id=ident)
        await failure(db.ping())  # an error or not, by what comes first
        seen.append(await db.ping())
        single = db.client()
        async with single:
            ident = await single.client_id()
            waiting = await wait(single, admin)
            await admin.client_kill_filter(_id=ident)
            seen.append((await failure(waiting))[0])
            seen.append(await single.ping())
    async with client(retry=Retry(NoBackoff(), 3)) as db:
        ident = await db.client_id()
        async with client() as admin:
            await admin.client_kill_filter(_id=ident)
        seen.append(await db.ping())
    server = await dropping(100_000)
    port = server.sockets[0].getsockname()[1]
    async with client() as db:
        await db.set(key('large'), 'x' * 1_000_000)
        async with client(port=port, retry=Retry(NoBackoff(), 0)) as dropped:
            seen.append((await failure(dropped.get(key('large'))))[0])
        await db.delete(key('large'))
    server.close()
    await server.wait_closed()
    async with client(port=port, retry=Retry(NoBackoff(), 1)) as refused:
        seen.append((await failure(refused.ping()))[0])

    # A server that says nothing.
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, '127.0.0.1', 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(port=port, socket_timeout=0.02, retry=Retry(NoBackoff(), 0)) as db:
            seen.append((await failure(db.ping()))[0])
    return seen

async def wait(db, admin=None):
    # A task that waits for what never comes; the server knows it by now.
    task = asyncio.create_task(db.blpop(key('queue')))
    while not any(
        client['name'] == NAME and 'b' in client['flags']
        for client in await (admin or db).client_list()
    ):
        await asyncio.sleep(0)
    return task

run(main)
"""
)


@pytest.mark.parametrize('parser', ['hiredis', 'Python'])
def test_commands_queues_subscriptions_locks_and_lost_connections(redis, parser):
    imports = 'redis, redis.asyncio'
    if parser == 'hiredis':
        pytest.importorskip('hiredis')
        imports += ', hiredis'
    check_same(CODE, imports, PORT=redis.port, PARSER=parser)
