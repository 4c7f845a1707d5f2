"""multiprocessing's children of ``python -m pyasync``: they run on ours, as their parent does.

A child that is spawned, or comes from a fork server, is a new interpreter and knows nothing of our
command line. First of all it unpickles what multiprocessing calls the preparation data, only then
it imports the program's main module: so these data have an item that puts ours in force there.
"""

import functools
import sys
from importlib.machinery import PathFinder

MODULE = 'multiprocessing.spawn'

# What a child runs. The path is the one that multiprocessing is about to give it.
CODE = """\
import sys
sys.path[:] = {path!r}
import pyasync._children
pyasync.install(accelerate={accelerate!r})
pyasync._children.follow({accelerate!r})
"""


def follow(accelerate):
    """Have each child that multiprocessing starts from now on install(accelerate=accelerate)."""
    if MODULE in sys.modules:
        _extend(sys.modules[MODULE], accelerate)
    else:  # a program that starts no process is not to wait for the import
        sys.meta_path.insert(0, _Finder(accelerate))


class _InChild:
    """Pickled, it is a call of exec(code)."""

    def __init__(self, code):
        self._code = code

    def __reduce__(self):
        return exec, (self._code,)


def _extend(spawn, accelerate):
    stock = spawn.get_preparation_data

    @functools.wraps(stock)
    def get_preparation_data(name):
        data = stock(name)
        code = CODE.format(path=data['sys_path'], accelerate=accelerate)
        # A name that multiprocessing does not look at; first, for what is unpickled after it.
        return {__package__: _InChild(code), **data}

    spawn.get_preparation_data = get_preparation_data


class _Finder:
    """Finds multiprocessing.spawn, once, to extend it as soon as it is imported."""

    def __init__(self, accelerate):
        self._accelerate = accelerate

    def find_spec(self, fullname, path=None, target=None):
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            self._exec_module = spec.loader.exec_module
            spec.loader.exec_module = self.exec_module
        return spec

    def exec_module(self, module):
        del module.__spec__.loader.exec_module
        self._exec_module(module)
        _extend(module, self._accelerate)
