/* gathering_future.h -- the future that gather() returns: it knows its children and counts them.

   Invariants
   1. finished counts the children that have told us they are done; at count all have. One that is
      passed to gather() twice counts once.
   2. Until it is open (gather() has looked at all arguments) no child gives it an outcome; where
      gather() failed it never is, and only keeps the children's exceptions from being logged.
   Ownership: children (a list, which Python code can change) and waiting_task are references.
   Source: asyncio.tasks._GatheringFuture and gather()'s _done_callback (Lib/asyncio/tasks.py). */

#ifndef PYASYNC_SYNC_GATHERING_FUTURE_H
#define PYASYNC_SYNC_GATHERING_FUTURE_H

#include "base/compat.h"

#include "core/future.h"
#include "core/waiter.h"

#include <stdbool.h>

typedef struct {
    Future future;
    PyObject *children;
    PyObject *waiting_task; /* who called gather(), for 3.14's call graph; else NULL */
    Py_ssize_t count;
    Py_ssize_t finished;
    bool is_open;
    bool is_cancel_requested;
    bool returns_exceptions;
} GatheringFuture;

extern const waiter_kind gathering_waiter;

/* A new one with no children yet; it is not open. */
GatheringFuture *gathering_future_new(core_state *state, PyObject *loop, bool returns_exceptions);

/* A child is done: 0 or -1. Runs Python for a child that is not of ours. */
int gathering_future_notify(core_state *state, PyObject *self, PyObject *child);

int gathering_future_init_type(PyObject *module, core_state *state);

#endif
