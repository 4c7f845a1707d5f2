"""arq: a worker with jobs that retry, time out, are aborted; a worker process ended by a signal."""

from __future__ import annotations

from compat.databases import SHARED
from compat.support import check_same, needs

pytestmark = needs('arq')

JOBS = (
    SHARED
    + """
import logging, signal
from arq.connections import RedisSettings, create_pool
from arq.worker import Retry, Worker, func

logging.disable()
SETTINGS = RedisSettings('127.0.0.1', PORT)
events = []

async def add(ctx, *numbers):
    await asyncio.sleep(0)
    return sum(numbers)

async def fails(ctx):
    raise ValueError('failed')

async def retries(ctx):
    events.append(('try', ctx['job_try']))
    if ctx['job_try'] < 3:
        raise Retry(defer=0.001)
    return 'at last'

async def sleeps(ctx):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        events.append('cancelled')
        raise

async def ends(ctx):
    # The worker sleeps by then: in its polling, wait_for() of 3.11 may lose the cancellation.
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    await sleeps(ctx)

async def startup(ctx):
    ctx['started'] = True
    events.append('startup')

async def shutdown(ctx):
    events.append(('shutdown', ctx['started']))

async def result_of(job):
    while (await job.status()).value != 'complete':
        await asyncio.sleep(0.002)
    return await failure(job.result())

def make_worker(*functions, **options):
    options = {'queue_name': NAME, 'poll_delay': 0.002, 'handle_signals': False} | options
    return Worker(functions, on_startup=startup, on_shutdown=shutdown, **options)
"""
)


def test_worker_in_the_program(redis):
    check_same(
        JOBS
        + """
async def main():
    seen = []
    pool = await create_pool(SETTINGS, default_queue_name=NAME)
    worker = make_worker(
        add, fails, retries, func(sleeps, name='late', timeout=0.02), sleeps,
        redis_pool=pool, allow_abort_jobs=True, max_jobs=5)
    working = asyncio.create_task(worker.async_run())
    jobs = [await pool.enqueue_job('add', n, 1, _job_id=f'{NAME}:{n}') for n in range(20)]
    seen.append(await pool.enqueue_job('add', 1, _job_id=f'{NAME}:0'))
    seen.append(await asyncio.gather(*map(result_of, jobs)))
    for name in 'fails', 'retries', 'late', 'missing':
        seen.append(await result_of(await pool.enqueue_job(name)))
    seen.append(await result_of(await pool.enqueue_job('add', 40, 2, _defer_by=0.01)))
    job = await pool.enqueue_job('sleeps')
    while (await job.status()).value != 'in_progress':
        await asyncio.sleep(0)
    seen.append((await failure(job.result(0.02, poll_delay=0.002)))[0])
    await job.abort(timeout=10, poll_delay=0.002)
    seen.append(await result_of(job))
    seen.append((worker.jobs_complete, worker.jobs_failed, worker.jobs_retried))
    # Once is not enough where something below loses it, as wait_for() of 3.11 may.
    while not working.done():
        working.cancel()
        await asyncio.wait([working], timeout=0.02)
    seen.append(repr(working.cancelled()))
    await worker.close()
    return [*seen, events]

run(main)
""",
        'arq, arq.connections, arq.worker',
        PORT=redis.port,
    )


def test_worker_with_a_loop_of_its_own_ended_by_a_signal(redis):
    check_same(
        JOBS
        + """
async def main():
    pool = await create_pool(SETTINGS, default_queue_name=NAME)
    await pool.enqueue_job('ends', _job_id=NAME)
    await pool.aclose()
    global KIND
    KIND = type(asyncio.get_running_loop())

async def outcome():
    pool = await create_pool(SETTINGS, default_queue_name=NAME)
    job = arq.jobs.Job(NAME, pool, NAME)
    found = await job.status(), await result_of(job)
    await pool.aclose()
    return found

async def ends_at_once(ctx):
    return ctx['job_try']

def work(function, **options):
    asyncio.set_event_loop(asyncio.new_event_loop())
    worker = make_worker(func(function, name='ends'), redis_settings=SETTINGS, **options)
    assert isinstance(worker.loop, KIND)
    print(failed(worker.run), worker.jobs_complete, worker.jobs_retried, worker.loop.is_closed())
    worker.loop.close()

def failed(function):
    try:
        return function()
    except BaseException as exc:
        return told(exc)

run(main)
work(ends, handle_signals=True, poll_delay=60)
work(ends_at_once, burst=True)
run(outcome)
print(events)
""",
        'arq, arq.connections, arq.jobs, arq.worker',
        PORT=redis.port,
    )
