"""__aenter__ and __aexit__ look as methods written in C, whatever binds them to 3.13."""

from __future__ import annotations

import copy
import inspect
import sys
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
def test_they_look_as_methods_written_in_c(impl, make, name):
    scope = make(impl.module)
    cls = type(scope)
    method, unbound = getattr(scope, name), getattr(cls, name)
    assert inspect.iscoroutinefunction(unbound)
    assert vars(cls)[name].__objclass__ is cls
    if sys.version_info >= (3, 14):  # which binds nothing for `async with`
        assert vars(cls)[name] is unbound is method.__func__
        return
    assert repr(vars(cls)[name]) == f"<method '{name}' of '{cls.__name__}' objects>"
    assert isinstance(method, types.BuiltinMethodType)
    assert inspect.isbuiltin(method)
    assert repr(method).startswith(f'<built-in method {name} of {cls.__name__} object at 0x')
    assert (method.__name__, method.__qualname__) == (name, f'{cls.__name__}.{name}')
    assert method.__module__ is None
    assert method.__reduce__() == (getattr, (scope, name))
    assert copy.copy(method) is copy.deepcopy(method) is method
    assert inspect.getdoc(method) == inspect.getdoc(unbound)
    with pytest.raises(TypeError, match="doesn't apply to a 'int' object"):
        vars(cls)[name].__get__(5)
    with pytest.raises(AttributeError):
        method.mark = 1
    if cls.__name__ in ('Lock', 'Semaphore'):
        assert list(inspect.signature(method).parameters) == (
            [] if name == '__aenter__' else ['exc_type', 'exc', 'tb']
        )
