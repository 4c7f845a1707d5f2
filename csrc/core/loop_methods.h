/* loop_methods.h -- the methods and attributes of Loop that live in files of their own, for its type.

   Each list is one part of PyMethodDef entries: scheduling (loop_schedule.c, loop_clock.c),
   watching fds (loop_watch.c), iterating (loop_run.c), the queues as Python sees them
   (loop_queues.c) and executors (loop_executor.c). */

#ifndef PYASYNC_CORE_LOOP_METHODS_H
#define PYASYNC_CORE_LOOP_METHODS_H

#include "base/compat.h"

#include "core/args.h"

DECLARE_FAST_METHOD(Loop_call_soon);
DECLARE_FAST_METHOD(Loop_call_soon_threadsafe);
DECLARE_FAST_METHOD(Loop_call_later);
DECLARE_FAST_METHOD(Loop_call_at);
DECLARE_FAST_METHOD(Loop_create_task);
DECLARE_METHOD(Loop_time);
DECLARE_METHOD(Loop_create_future);
DECLARE_METHOD(Loop_add_callback);
DECLARE_METHOD(Loop_add_callback_signalsafe);
DECLARE_METHOD(Loop_write_to_self);
DECLARE_METHOD(Loop_timer_handle_cancelled);

#define LOOP_SCHEDULE_METHODS                                                                \
    {"call_soon", FAST_METHOD(Loop_call_soon),                                               \
     "call_soon($self, callback, *args, context=None)\n--\n\n"                               \
     "Have callback(*args) called in the next iteration; returns its Handle. As "            \
     "asyncio.loop.call_soon."},                                                             \
    {"call_soon_threadsafe", FAST_METHOD(Loop_call_soon_threadsafe),                         \
     "call_soon_threadsafe($self, callback, *args, context=None)\n--\n\n"                    \
     "As call_soon, from any thread. As asyncio.loop.call_soon_threadsafe."},                \
    {"call_later", FAST_METHOD(Loop_call_later),                                             \
     "call_later($self, delay, callback, *args, context=None)\n--\n\n"                       \
     "Have callback(*args) called after delay seconds; returns its TimerHandle. As "         \
     "asyncio.loop.call_later."},                                                            \
    {"call_at", FAST_METHOD(Loop_call_at),                                                   \
     "call_at($self, when, callback, *args, context=None)\n--\n\n"                           \
     "Have callback(*args) called at a time in seconds of loop.time(); returns its "         \
     "TimerHandle. As asyncio.loop.call_at."},                                               \
    {"time", Loop_time, METH_NOARGS,                                                         \
     "time($self, /)\n--\n\nSeconds of the monotonic clock. As asyncio.loop.time."},         \
    {"create_future", Loop_create_future, METH_NOARGS,                                       \
     "create_future($self, /)\n--\n\nA pending pyasync.Future on this loop. As "             \
     "asyncio.loop.create_future."},                                                         \
    {"create_task", FAST_METHOD(Loop_create_task),                                           \
     "create_task($self, coro, **kwargs)\n--\n\nHave the loop run a coroutine; returns its " \
     "Task. As asyncio.loop.create_task of the running version."},                           \
    {"_add_callback", Loop_add_callback, METH_O, NULL},                                      \
    {"_add_callback_signalsafe", Loop_add_callback_signalsafe, METH_O, NULL},                \
    {"_write_to_self", Loop_write_to_self, METH_NOARGS, NULL},                               \
    {"_timer_handle_cancelled", Loop_timer_handle_cancelled, METH_O, NULL}

DECLARE_FAST_METHOD(Loop_run_in_executor);

#define LOOP_EXECUTOR_METHODS                                                                \
    {"run_in_executor", FAST_METHOD(Loop_run_in_executor),                                   \
     "run_in_executor($self, executor, func, *args)\n--\n\n"                                 \
     "A future of func(*args), called by a concurrent.futures executor, or by the loop's "   \
     "default one where that is None. As asyncio.loop.run_in_executor."}

DECLARE_FAST_METHOD(Loop_add_reader);
DECLARE_FAST_METHOD(Loop_add_writer);
DECLARE_METHOD(Loop_remove_reader);
DECLARE_METHOD(Loop_remove_writer);
DECLARE_METHOD(Loop_watched);

#define LOOP_WATCH_METHODS                                                                   \
    {"_add_reader", FAST_METHOD(Loop_add_reader), NULL},                                     \
    {"_add_writer", FAST_METHOD(Loop_add_writer), NULL},                                     \
    {"_remove_reader", Loop_remove_reader, METH_O, NULL},                                    \
    {"_remove_writer", Loop_remove_writer, METH_O, NULL},                                    \
    {"_watched", Loop_watched, METH_NOARGS, NULL}

DECLARE_METHOD(Loop_run_once);
DECLARE_METHOD(Loop_run_until_stopped);
DECLARE_METHOD(Loop_poll);

extern PyGetSetDef loop_attributes[]; /* loop_attributes.c */

#define LOOP_RUN_METHODS                                                                     \
    {"_run_once", Loop_run_once, METH_NOARGS,                                                \
     "_run_once($self, /)\n--\n\nOne iteration. As asyncio.BaseEventLoop._run_once."},       \
    {"_run_until_stopped", Loop_run_until_stopped, METH_NOARGS,                              \
     "_run_until_stopped($self, /)\n--\n\nIterations until stop() was called, at least one."}, \
    {"_poll", Loop_poll, METH_O,                                                             \
     "_poll($self, timeout, /)\n--\n\n[(fd, events)] of what is ready within timeout seconds " \
     "(None: for ever); nothing of it is scheduled."}

/* The getters of _ready, a list of handles, and _scheduled, in the order in which they are due. */
PyObject *loop_get_ready(PyObject *self, void *closure);
PyObject *loop_get_scheduled(PyObject *self, void *closure);

DECLARE_METHOD(Loop_count_ready);
DECLARE_METHOD(Loop_take_ready);
DECLARE_METHOD(Loop_put_ready);
DECLARE_METHOD(Loop_put_ready_first);

#define LOOP_QUEUE_METHODS                                                                   \
    {"_count_ready", Loop_count_ready, METH_NOARGS,                                          \
     "_count_ready($self, /)\n--\n\nHow many handles are ready."},                            \
    {"_take_ready", Loop_take_ready, METH_NOARGS,                                            \
     "_take_ready($self, /)\n--\n\nThe first handle of what is ready, taken out."},          \
    {"_put_ready", Loop_put_ready, METH_O,                                                   \
     "_put_ready($self, handle, /)\n--\n\nMake a handle the last one that is ready; a timer " \
     "is moved."},                                                                           \
    {"_put_ready_first", Loop_put_ready_first, METH_O,                                       \
     "_put_ready_first($self, handle, /)\n--\n\nMake a handle the first one that is ready; a " \
     "timer is moved."}

#endif
