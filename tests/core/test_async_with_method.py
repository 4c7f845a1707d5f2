"""__aenter__ and __aexit__ look as methods of asyncio's, whatever binds them to 3.13."""

from __future__ import annotations

import asyncio
import copy
import inspect
import types

import pytest

pytestmark = pytest.mark.ours
NAMES = ('__aenter__', '__aexit__')
MAKERS = {
    'Lock': lambda aio: aio.Lock(),
    'Semaphore': lambda aio: aio.Semaphore(),
    'BoundedSemaphore': lambda aio: aio.BoundedSemaphore(),
    'Condition': lambda aio: aio.Condition(),
    'Timeout': lambda aio: aio.Timeout(None),
    'TaskGroup': lambda aio: aio.TaskGroup(),
}


@pytest.mark.parametrize('make', MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize('name', NAMES)
def test_they_look_as_methods(impl, make, name):
    scope = make(impl.module)
    cls, stock = type(scope), getattr(asyncio, type(scope).__name__)
    method, unbound = getattr(scope, name), getattr(cls, name)
    assert isinstance(method, types.MethodType)
    assert inspect.ismethod(method)
    assert method.__func__ is unbound
    assert method.__self__ is scope
    for each in (method, unbound, vars(cls)[name]):
        assert inspect.iscoroutinefunction(each)
        assert (each.__name__, each.__qualname__) == (name, getattr(stock, name).__qualname__)
        assert inspect.getdoc(each) == inspect.getdoc(unbound)
    assert vars(cls)[name].__objclass__ is cls
    assert repr(vars(cls)[name]) == repr(unbound)
    assert repr(method) == f'<bound method {method.__qualname__} of {scope!r}>'
    assert method.__reduce__() == (getattr, (scope, name))
    assert copy.copy(method) == method
    assert vars(cls)[name].__get__(5).__self__ == 5
    with pytest.raises(AttributeError, match=r"^'method' object has no attribute 'mark'"):
        method.mark = 1
    assert inspect.signature(method) == inspect.signature(getattr(stock, name).__get__(scope))
