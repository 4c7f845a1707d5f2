/* awaitable.h -- what may be awaited: which kind it is, which loop it belongs to, a task for it.

   Source: isfuture, iscoroutine, ensure_future and futures._get_loop of asyncio. */

#ifndef PYASYNC_CORE_AWAITABLE_H
#define PYASYNC_CORE_AWAITABLE_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* Whether asyncio.isfuture() or asyncio.iscoroutine() takes it: 1, 0 or -1. Runs Python where it is
   of no type that we know. */
int awaitable_is_future(core_state *state, PyObject *object);
int awaitable_is_coroutine_slow(core_state *state, PyObject *object);
static inline int
awaitable_is_coroutine(core_state *state, PyObject *object)
{
    return PyCoro_CheckExact(object) ? 1 : awaitable_is_coroutine_slow(state, object);
}

/* A future's loop: a new reference or NULL. Runs Python for a future not of ours. */
PyObject *awaitable_loop_of(core_state *state, PyObject *future);

/* As asyncio.ensure_future(object, loop=loop); loop may be NULL. Runs Python. */
PyObject *awaitable_ensure_future(core_state *state, PyObject *object, PyObject *loop);

/* What asyncio.get_running_loop() gives: a new reference, or NULL with RuntimeError. */
PyObject *awaitable_running_loop(core_state *state);

/* What asyncio.current_task(loop) gives: a new reference, or NULL where it is None or raised. */
PyObject *awaitable_current_task(core_state *state, PyObject *loop);

/* Asks a future of any kind. done and cancelled: 1, 0 or -1; result and exception: as the methods.
   All run Python for a future not of ours. */
int awaitable_is_done(core_state *state, PyObject *future);
int awaitable_is_cancelled(core_state *state, PyObject *future);
PyObject *awaitable_exception(core_state *state, PyObject *future);
PyObject *awaitable_result(core_state *state, PyObject *future);

/* future.set_result(value), future.set_exception(exception), and the one of the two that fits an
   exception that may be NULL: 0 or -1. Run Python for one not of ours. */
int awaitable_set_result(core_state *state, PyObject *future, PyObject *value);
int awaitable_set_exception(core_state *state, PyObject *future, PyObject *exception);
static inline int
awaitable_finish(core_state *state, PyObject *future, PyObject *exception)
{
    return exception == NULL ? awaitable_set_result(state, future, Py_None)
                             : awaitable_set_exception(state, future, exception);
}

/* Gives a future that is not done the result None: 0 or -1. Runs Python for one not of ours. */
int awaitable_wake(core_state *state, PyObject *future);

/* future.cancel(msg=message), or future.cancel() where that is NULL: 1, 0 or -1. Runs Python. */
int awaitable_cancel(core_state *state, PyObject *future, PyObject *message);

/* Tells 3.14's call graph that a task (NULL: none) waits for a future, or does no more: 0 or -1. Of
   one of ours its waiters say so themselves. Runs Python for one that is not. */
int awaitable_add_awaited_by(core_state *state, PyObject *future, PyObject *task);
int awaitable_discard_awaited_by(core_state *state, PyObject *future, PyObject *task);

/* Finds what asyncio wraps in a coroutine what is awaitable only: 0 or -1. */
int awaitable_init(core_state *state);

#endif
