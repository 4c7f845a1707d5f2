"""__aenter__ and __aexit__ of locks, timeouts and groups: methods as any, whoever asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import operator
import unittest.mock
import weakref

import pytest

pytestmark = pytest.mark.usefixtures('loop')
NAMES = ('__aenter__', '__aexit__')
NOTHING = (None, None, None)
MAKERS = {
    'Lock': lambda aio: aio.Lock(),
    'Semaphore': lambda aio: aio.Semaphore(),
    'BoundedSemaphore': lambda aio: aio.BoundedSemaphore(),
    'Condition': lambda aio: aio.Condition(),
    'Timeout': lambda aio: aio.timeout(None),
    'TaskGroup': lambda aio: aio.TaskGroup(),
}
each_class = pytest.mark.parametrize('make', MAKERS.values(), ids=MAKERS)


@each_class
async def test_a_bound_method_may_be_kept_and_called(aio, make):
    scope = make(aio)
    enter, leave = scope.__aenter__, scope.__aexit__
    for _ in range(1 if isinstance(scope, (asyncio.Timeout, asyncio.TaskGroup)) else 3):
        await enter()
        await leave(*NOTHING)
    other = make(aio)
    async with other:
        pass
    assert enter.__self__ is leave.__self__ is scope


@each_class
async def test_bound_methods_compare_by_object_and_name(aio, make):
    one, two = make(aio), make(aio)
    assert one.__aenter__ == one.__aenter__
    assert one.__aenter__ is not one.__aenter__
    assert hash(one.__aenter__) == hash(one.__aenter__)
    assert one.__aenter__ != one.__aexit__
    assert one.__aenter__ != two.__aenter__
    assert one.__aenter__ != one
    assert len({one.__aenter__, one.__aenter__, two.__aenter__}) == 2
    with pytest.raises(TypeError):
        operator.lt(one.__aenter__, two.__aenter__)
    assert type(one).__aenter__ is type(one).__aenter__
    assert type(one).__aenter__.__get__(one) == one.__aenter__
    assert one.__aenter__ == type(one).__aenter__.__get__(one)


@each_class
@pytest.mark.parametrize('name', NAMES)
async def test_a_bound_method_lives_and_dies_as_any(aio, make, name):
    scope = make(aio)
    method = getattr(scope, name)
    references = weakref.ref(scope), weakref.ref(method)
    del scope
    assert references[0]() is method.__self__
    del method
    assert [reference() for reference in references] == [None, None]


@each_class
async def test_the_gc_finds_a_cycle_through_a_bound_method(aio, make):
    class Scope(type(make(aio))):
        pass

    scope = Scope(None) if issubclass(Scope, asyncio.Timeout) else Scope()
    scope.kept = scope.__aenter__, scope.__aexit__
    assert scope in gc.get_referents(scope.kept[0])
    reference = weakref.ref(scope)
    del scope
    gc.collect()
    assert reference() is None


async def test_a_subclass_overrides_them(aio):
    told = []

    class Lock(aio.Lock):
        async def __aenter__(self):
            told.append('enter')
            return await super().__aenter__()

        async def __aexit__(self, *error):
            told.append('leave')
            return await super().__aexit__(*error)

    lock = Lock()
    async with lock:
        assert lock.locked()
    assert not lock.locked()
    assert told == ['enter', 'leave']


async def test_an_attribute_of_the_object_is_not_asked(aio):
    lock = aio.Lock()
    lock.__aenter__ = lambda: 1
    assert lock.__aenter__() == 1
    async with lock:
        assert lock.locked()


async def test_an_exit_stack_enters_it(aio):
    lock, gate = aio.Lock(), aio.Semaphore()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(lock)
        await stack.enter_async_context(gate)
        assert (lock.locked(), gate.locked()) == (True, True)
    assert (lock.locked(), gate.locked()) == (False, False)
    assert isinstance(lock, contextlib.AbstractAsyncContextManager)


async def test_it_can_be_patched_and_put_back(aio):
    lock = aio.Lock()
    before = vars(aio.Lock).get('__aenter__')
    with unittest.mock.patch.object(aio.Lock, '__aenter__', unittest.mock.AsyncMock()) as mock:
        lock._locked = True
        async with lock as value:
            assert value is mock.return_value
    async with lock as value:
        assert value is None
    assert vars(aio.Lock).get('__aenter__') is before


async def test_wrong_arguments_are_refused(aio):
    lock = aio.Lock()
    for call in (
        lambda: lock.__aenter__(1),
        lambda: lock.__aenter__(x=1),
        lambda: lock.__aexit__(),
        lambda: lock.__aexit__(1, 2, 3, 4),
        lambda: aio.Lock.__aenter__(),
        lambda: aio.Lock.__aenter__(lock, 1),
    ):
        with pytest.raises(TypeError):
            call()
    for method in (lock.__aenter__, lock.__aexit__):
        with pytest.raises(AttributeError):
            method.unheard_of  # noqa: B018
