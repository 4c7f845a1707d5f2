"""The functions in C: to inspect, pickle, mock and a class body they are asyncio's functions."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import sys
import unittest
import unittest.mock
import warnings
import weakref

import pytest
import support

MODULES = {
    **dict.fromkeys(('sleep', 'gather', 'wait', 'as_completed', 'shield'), 'tasks'),
    **dict.fromkeys(('ensure_future', 'create_task', 'run_coroutine_threadsafe'), 'tasks'),
    'wrap_future': 'futures',
    'to_thread': 'threads',
}
NAMES = tuple(MODULES)
each_name = pytest.mark.parametrize('name', NAMES)
MARKS = (
    inspect.iscoroutinefunction,
    asyncio.iscoroutinefunction if sys.version_info < (3, 14) else inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    callable,
)


@pytest.fixture
def module(impl):
    return impl.module


@each_name
def test_to_inspect_it_is_what_asyncio_has(module, name):
    function, stock = getattr(module, name), getattr(asyncio, name)
    assert inspect.signature(function) == inspect.signature(stock)
    assert [mark(function) for mark in MARKS] == [mark(stock) for mark in MARKS]
    assert (function.__name__, function.__qualname__) == (name, name)
    assert function.__module__ == f'{module.__name__}.{MODULES[name]}'
    assert getattr(getattr(module, MODULES[name]), name) is function
    assert inspect.getdoc(function)
    assert repr(function).startswith(f'<function {name} at 0x')


@each_name
def test_it_can_be_copied_pickled_and_referred_to(module, name):
    function = getattr(module, name)
    assert copy.copy(function) is copy.deepcopy(function) is function
    assert pickle.loads(pickle.dumps(function)) is function
    assert weakref.ref(function)() is function
    function.mark = 1
    assert function.mark == 1
    del function.mark
    assert not hasattr(function, 'mark')


@each_name
def test_a_class_binds_it(module, name):
    function = getattr(module, name)
    bound = type('Holder', (), {name: function})()
    method = getattr(bound, name)
    assert inspect.ismethod(method)
    assert method.__func__ is function
    assert method.__self__ is bound
    assert getattr(type(bound), name) is function


WRONG = {
    'sleep': [((), {}), ((1, 2, 3), {}), ((1,), {'delay': 2}), ((1,), {'loop': None})],
    'gather': [((), {'loop': None}), ((), {'return_exceptions': True, 'x': 1})],
    'wait': [((), {}), (([], 1), {}), (([],), {'x': 1})],
    'as_completed': [((), {}), (([], 1), {}), (([],), {'x': 1})],
    'shield': [((), {}), ((1, 2), {}), ((), {'x': 1})],
    'ensure_future': [((), {}), ((1, None), {}), ((1,), {'x': 1})],
    'create_task': [((), {}), ((1, None), {}), ((), {'name': 'x'})],
    'wrap_future': [((), {}), ((1, None), {}), ((1,), {'x': 1})],
    'run_coroutine_threadsafe': [((1,), {}), ((1, 2, 3), {}), ((1, 2), {'x': 1})],
    'to_thread': [((), {}), ((), {'func': 1})],
}


@pytest.mark.parametrize(
    ('name', 'args', 'kwargs'),
    [(name, args, kwargs) for name, calls in WRONG.items() for args, kwargs in calls],
)
def test_wrong_arguments_are_refused_as_by_asyncio(module, name, args, kwargs):
    errors = []
    for function in (getattr(asyncio, name), getattr(module, name)):
        with pytest.raises(TypeError) as caught:
            function(*args, **kwargs)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


@each_name
def test_a_mock_of_it_knows_its_parameters(module, name):
    mock = unittest.mock.create_autospec(getattr(module, name))

    async def main():
        called = mock(no_such_parameter=1)
        if inspect.isawaitable(called):
            await called

    with pytest.raises(TypeError):
        asyncio.run(main())


def test_a_mock_of_it_is_a_coroutine_function(module):
    with unittest.mock.patch.object(module, 'sleep') as mock:
        assert isinstance(mock, unittest.mock.AsyncMock)


METHODS = [
    'Lock.acquire',
    'Lock.__aenter__',
    'Event.wait',
    'Condition.wait',
    'Semaphore.acquire',
    'BoundedSemaphore.acquire',
    'Queue.get',
    'Queue.put',
    'Queue.join',
    'LifoQueue.get',
    'Timeout.__aenter__',
    'Timeout.__aexit__',
    'TaskGroup.__aexit__',
    'StreamReader.read',
    'StreamReader.readuntil',
    'StreamWriter.drain',
]


@pytest.mark.parametrize('path', METHODS)
def test_a_method_is_what_asyncio_has(module, path):
    owner, _, name = path.partition('.')
    method, stock = (getattr(getattr(m, owner), name) for m in (module, asyncio))
    assert inspect.signature(method) == inspect.signature(stock)
    assert [mark(method) for mark in MARKS] == [mark(stock) for mark in MARKS]
    assert inspect.iscoroutinefunction(method)
    assert method.__qualname__ == stock.__qualname__
    assert repr(method).startswith(f'<function {stock.__qualname__} at 0x')
    assert inspect.getdoc(method) or not inspect.getdoc(stock)


def test_a_bound_method_is_a_coroutine_function(module):
    get = module.Queue().get
    assert inspect.iscoroutinefunction(get)
    assert inspect.ismethod(get)
    assert str(inspect.signature(get)) == '()'
    assert copy.copy(get).__func__ is pickle.loads(pickle.dumps(module.Queue.get))


def test_a_method_refuses_another_type(module):
    with pytest.raises((TypeError, AttributeError)):
        module.Queue.get(module.Lock()).send(None)


@pytest.mark.parametrize('owner', ['StreamReader', 'StreamWriter', 'Queue', 'Lock', 'Event'])
def test_a_mock_of_a_class_has_its_coroutine_functions(module, owner):
    mock = unittest.mock.create_autospec(getattr(module, owner), instance=True)
    kinds = {
        name: type(getattr(mock, name)).__name__
        for name in dir(getattr(asyncio, owner))
        if not name.startswith('_') and callable(getattr(asyncio, owner).__dict__.get(name))
    }
    stock = unittest.mock.create_autospec(getattr(asyncio, owner), instance=True)
    assert kinds == {name: type(getattr(stock, name)).__name__ for name in kinds}
    assert 'AsyncMock' in kinds.values()


def test_a_task_that_waits_tells_where(impl, module):
    async def main():
        full = module.Queue(1)
        full.put_nowait(1)
        methods = [
            module.Event().wait,
            module.Queue().get,
            lambda: full.put(2),
            full.join,
            module.Semaphore(0).acquire,
            module.StreamReader().read,
            module.StreamReader().readline,
        ]
        for method in methods:
            coroutine = method()
            task = asyncio.ensure_future(coroutine)
            await asyncio.sleep(0)
            [frame] = task.get_stack()
            assert frame.f_code is coroutine.cr_code
            assert frame.f_code.co_name == coroutine.__name__
            where = f'{frame.f_code.co_filename}:{frame.f_lineno}'
            assert f'coro=<{coroutine.__qualname__}() running at {where}>' in repr(task)
            task.cancel()
            await asyncio.wait([task])

    impl.run(main())


def test_unittest_leaves_a_context_that_it_entered(module):
    left = []

    class Test(unittest.IsolatedAsyncioTestCase):
        async def test(self):
            timeout = await self.enterAsyncContext(module.timeout(60))
            self.addCleanup(lambda: left.append(timeout))

    result = unittest.TestResult()
    Test('test').run(result)
    assert (result.errors, result.failures) == ([], [])
    assert repr(left[0]) == '<Timeout [finished]>'


@pytest.mark.parametrize('name', ['sleep', 'wait', 'to_thread'])
def test_a_call_is_a_coroutine_that_wants_to_be_awaited(module, name):
    coroutine = getattr(module, name)(1)
    assert asyncio.iscoroutine(coroutine)
    assert (coroutine.__name__, coroutine.__qualname__) == (name, name)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    assert repr(coroutine).startswith(f'<coroutine object {name} at 0x')
    assert coroutine.cr_code is getattr(asyncio, name).__code__
    with pytest.warns(RuntimeWarning, match=f"coroutine '{name}' was never awaited") as caught:
        del coroutine
        gc.collect()
    assert asyncio.iscoroutine(caught.pop().source)
    coroutine = getattr(module, name)(1)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        coroutine.close()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    with pytest.raises(RuntimeError, match='cannot reuse already awaited coroutine'):
        coroutine.send(None)


@pytest.fixture
def tracked_origins():
    """The interpreter remembers where coroutines are made."""
    before = sys.get_coroutine_origin_tracking_depth()
    yield sys.set_coroutine_origin_tracking_depth
    sys.set_coroutine_origin_tracking_depth(before)


def make_coroutine(module):
    return module.sleep(0)


@pytest.mark.parametrize('depth', [0, 1, 2, 1000])
def test_it_knows_where_it_was_made(module, tracked_origins, depth):
    async def of_python():
        pass

    def make(function, *args):
        return function(*args)

    tracked_origins(depth)
    stock, ours = make(of_python), make(module.sleep, 0)
    assert ours.cr_origin == stock.cr_origin
    assert (ours.cr_origin is None) == (depth == 0)
    tracked_origins(0)
    other = module.sleep(0)
    assert other.cr_origin is None
    for coroutine in (stock, ours, other):
        coroutine.close()


def test_the_warning_tells_where_it_was_made(module, tracked_origins):
    tracked_origins(1)
    coroutine = make_coroutine(module)
    line = make_coroutine.__code__.co_firstlineno + 1
    with pytest.warns(RuntimeWarning) as caught:
        del coroutine
        gc.collect()
    assert str(caught.pop().message).splitlines() == [
        "coroutine 'sleep' was never awaited",
        'Coroutine created at (most recent call last)',
        f'  File "{__file__}", line {line}, in make_coroutine',
        '    return module.sleep(0)',
    ]


def test_a_task_of_a_fresh_one_shows_it_as_asyncio_does(impl):
    loop = impl.new_event_loop()
    tasks = [loop.create_task(module.sleep(1), name='t') for module in (asyncio, impl.module)]
    assert repr(tasks[0]) == repr(tasks[1])
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait(tasks))
    loop.close()


@pytest.mark.ours
def test_two_interpreters_of_it_share_nothing(impl):
    code = """
        async def main():
            async def child(): await impl.module.sleep(0); return 1
            print(await impl.module.gather(child(), child()))
        impl.run(main())
    """
    assert support.run_script(impl, code) == ('[1, 1]\n', '')


def test_lines_of_what_is_c_are_not_in_tracebacks(impl, module):
    async def main():
        async with module.timeout(0):
            await module.sleep(1000)

    with pytest.raises(TimeoutError) as caught:
        impl.run(main())
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == ('main' if impl.ours else '__aexit__')
