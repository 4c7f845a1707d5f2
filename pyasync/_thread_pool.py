"""Whether the running version's thread pools are such as csrc/core/work.c feeds.

Imported by the first run_in_executor() with an executor: asyncio itself does without
concurrent.futures.thread until then.
"""

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor, thread

from . import _core

# All names that the functions below refer to, in the versions that were read. Another one means
# that another version goes about it differently: then the pool gets its work as any executor does.
_KNOWN = set(
    """
    BaseException Empty Future RuntimeError Thread ValueError _WorkItem _adjust_thread_count _base
    _broken _cond _global_shutdown_lock _idle_semaphore _max_workers _shutdown _shutdown_lock
    _thread_name_prefix _threads _threads_queues _time _value _work_queue _worker acquire add cancel
    future get_nowait join len put queue ref set_exception set_result
    set_running_or_notify_cancel start threading wait weakref
    """.split()
)
_TO_3_13 = {'BrokenThreadPool', '_initargs', '_initializer', 'args', 'fn', 'kwargs'}
_SINCE_3_14 = {'BROKEN', '_create_worker_context', '_resolve_work_item_task', 'run', 'task'}


def _tell():
    pool, item = ThreadPoolExecutor, thread._WorkItem
    names = set()
    for function in (
        pool.submit,
        pool.shutdown,
        pool._adjust_thread_count,
        pool._initializer_failed,
        item.run,
        threading.Semaphore.acquire,
    ):
        names.update(function.__code__.co_names)
    code = item.__init__.__code__
    parameters = code.co_varnames[1 : code.co_argcount]
    for known, wanted in (
        (_KNOWN | _TO_3_13, ('future', 'fn', 'args', 'kwargs')),
        (_KNOWN | _SINCE_3_14, ('future', 'task')),
    ):
        if names == known and parameters == wanted and thread._base.Future is Future:
            _core._set_thread_pool(
                pool, item, vars(thread), threading.Semaphore, queue.SimpleQueue, 'task' in wanted
            )


try:
    _tell()
except AttributeError:
    pass  # another version, or somebody has replaced what is asked here
