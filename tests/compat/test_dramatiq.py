"""dramatiq: actors that are coroutines, on the loop of its asyncio middleware in a thread."""

from __future__ import annotations

from compat.databases import SHARED
from compat.support import check_same, needs

pytestmark = needs('dramatiq')

ACTORS = (
    SHARED
    + """
import logging, threading
from dramatiq.asyncio import EventLoopThread
from dramatiq.middleware import AsyncIO, Pipelines, Retries, TimeLimit
from dramatiq.results import ResultFailure, Results

logging.disable()

async def main():
    global KIND
    KIND = type(asyncio.get_running_loop())

def middleware(backend):
    return [Pipelines(), TimeLimit(interval=10), Retries(), AsyncIO(), Results(backend=backend)]

def declare():
    events = []

    @dramatiq.actor(store_results=True, queue_name=NAME)
    async def add(*numbers):
        assert type(asyncio.get_running_loop()) is KIND
        await asyncio.sleep(0)
        return sum(numbers)

    @dramatiq.actor(store_results=True, queue_name=NAME, max_retries=2, min_backoff=1)
    async def retries():
        events.append('try')
        if len(events) < 3:
            raise ValueError('failed')
        return events.count('try')

    @dramatiq.actor(store_results=True, queue_name=NAME, max_retries=0)
    async def fails():
        raise ValueError('failed')

    @dramatiq.actor(queue_name=NAME, max_retries=0)
    async def late():
        try:
            await asyncio.sleep(5)  # the exception that dramatiq sends the thread may be lost
        except asyncio.CancelledError:
            events.append('cancelled')
            raise

    @dramatiq.actor(store_results=True, queue_name=NAME)
    async def together(*numbers):
        async def double(number):
            return await asyncio.to_thread(lambda: number * 2)
        async with asyncio.timeout(10):
            return await asyncio.gather(*map(double, numbers))

    return add, retries, fails, late, together, events

def work(broker, **wait):
    dramatiq.set_broker(broker)
    broker.emit_after('process_boot')
    add, retries, fails, late, together, events = declare()
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=4)
    worker.start()
    seen = []
    messages = [add.send(n, 1) for n in range(20)]
    seen.append([message.get_result(block=True) for message in messages])
    seen.append((add.message(1, 2) | add.message(3)).run().get_result(block=True))
    group = dramatiq.group([add.message(n) for n in range(5)]).run()
    seen.append(list(group.get_results(block=True)))
    seen.append(retries.send().get_result(block=True))
    seen.append(together.send(*range(5)).get_result(block=True))
    try:
        fails.send().get_result(block=True)
    except ResultFailure as exc:
        seen.append(told(exc))
    limit_ms = 20
    while 'cancelled' not in events:  # the time may be over before it has begun
        late.send_with_options(time_limit=limit_ms)
        broker.join(NAME, **wait)
        worker.join()
        limit_ms *= 2
    worker.stop()
    seen.append((events.count('try'), sorted(set(events))))
    seen.append([t for t in threading.enumerate() if isinstance(t, EventLoopThread)])
    try:
        add(1)
    except RuntimeError as exc:
        seen.append(told(exc))
    broker.close()
    print(seen)

run(main)
"""
)


def test_on_a_stub_broker():
    check_same(
        ACTORS
        + """
from dramatiq.brokers.stub import StubBroker
from dramatiq.results.backends import StubBackend

work(StubBroker(middleware=middleware(StubBackend())), fail_fast=False)
""",
        'dramatiq',
    )


@needs('redis')
def test_on_redis(redis):
    check_same(
        ACTORS
        + """
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results.backends import RedisBackend

where = {'host': '127.0.0.1', 'port': PORT, 'namespace': NAME}
work(RedisBroker(middleware=middleware(RedisBackend(**where)), **where))
""",
        'dramatiq',
        PORT=redis.port,
    )
