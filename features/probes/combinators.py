"""sleep, gather, wait, as_completed, shield, timeouts, task groups."""

import asyncio

from harness.probe import Group

combinator = Group('sleep, gather, wait, as_completed, shield', 'tests/sync/test_gather.py')
timeouts = Group('Timeouts', 'tests/sync/test_timeout.py')
groups = Group('TaskGroup', 'tests/sync/test_taskgroup.py')

FUNCTIONS = 'tests/sync/test_functions.py'
SLEEP = 'tests/sync/test_sleep.py'
WAIT = 'tests/sync/test_wait.py'
AS_COMPLETED = 'tests/sync/test_as_completed.py'
SHIELD = 'tests/sync/test_shield.py'
WAIT_FOR = 'tests/sync/test_wait_for.py'


async def answer(value=42, turns=1):
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


async def fails(text='key', turns=0):
    await answer(turns=turns)
    raise KeyError(text)


async def long(t, name):
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        t.tell('cancelled', name)
        raise


@combinator('asyncio.sleep()', test=SLEEP)
async def sleep(t):
    began = t.loop.time()
    t.tell(await t.aio.sleep(0.002), t.loop.time() - began >= 0.002)
    t.tell(await t.aio.sleep(0), await t.aio.sleep(-1))
    with t.raised():
        await t.aio.sleep(float('nan'))
    with t.raised():
        await t.aio.sleep('1')


@combinator('asyncio.sleep(result=)', test=SLEEP)
async def sleep_result(t):
    t.tell(await t.aio.sleep(0, 'now'), await t.aio.sleep(0.001, result='later'))


@combinator('asyncio.gather()')
async def gather(t):
    t.tell(await t.aio.gather(answer(1, 3), answer(2), t.loop.create_task(answer(3))))
    t.tell(await t.aio.gather())
    same = answer(5)
    t.tell(await t.aio.gather(same, same))
    left = asyncio.create_task(long(t, 'left'))
    with t.raised():
        await t.aio.gather(fails(), left)
    t.tell(left.done())
    whole = t.aio.gather(left, long(t, 'other'))
    await asyncio.sleep(0)
    t.tell(whole, whole.cancel())
    with t.raised():
        await whole
    with t.raised():
        t.aio.gather(5)


@combinator('asyncio.gather(return_exceptions=)')
async def gather_exceptions(t):
    one = t.loop.create_future()
    one.cancel()
    t.tell(await t.aio.gather(fails(), answer(), one, return_exceptions=True))


@combinator(
    'asyncio.wait()',
    test=WAIT,
    covers=('asyncio.FIRST_COMPLETED', 'asyncio.FIRST_EXCEPTION', 'asyncio.ALL_COMPLETED'),
)
async def wait(t):
    tasks = [asyncio.create_task(answer(i, i)) for i in range(1, 4)]
    done, pending = await t.aio.wait(tasks)
    t.tell(sorted(one.result() for one in done), pending)
    for bad in ([], [answer()], 5):
        with t.raised():
            await t.aio.wait(bad)
        if bad and bad != 5:
            bad[0].close()
    t.tell(t.aio.FIRST_COMPLETED, t.aio.FIRST_EXCEPTION, t.aio.ALL_COMPLETED)


@combinator('asyncio.wait(return_when=)', test=WAIT)
async def wait_return_when(t):
    for when in (t.aio.FIRST_COMPLETED, t.aio.FIRST_EXCEPTION, t.aio.ALL_COMPLETED):
        one = asyncio.create_task(answer())
        two = asyncio.create_task(fails(turns=3))
        three = asyncio.create_task(answer(turns=6))
        done, pending = await t.aio.wait([one, two, three], return_when=when)
        t.tell(when, one in done, two in done, three in done, len(pending))
        await asyncio.gather(one, two, three, return_exceptions=True)
    with t.raised():
        await t.aio.wait([one], return_when='never')


@combinator('asyncio.wait(timeout=)', test=WAIT)
async def wait_timeout(t):
    one, two = asyncio.create_task(answer()), asyncio.create_task(long(t, 'long'))
    done, pending = await t.aio.wait([one, two], timeout=0.002)
    t.tell(one in done, two in pending, two.done())


@combinator('asyncio.wait() of a generator', since=(3, 12), test=WAIT)
async def wait_generator(t):
    done, _ = await t.aio.wait(asyncio.create_task(answer(i)) for i in range(2))
    t.tell(len(done))


@combinator('asyncio.as_completed()', test=AS_COMPLETED)
async def as_completed(t):
    for one in t.aio.as_completed([answer(1, 4), answer(2, 2), answer(3, 3)]):
        t.tell(await one)
    with t.raised():
        for one in t.aio.as_completed([fails()]):
            await one
    with t.raised():
        next(iter(t.aio.as_completed(5)))


@combinator('asyncio.as_completed(timeout=)', test=AS_COMPLETED)
async def as_completed_timeout(t):
    with t.raised():
        for one in t.aio.as_completed([long(t, 'long')], timeout=0.001):
            await one


@combinator('async for over as_completed()', since=(3, 13), test=AS_COMPLETED)
async def as_completed_async(t):
    tasks = [asyncio.create_task(answer(i, 5 - i)) for i in range(3)]
    async for one in t.aio.as_completed(tasks):
        t.tell(tasks.index(one), await one)


@combinator('asyncio.shield()', test=SHIELD)
async def shield(t):
    inner = asyncio.create_task(answer(turns=5))
    outer = t.aio.shield(inner)
    await asyncio.sleep(0)
    outer.cancel()
    with t.raised():
        await outer
    t.tell(inner.done(), await inner, await t.aio.shield(answer()))
    with t.raised():
        await t.aio.shield(fails())
    with t.raised():
        t.aio.shield(5)


@combinator('asyncio.ensure_future()', test=FUNCTIONS)
async def ensure_future(t):
    class Awaitable:
        def __await__(self):
            return (yield from answer().__await__())

    one = t.loop.create_future()
    t.tell(t.aio.ensure_future(one) is one)
    t.tell(await t.aio.ensure_future(answer()), await t.aio.ensure_future(Awaitable()))
    with t.raised():
        t.aio.ensure_future(5)
    with t.raised():
        t.aio.ensure_future(one, loop=t.new_loop())


@combinator('signatures, names and docstrings of the functions', test=FUNCTIONS)
async def signatures(t):
    import inspect

    for name in (
        'sleep',
        'gather',
        'wait',
        'wait_for',
        'shield',
        'as_completed',
        'ensure_future',
        'timeout',
        'run',
        'to_thread',
        'create_task',
    ):
        function = getattr(t.aio, name)
        t.tell(name, function.__name__, inspect.signature(function), bool(function.__doc__))


@timeouts('asyncio.timeout()', covers=('Timeout.when()', 'Timeout.expired()'))
async def timeout(t):
    with t.raised():
        async with t.aio.timeout(0.001) as one:
            t.tell(one.expired(), one.when() > t.loop.time())
            await long(t, 'long')
    t.tell(one.expired(), one)
    async with t.aio.timeout(None) as one:
        t.tell(one.when(), one)
    t.tell(one)
    async with t.aio.timeout(10) as one:
        await answer()
    t.tell(one.expired(), asyncio.current_task().cancelling())
    with t.raised():
        async with t.aio.timeout(-1):
            await asyncio.sleep(0)
    with t.raised():
        async with one:
            pass


@timeouts('asyncio.timeout_at()')
async def timeout_at(t):
    with t.raised():
        async with t.aio.timeout_at(t.loop.time() + 0.001):
            await asyncio.sleep(100)
    with t.raised():
        async with t.aio.timeout_at(0):
            await asyncio.sleep(0)


@timeouts('Timeout.reschedule()')
async def reschedule(t):
    with t.raised():
        async with t.aio.timeout(100) as one:
            one.reschedule(t.loop.time() + 0.001)
            await asyncio.sleep(100)
    with t.raised():
        one.reschedule(None)
    async with t.aio.timeout(0.001) as one:
        one.reschedule(None)
        t.tell(one.when())
        await asyncio.sleep(0.002)
    with t.raised():
        t.aio.timeouts.Timeout(5).reschedule(6)


@timeouts('timeouts in one another, and an own cancellation')
async def timeout_nested(t):
    with t.raised():
        async with t.aio.timeout(10) as outer:
            async with t.aio.timeout(0.001) as inner:
                await asyncio.sleep(100)
    t.tell(outer.expired(), inner.expired())

    async def work():
        async with t.aio.timeout(10):
            await asyncio.sleep(100)

    one = asyncio.create_task(work())
    await asyncio.sleep(0)
    one.cancel('message')
    with t.raised():
        await one


@timeouts('Timeout outside of a task')
def timeout_outside(t):
    async def enter():
        pass

    one = t.aio.timeouts.Timeout(None)
    with t.raised():
        one.__aenter__().send(None)


@timeouts('asyncio.wait_for()', test=WAIT_FOR)
async def wait_for(t):
    t.tell(await t.aio.wait_for(answer(), 1), await t.aio.wait_for(answer(), None))
    with t.raised():
        await t.aio.wait_for(long(t, 'long'), 0.001)
    with t.raised():
        await t.aio.wait_for(long(t, 'not begun'), 0)
    with t.raised():
        await t.aio.wait_for(fails(), 1)
    one = t.loop.create_future()
    one.set_result('ready')
    t.tell(await t.aio.wait_for(one, -1))
    with t.raised():
        await t.aio.wait_for(5, 1)

    async def outer():
        await t.aio.wait_for(long(t, 'inner'), 100)

    one = asyncio.create_task(outer())
    await answer(turns=3)
    one.cancel()
    with t.raised():
        await one


@groups(
    'TaskGroup.create_task()',
    covers=('TaskGroup.create_task(name=)', 'TaskGroup.create_task(context=)'),
)
async def task_group(t):
    async with t.aio.TaskGroup() as group:
        t.tell(group)
        one = group.create_task(answer(1, 3))
        two = group.create_task(answer(2), name='two')
        t.tell(group, two.get_name())
    t.tell(one.result(), two.result(), group)
    coroutine = answer()
    with t.raised():
        group.create_task(coroutine)
    coroutine.close()
    coroutine = answer()
    with t.raised():
        t.aio.TaskGroup().create_task(coroutine)
    coroutine.close()


@groups('TaskGroup: a task that fails')
async def task_group_fails(t):
    with t.raised():
        async with t.aio.TaskGroup() as group:
            group.create_task(long(t, 'first'))
            group.create_task(fails('one', 2))
            group.create_task(fails('two', 2))
            await long(t, 'body')
    t.tell(asyncio.current_task().cancelling(), group)


@groups('TaskGroup: a body that fails')
async def task_group_body(t):
    with t.raised():
        async with t.aio.TaskGroup() as group:
            group.create_task(long(t, 'task'))
            await asyncio.sleep(0)
            raise ValueError('body')
    try:
        async with t.aio.TaskGroup() as group:
            group.create_task(fails())
            await answer()
            raise ValueError('body')
    except* KeyError as errors:
        t.tell('except*', errors)
    except* ValueError as errors:
        t.tell('except*', errors)


@groups('TaskGroup: cancelled from outside')
async def task_group_cancelled(t):
    async def work():
        async with t.aio.TaskGroup() as group:
            group.create_task(long(t, 'task'))

    one = asyncio.create_task(work())
    await answer(turns=3)
    one.cancel('message')
    with t.raised():
        await one


@groups('TaskGroup: KeyboardInterrupt and SystemExit')
def task_group_exits(t):
    async def leave(error):
        raise error

    async def main(error):
        async with t.aio.TaskGroup() as group:
            group.create_task(leave(error))
            await asyncio.sleep(0.01)

    for error in (SystemExit(1), KeyboardInterrupt()):
        with t.raised():
            t.run(main(error))


@groups('TaskGroup entered twice, or outside of a task')
async def task_group_twice(t):
    group = t.aio.TaskGroup()
    async with group:
        with t.raised():
            async with group:
                pass
    done = t.loop.create_future()

    def outside():
        with t.raised():
            t.aio.TaskGroup().__aenter__().send(None)
        done.set_result(None)

    t.loop.call_soon(outside)
    await done


@groups('TaskGroups in one another')
async def task_groups_nested(t):
    with t.raised():
        async with t.aio.TaskGroup() as outer:
            outer.create_task(long(t, 'outer'))
            async with t.aio.TaskGroup() as inner:
                inner.create_task(long(t, 'inner'))
                inner.create_task(fails())


@groups('TaskGroup with eager tasks', since=(3, 12))
async def task_group_eager(t):
    t.loop.set_task_factory(t.aio.eager_task_factory)
    async with t.aio.TaskGroup() as group:
        one = group.create_task(answer(1, 0))
        t.tell(one.done())
        two = group.create_task(answer(2, 2))
    t.tell(one.result(), two.result())


@groups('TaskGroup.create_task() of any keyword: eager_start=', since=(3, 14))
async def task_group_keywords(t):
    async with t.aio.TaskGroup() as group:
        t.tell(group.create_task(answer(1, 0), eager_start=True).done())


@groups('TaskGroup.cancel()', since=(3, 15))
async def task_group_cancel(t):
    async with t.aio.TaskGroup() as group:
        group.create_task(long(t, 'task'))
        await asyncio.sleep(0)
        t.tell(group.cancel(), group.cancel())
        await long(t, 'body')
    t.tell('after', group, asyncio.current_task().cancelling())
    group = t.aio.TaskGroup()
    group.cancel()
    async with group:
        await asyncio.sleep(0)
        t.tell('not reached')
    group.cancel()


@groups('TaskGroup: GeneratorExit alone leaves as it is', since=(3, 15))
async def task_group_generator_exit(t):
    async def generator():
        async with t.aio.TaskGroup() as group:
            group.create_task(long(t, 'task'))
            await asyncio.sleep(0)
            yield 1

    iterator = generator()
    t.tell(await anext(iterator))
    with t.raised():
        await iterator.aclose()
