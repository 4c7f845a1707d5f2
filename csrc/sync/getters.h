/* getters.h -- a list of futures of those who wait for something, woken one after the other.

   Source: asyncio.Queue._wakeup_next (Lib/asyncio/queues.py). */

#ifndef PYASYNC_SYNC_GETTERS_H
#define PYASYNC_SYNC_GETTERS_H

#include "base/compat.h"

#include "core/awaitable.h"
#include "core/state.h"

/* Takes a future out, if it is there. */
static inline void
getters_remove(PyObject *getters, PyObject *getter)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(getters); i++) {
        if (PyList_GET_ITEM(getters, i) == getter) {
            (void)PyList_SetSlice(getters, i, i + 1, NULL); /* smaller: nothing can go wrong */
            return;
        }
    }
}

/* Wakes the first that is not done: 0 or -1. Runs Python for futures not of ours. */
static inline int
getters_wake_next(core_state *state, PyObject *getters)
{
    int is_done = 1;
    while (is_done > 0 && PyList_GET_SIZE(getters) > 0) {
        PyObject *getter = Py_NewRef(PyList_GET_ITEM(getters, 0));
        (void)PyList_SetSlice(getters, 0, 1, NULL);
        is_done = awaitable_is_done(state, getter); // runs Python
        if (is_done == 0 && awaitable_wake(state, getter) < 0) {
            is_done = -1;
        }
        Py_DECREF(getter);
    }
    return is_done < 0 ? -1 : 0;
}

#endif
