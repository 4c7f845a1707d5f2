"""Barrier: who meets whom and when, who is refused, and what is seen of it."""

from __future__ import annotations

import asyncio
import gc
import random
import re
import sys
import weakref

import pytest
from sync.same import check, plain, tell
from sync.steps import outcomes, refused, settle, shown, spawn

pytestmark = pytest.mark.usefixtures('loop')

State = asyncio.locks._BarrierState


class Turns:
    """Counts the iterations of the running loop."""

    def __init__(self):
        self.count = 0
        self.loop = asyncio.get_running_loop()

    def __enter__(self):
        self.handle = self.loop.call_soon(self.tick)
        return self

    def tick(self):
        self.count += 1
        self.handle = self.loop.call_soon(self.tick)

    def __exit__(self, *args):
        self.handle.cancel()


async def test_so_many_tasks_meet(aio):
    barrier = aio.Barrier(3)
    assert isinstance(barrier, asyncio.Barrier)
    assert type(barrier) is aio.Barrier
    assert aio.locks.Barrier is aio.Barrier
    assert type(barrier._cond) is aio.Condition
    assert '[filling, waiters:0/3]' in repr(barrier)
    for _ in range(3):
        assert sorted(await outcomes(*spawn(*(barrier.wait() for _ in range(3))))) == [0, 1, 2]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


async def test_attributes(aio):
    barrier = aio.Barrier(2)
    assert (barrier._parties, barrier._count, barrier._loop) == (2, 0, None)
    assert barrier._state is State.FILLING
    [task] = spawn(barrier.wait())
    await settle()
    assert (barrier.n_waiting, barrier._count) == (1, 1)
    assert len(barrier._cond._waiters) == 1
    assert await barrier.wait() == 1
    assert barrier._state is State.DRAINING
    assert (barrier.n_waiting, barrier._count) == (0, 1)
    assert shown(barrier) == '[draining, waiters:0/2]'
    assert await task == 0
    assert shown(barrier) == '[filling, waiters:0/2]'
    assert barrier._loop is None
    assert barrier._cond._loop is asyncio.get_running_loop()
    weakref.ref(barrier)
    barrier.name = 'meeting'  # as any Python object
    assert vars(barrier).get('name') == 'meeting'
    for name in ('parties', 'n_waiting', 'broken'):
        refusal = f"^property '{name}' of 'Barrier' object has no "
        with pytest.raises(AttributeError, match=refusal + 'setter$'):
            setattr(barrier, name, 1)
        with pytest.raises(AttributeError, match=refusal + 'deleter$'):
            delattr(barrier, name)


async def test_context_manager(aio):
    barrier, seen = aio.Barrier(2), []

    async def meet():
        async with barrier as position:
            seen.append(position)

    await asyncio.gather(meet(), meet())
    assert sorted(seen) == [0, 1]
    assert await barrier.__aexit__() is None
    assert await barrier.__aexit__(1, 2, 3, 4) is None
    with pytest.raises(TypeError):
        barrier.__aexit__(exc=None)
    with pytest.raises(TypeError):
        with barrier:
            pass


async def test_they_are_coroutines(aio):
    barrier = aio.Barrier(1)
    for name in ('wait', 'reset', 'abort', '__aenter__', '__aexit__'):
        coroutine = getattr(barrier, name)()
        assert asyncio.iscoroutine(coroutine)
        assert (coroutine.__name__, coroutine.__qualname__) == (name, f'Barrier.{name}')
        with pytest.warns(RuntimeWarning, match=f'Barrier.{name}.* was never awaited'):
            del coroutine
            gc.collect()
    assert shown(barrier) == '[filling, waiters:0/1]'


async def test_reset_and_abort(aio):
    barrier = aio.Barrier(2)
    [task] = spawn(barrier.wait())
    await settle()
    assert barrier.n_waiting == 1
    assert await barrier.reset() is None
    assert shown(barrier) == '[resetting, waiters:0/2]'
    error = await refused(asyncio.BrokenBarrierError, task)
    assert str(error) == 'Abort or reset of barrier'
    [task] = spawn(barrier.wait())
    await settle()
    assert await barrier.abort() is None
    assert barrier.broken
    assert shown(barrier) == '[broken]'
    error = await refused(asyncio.BrokenBarrierError, task)
    assert str(error) == 'Abort or reset of barrier'
    error = await refused(asyncio.BrokenBarrierError, barrier.wait())
    assert str(error) == 'Barrier aborted'
    await barrier.reset()
    assert await outcomes(*spawn(barrier.wait(), barrier.wait())) == [0, 1]


async def test_a_cancelled_task_is_no_party(aio):
    barrier = aio.Barrier(2)
    first, second = spawn(barrier.wait(), asyncio.sleep(0))
    await settle()
    first.cancel()
    assert await outcomes(first, second) == [asyncio.CancelledError, None]
    assert barrier.n_waiting == 0


# ------------------------------------------------------------------ who goes on when


@pytest.mark.parametrize(('parties', 'count'), [(1, 3), (2, 5), (3, 10), (10, 10)])
async def test_order_and_iterations_are_asyncios(aio, parties, count):
    """Who goes on in which iteration of the loop, where all come again and again."""

    async def play(namespace):
        barrier, seen = namespace.Barrier(parties), []

        async def visit(name):
            for number in range(6):
                if (name + number) % 3:
                    index = await barrier.wait()
                else:
                    async with barrier as index:
                        await settle(name % 2)
                seen.append((turns.count, name, index, shown(barrier)))

        with Turns() as turns:
            tasks = spawn(*map(visit, range(count)))
            await settle(100)
            await barrier.abort()
            seen.append(await outcomes(*tasks))
        return seen

    assert await play(aio) == await play(asyncio)


async def test_random_visits_as_asyncio_has_them(aio):
    """The same arrivals, cancellations, resets and aborts on asyncio's own: the same is seen."""

    async def play(namespace, seed):
        choose, seen, tasks = random.Random(seed), [], []
        barrier = namespace.Barrier(choose.choice((2, 3, 5)))

        async def visit(number):
            try:
                seen.append((turns.count, number, await barrier.wait()))
            except asyncio.BrokenBarrierError as error:
                seen.append((turns.count, number, str(error), error.__context__))

        async def hold():
            async with barrier._cond:
                await settle(choose.randrange(3))

        with Turns() as turns:
            for number in range(80):
                action = choose.randrange(12)
                if action < 5:
                    tasks += spawn(visit(number))
                elif action == 5:
                    tasks += spawn(hold())
                elif action == 6 and tasks:
                    choose.choice(tasks[-5:]).cancel()
                elif action == 7 and not choose.randrange(3):
                    tasks += spawn(choose.choice((barrier.reset, barrier.abort))())
                elif action == 8 and barrier.broken:
                    await barrier.reset()
                else:
                    await settle(choose.randrange(3))
                seen.append((turns.count, shown(barrier), shown(barrier._cond)))
            await settle(100)  # a reset that waits for the lock would undo the abort
            await barrier.abort()
            seen.append(await outcomes(*tasks))
            seen.append((turns.count, shown(barrier), shown(barrier._cond)))
        return seen

    for seed in range(60):
        assert await play(aio, seed) == await play(asyncio, seed)


# ------------------------------------------------------------------ told as stock tells it


async def meeting(t, count, parties=3):
    """A barrier that so many tasks wait at; what each then tells."""
    barrier = t.aio.Barrier(parties)

    async def visit(name):
        t('comes', name)
        await t.attempt(barrier.wait())
        t('leaves', name, plain(shown(barrier)), plain(shown(barrier._cond)))

    tasks = spawn(*map(visit, range(count)))
    await t.turns()
    t(shown(barrier))
    return barrier, visit, tasks


async def finish(t, barrier, tasks):
    await t.turns(10)
    await t.attempt(barrier.abort())
    t(await outcomes(*tasks))
    t(shown(barrier), shown(barrier._cond))


async def cancelled_among_others(t):
    barrier, visit, tasks = await meeting(t, 2)
    tasks[0].cancel('why')
    tasks += spawn(visit(2), visit(3))
    await finish(t, barrier, tasks)


async def cancelled_when_released(t):
    barrier, visit, tasks = await meeting(t, 2)
    tasks += spawn(visit(2), visit(3))
    await asyncio.sleep(0)
    tasks[0].cancel('too late')
    await finish(t, barrier, tasks)


async def all_cancelled_when_released(t):
    barrier, visit, tasks = await meeting(t, 2)
    tasks += spawn(visit(2), visit(3), visit(4))
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await finish(t, barrier, tasks)


async def cancelled_while_it_enters(t):
    barrier, visit, tasks = await meeting(t, 1)
    async with barrier._cond:
        tasks += spawn(visit(1), visit(2))
        await t.turns()
        tasks[1].cancel('at the door')
    await finish(t, barrier, tasks)


async def cancelled_while_it_is_blocked(t):
    barrier, visit, tasks = await meeting(t, 2)
    async with barrier._cond:
        barrier._state = State.DRAINING
        barrier._cond.notify_all()
        tasks += spawn(visit(2), visit(3))
    await asyncio.sleep(0)
    tasks[2].cancel('blocked')
    await finish(t, barrier, tasks)


async def cancelled_while_it_takes_the_lock_again(t):
    barrier, _, tasks = await meeting(t, 2)
    async with barrier._cond:
        barrier._cond.notify_all()
        await t.turns()
        tasks[0].cancel('once')
        await t.turns()
        tasks[0].cancel('twice')
        await t.turns()
        t('held', plain(shown(barrier._cond)), barrier._count)
    await finish(t, barrier, tasks)


async def woken_for_nothing(t):
    barrier, visit, tasks = await meeting(t, 2)
    async with barrier._cond:
        barrier._cond.notify_all()
    await t.turns()
    tasks += spawn(visit(2))
    await finish(t, barrier, tasks)


async def reset_while_it_fills(t):
    barrier, visit, tasks = await meeting(t, 2)
    await t.attempt(barrier.reset())
    tasks += spawn(visit(2), visit(3), visit(4))
    await finish(t, barrier, tasks)


async def reset_while_it_drains(t):
    barrier, visit, tasks = await meeting(t, 2)
    tasks += spawn(visit(2), visit(3))
    await asyncio.sleep(0)
    await t.attempt(barrier.reset())
    t(shown(barrier))
    await t.attempt(barrier.reset())
    await finish(t, barrier, tasks)


async def reset_cancelled(t):
    barrier, _, tasks = await meeting(t, 2)
    async with barrier._cond:
        resets = spawn(barrier.reset(), barrier.abort(), barrier.reset())
        await t.turns()
        resets[1].cancel()
    t(await outcomes(*resets))
    await finish(t, barrier, tasks)


async def abort_while_it_drains(t):
    barrier, visit, tasks = await meeting(t, 2)
    tasks += spawn(visit(2), visit(3))
    await asyncio.sleep(0)
    await t.attempt(barrier.abort())
    await finish(t, barrier, tasks)


async def lock_given_up_by_another(t):
    """Whoever leaves then finds the lock unlocked, and has that to tell besides."""
    barrier, _, tasks = await meeting(t, 2)
    async with barrier._cond:
        barrier._cond.notify_all()
        tasks[0].cancel()
        await t.turns()
        lock = barrier._cond._lock
        lock._locked = False  # and nobody woken
        tasks[1].cancel()
        await t.turns()
        t(plain(repr(lock)))
        lock._locked = True
    await finish(t, barrier, tasks)


async def lost_the_lock(t):
    """Whoever cannot have it back can neither wake others nor give it up."""
    for cancel in (False, True):
        barrier, _, tasks = await meeting(t, 1)
        async with barrier._cond:
            barrier._cond.notify_all()
            await t.turns()
            waiter = barrier._cond._lock._waiters.popleft()
        if cancel:
            tasks[0].cancel()
        else:
            waiter.set_result(True)
        await finish(t, barrier, tasks)


async def thrown_into(t):
    barrier = t.aio.Barrier(2)
    coroutine = barrier.wait()
    coroutine.send(None)
    t(shown(barrier))
    try:
        coroutine.throw(KeyError('thrown'))
    except KeyError as error:
        t(error.__context__, shown(barrier), shown(barrier._cond))
    coroutine = barrier.wait()
    coroutine.send(None)
    barrier._cond._waiters.clear()  # it will not find itself
    try:
        coroutine.throw(KeyError('thrown'))
    except ValueError as error:
        t(tell(error), shown(barrier), shown(barrier._cond))


async def lock_bound_to_another_loop(t):
    barrier, _, tasks = await meeting(t, 1)
    barrier._cond._lock._loop = barrier._cond._loop = other = object()
    with pytest.raises(RuntimeError) as caught:
        await barrier.wait()
    t(plain(str(caught.value)))
    t(caught.value.__context__, shown(barrier), shown(barrier._cond))
    barrier._cond._lock._loop = barrier._cond._loop = t.loop
    del other
    await finish(t, barrier, tasks)


async def within_an_exception(t):
    barrier, _, tasks = await meeting(t, 1)
    await barrier.abort()
    try:
        raise KeyError('first')
    except KeyError:
        await t.attempt(barrier.wait())
    await finish(t, barrier, tasks)


SCENARIOS = (
    cancelled_among_others,
    cancelled_when_released,
    all_cancelled_when_released,
    cancelled_while_it_enters,
    cancelled_while_it_is_blocked,
    cancelled_while_it_takes_the_lock_again,
    woken_for_nothing,
    reset_while_it_fills,
    reset_while_it_drains,
    reset_cancelled,
    abort_while_it_drains,
    lock_given_up_by_another,
    lost_the_lock,
    thrown_into,
    lock_bound_to_another_loop,
    within_an_exception,
)


@pytest.mark.parametrize('scenario', SCENARIOS, ids=[s.__name__ for s in SCENARIOS])
def test_as_stock_tells_it(aio, loop, scenario):
    check(aio, loop, scenario)


async def test_closed_while_it_waits(aio):
    barrier = aio.Barrier(2)
    coroutine = barrier.wait()
    coroutine.send(None)
    assert shown(barrier) == '[filling, waiters:1/2]'
    coroutine.close()
    assert shown(barrier) == '[filling, waiters:0/2]'
    assert shown(barrier._cond) == '[unlocked]'
    coroutine = barrier.wait()
    coroutine.send(None)
    await barrier._cond.acquire()
    with pytest.raises(RuntimeError, match='coroutine ignored GeneratorExit'):
        coroutine.close()
    # To asyncio only the condition's wait() has ignored it: the rest went on and released the lock.
    assert shown(barrier) == '[filling, waiters:0/2]'
    assert shown(barrier._cond._lock) == '[unlocked]'
    assert shown(barrier._cond) == '[unlocked]'


async def test_forgotten_while_it_waits(aio):
    barrier = aio.Barrier(2)
    coroutine = barrier.wait()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert shown(barrier) == '[filling, waiters:0/2]'
    assert shown(barrier._cond) == '[unlocked]'


async def test_no_python_code_runs(aio):
    """Not a line of asyncio's locks, however often the tasks meet."""
    if aio is asyncio:
        pytest.skip('it is Python')
    barrier, seen = aio.Barrier(3), []

    async def visit():
        for _ in range(3):
            await barrier.wait()
            async with barrier:
                pass

    def note(frame, event, argument):
        if event == 'call' and frame.f_code.co_filename == asyncio.locks.__file__:
            seen.append(frame.f_code.co_qualname)

    tasks = spawn(visit(), visit(), visit())
    profile = sys.getprofile()
    sys.setprofile(note)
    try:
        await asyncio.gather(*tasks)
        await barrier.reset()
        await barrier.abort()
        assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, True)
    finally:
        sys.setprofile(profile)
    assert seen == []


def test_bound_to_one_loop(aio, loop):
    barrier = aio.Barrier(2)

    async def meet():
        assert await outcomes(*spawn(barrier.wait(), barrier.wait())) == [0, 1]

    loop.run_until_complete(meet())
    other = asyncio.SelectorEventLoop()

    async def elsewhere():
        error = await refused(RuntimeError, barrier.wait())
        assert re.search(r'\[(un)?locked\]> is bound to a different event loop$', str(error))
        assert shown(barrier) == '[filling, waiters:0/2]'
        assert shown(barrier._cond) == '[unlocked]'
        await barrier.reset()  # nothing to wait for

    try:
        other.run_until_complete(elsewhere())
    finally:
        other.close()


# ------------------------------------------------------------------ arguments and attributes


@pytest.mark.parametrize(
    ('arguments', 'keywords'),
    [
        ((), {}),
        ((0,), {}),
        ((-(10**30),), {}),
        ((0.5,), {}),
        (('2',), {}),
        ((1, 2), {}),
        ((1,), {'parties': 1}),
        ((), {'count': 1}),
    ],
)
async def test_refused_arguments(aio, arguments, keywords):
    with pytest.raises((TypeError, ValueError)) as ours:
        aio.Barrier(*arguments, **keywords)
    with pytest.raises((TypeError, ValueError)) as stock:
        asyncio.Barrier(*arguments, **keywords)
    assert type(ours.value) is type(stock.value)
    assert str(ours.value) == str(stock.value)


@pytest.mark.parametrize('parties', [2, 2.0, True, 10**30, 2.5])
async def test_odd_numbers_of_parties(aio, parties):
    barrier = aio.Barrier(parties=parties)
    assert barrier.parties is parties
    assert type(barrier._cond) is aio.Condition
    assert shown(barrier) == f'[filling, waiters:0/{parties}]'
    tasks = spawn(barrier.wait(), barrier.wait())
    await settle()
    if parties in (1, 2):
        assert sorted(await outcomes(*tasks)) in ([0, 0], [0, 1])
    else:
        assert barrier.n_waiting == 2
        await barrier.abort()
        assert await outcomes(*tasks) == [asyncio.BrokenBarrierError] * 2


async def test_init_makes_it_as_new(aio):
    barrier = aio.Barrier(3)
    condition = barrier._cond
    await barrier.abort()
    barrier.__init__(2)
    assert barrier._cond is not condition
    assert shown(barrier) == '[filling, waiters:0/2]'
    assert await outcomes(*spawn(barrier.wait(), barrier.wait())) == [0, 1]


async def test_attributes_that_are_assigned(aio):
    barrier = aio.Barrier(2)
    [task] = spawn(barrier.wait())
    await settle()
    barrier._parties = 3
    assert await outcomes(*spawn(barrier.wait(), barrier.wait()), task) == [1, 2, 0]
    barrier._state = State.BROKEN
    assert barrier.broken
    assert shown(barrier) == '[broken]'
    await refused(asyncio.BrokenBarrierError, barrier.wait())
    barrier._state = State.FILLING
    barrier._count = 2
    assert await barrier.wait() == 2
    assert shown(barrier) == '[draining, waiters:0/3]'
    barrier._count = 0
    await barrier.reset()
    assert shown(barrier) == '[filling, waiters:0/3]'
    barrier._count = 0.5
    assert barrier.n_waiting == 0.5
    barrier._parties = 1.5
    assert await barrier.wait() == 0.5


# ------------------------------------------------------------------ overriding

HOOKS = ('wait', '_block', '_wait', '_release', '_exit')


def spied(hook, function, calls):
    """The method, that notes what it is called with."""

    def spy(*arguments):
        calls.append(hook)
        return function(*arguments)

    return spy


async def use(barrier):
    """All that a barrier of two does."""

    async def enter():
        async with barrier as index:
            return index

    results = await outcomes(*spawn(enter(), barrier.wait(), enter(), barrier.wait()))
    tasks = spawn(barrier.wait())
    await settle()
    await barrier.reset()
    results += await outcomes(*tasks)
    await barrier.abort()
    return results, barrier.broken, barrier.n_waiting, barrier.parties


@pytest.mark.parametrize('hook', HOOKS)
async def test_overridden_methods_are_called(aio, hook, monkeypatch):
    async def play(namespace, way):
        calls, patched = [], namespace.Barrier
        if way == 'subclass':
            function = getattr(namespace.Barrier, hook)
            patched = type('Spy', (patched,), {hook: spied(hook, function, calls)})
        barrier = patched(2)
        assert type(barrier._cond) is namespace.Condition
        assert await outcomes(*spawn(barrier.wait(), barrier.wait())) == [0, 1]
        del calls[:]
        if way == 'instance':
            setattr(barrier, hook, spied(hook, getattr(barrier, hook), calls))
        with monkeypatch.context() as patch:
            if way == 'class':
                function = getattr(namespace.Barrier, hook)
                patch.setattr(namespace.Barrier, hook, spied(hook, function, calls))
            return await use(barrier), calls

    for way in ('subclass', 'instance', 'class'):
        seen = await play(aio, way)
        assert hook in seen[1]
        assert seen == await play(asyncio, way)


async def test_asyncios_class_patched(aio, monkeypatch):
    barrier, calls = aio.Barrier(2), []
    await use(barrier)
    monkeypatch.setattr(asyncio.Barrier, '_exit', spied('_exit', asyncio.Barrier._exit, calls))
    await barrier.reset()
    await use(barrier)
    assert len(calls) == 5
    monkeypatch.undo()
    await barrier.reset()
    await use(barrier)
    assert len(calls) == 5


@pytest.mark.parametrize('name', ['_cond', '_parties', '_state', '_count'])
async def test_overridden_attributes(aio, name):
    calls, values = [], {}

    def get(self):
        calls.append(('get', name))
        return values[name]

    def put(self, value):
        calls.append(('set', name))
        values[name] = value

    async def play(namespace):
        values.clear()
        calls.clear()
        Mine = type('Mine', (namespace.Barrier,), {name: property(get, put)})
        return await use(Mine(2)), list(calls)

    assert await play(aio) == await play(asyncio)


async def test_a_subclass_that_adds_only(aio):
    class Named(aio.Barrier):
        def __init__(self, name, parties):
            super().__init__(parties)
            self.name = name

    barrier = Named('x', parties=2)
    assert 'Named object' in repr(barrier)
    assert await outcomes(*spawn(barrier.wait(), barrier.wait())) == [0, 1]


@pytest.mark.parametrize('name', ['wait', 'wait_for', 'notify', 'notify_all', 'acquire', 'release'])
async def test_a_condition_with_a_method_replaced(aio, name):
    async def play(namespace):
        barrier, calls = namespace.Barrier(2), []
        method = getattr(barrier._cond, name)
        setattr(barrier._cond, name, spied(name, method, calls))
        return await use(barrier), calls

    seen = await play(aio)
    assert name in seen[1]
    assert seen == await play(asyncio)


@pytest.mark.parametrize('name', ['wait', 'wait_for', 'notify_all', '__aenter__', '__aexit__'])
async def test_a_condition_of_another_class(aio, name):
    async def play(namespace):
        barrier, calls = namespace.Barrier(2), []
        method = spied(name, getattr(namespace.Condition, name), calls)
        barrier._cond = type('Spy', (namespace.Condition,), {name: method})()
        return await use(barrier), calls

    seen = await play(aio)
    assert name in seen[1]
    assert seen == await play(asyncio)


async def test_other_conditions(aio):
    ours, stocks = aio.Condition(aio.Lock()), aio.Condition(asyncio.Lock())
    for condition in (asyncio.Condition(), ours, stocks):
        barrier = aio.Barrier(2)
        barrier._cond = condition
        assert (await use(barrier))[0][:4] == [0, 1, 0, 1]


async def test_another_condition_while_tasks_wait(aio):
    barrier = aio.Barrier(2)
    first = spawn(barrier.wait())
    await settle()
    condition, barrier._cond = barrier._cond, aio.Condition()
    assert await barrier.wait() == 1
    async with condition:
        condition.notify_all()
    barrier._cond = condition
    assert await outcomes(*first) == [0]
