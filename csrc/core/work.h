/* work.h -- a call that a thread pool does for a loop, in the place of a concurrent.futures.Future.

   A ThreadPoolExecutor's own submit() makes a future with a condition for each call. Who calls
   run_in_executor() sees the loop's future only, and what the GIL guards needs no lock: so the
   queue of the executor is given a work item of the executor's own, with a Work as its future. All
   the rest is the executor's: threads, their number and names, shutting down.

   That is for a ThreadPoolExecutor, not of a subclass, of which nothing has been replaced, in a
   version that pyasync/_thread_pool.py knows, and while one of its threads waits for work.

   Invariants
   1. PENDING, then RUNNING, then FINISHED; or PENDING, CANCELLED, NOTIFIED.
   2. end is set until it is finished or cancelled.
   Ownership: end and outcome are references.
   Threads: under the GIL, from any thread.
   Source: concurrent.futures.Future, ThreadPoolExecutor.submit and _adjust_thread_count. */

#ifndef PYASYNC_CORE_WORK_H
#define PYASYNC_CORE_WORK_H

#include "base/compat.h"

#include "core/loop.h"
#include "core/state.h"

#include <stdbool.h>

static inline bool
work_check(const core_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->Work_type);
}

/* Whether the executor is one of those: 1, 0 or -1. Runs Python the first time. */
int work_fits(core_state *state, PyObject *executor);

/* A future of the loop of args[1](*args[2:]), which the executor's queue was given; or NULL,
   without an exception where it has to be the executor's submit(). */
PyObject *work_submit(Loop *loop, PyObject *executor, PyObject *const *args, Py_ssize_t nargs);

/* The result of one that has one, a new reference; or NULL, without an exception. */
PyObject *work_result(PyObject *self);

/* A concurrent.futures.Future in the same state: a new reference or NULL. Runs Python. */
PyObject *work_as_concurrent(core_state *state, PyObject *self);

int work_init_type(PyObject *module, core_state *state);

/* The package tells what it knows of the running version's thread pools. */
PyObject *core_set_thread_pool(PyObject *module, PyObject *args);

#endif
