/* stop_iteration.h -- the result of an `await`, as an interpreter that steps by tp_iternext wants it.

   3.12 and newer take every result but None from a StopIteration. One object is used for all that
   Coroutines return: making one, and the tuple in it, costs more than the rest of an await. The
   value leaves it again when the Coroutine dies, which is at the end of the await. (Not for what
   Python code calls next() on, as it does on a future's iterator: what is caught there, with its
   traceback, would stay alive until the next result.)

   Invariants
   1. state->stop_iteration is NULL or one that nobody has got hold of: else it is theirs for good.
   Ownership: the module state's.
   Source: PyGen's StopIteration (Objects/genobject.c). */

#ifndef PYASYNC_CORE_STOP_ITERATION_H
#define PYASYNC_CORE_STOP_ITERATION_H

#include "base/compat.h"

#include "core/state.h"

/* Raises StopIteration(value), from a tp_iternext; and one that is used once, for Python code that
   catches it. */
void stop_iteration_raise_steal(core_state *state, PyObject *value);
void stop_iteration_raise_new_steal(PyObject *value);

/* Takes the value out of what was raised last. Keeps the pending exception. Runs Python. */
void stop_iteration_forget_slow(core_state *state);

static inline void
stop_iteration_forget(core_state *state)
{
    if (state->stop_iteration_has_value) {
        stop_iteration_forget_slow(state);
    }
}

#endif
