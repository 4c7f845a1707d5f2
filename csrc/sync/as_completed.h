/* as_completed.h -- asyncio.as_completed(): futures in the order in which they are done.

   Invariants
   1. unfinished counts the futures that have not told us they are done; a timeout sets it to 0, and
      what is done after that is not heard.
   2. completed holds, from taken on, what nobody has fetched yet: done futures, and after a timeout
      None for each that was not done. getters are the futures of those who wait for one, in turn.
   3. left is how many more are to be given out.
   Ownership: every object field is a reference.
   Source: asyncio.as_completed (Lib/asyncio/tasks.py) and the Queue it keeps them in. */

#ifndef PYASYNC_SYNC_AS_COMPLETED_H
#define PYASYNC_SYNC_AS_COMPLETED_H

#include "base/compat.h"

#include "core/state.h"

typedef struct {
    PyObject_HEAD
    PyObject *futures;   /* list */
    PyObject *completed; /* list */
    Py_ssize_t taken;
    PyObject *getters;   /* list */
    PyObject *loop;      /* of the getters, from the first on */
    PyObject *timer;
    PyObject *waiting_task; /* who called as_completed(), for 3.14's call graph; else NULL */
    PyObject *weakrefs;
    Py_ssize_t unfinished;
    Py_ssize_t left;
} AsCompleted;

/* A coroutine for the next one that is done (sync/next_completed.c): its result, or the future
   itself (for __anext__, which also counts it). */
PyObject *next_completed_result(core_state *state, AsCompleted *iterator);
PyObject *next_completed_future(core_state *state, AsCompleted *iterator);

int next_completed_init(core_state *state);
int as_completed_init_type(PyObject *module, core_state *state);

#endif
