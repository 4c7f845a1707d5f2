/* context.h -- contexts without a Context object: a snapshot of the variables is enough.

   asyncio copies the current context for every callback, timer and task. A copy is a new object
   around the same immutable mapping, so what is kept here is the mapping alone (a snapshot); when
   the callback runs, the loop's one spare Context gets it for that time. Whatever could see the
   Context itself (Task.get_context(), a foreign loop, a contextvars.Token) gets a real one.

   Invariants
   1. A stored context is a contextvars.Context, a snapshot, or what the user gave instead.
   2. The spare belongs to nobody while it is in the loop: one reference, no variables. One that
      somebody else still refers to (a Token does) is never used again for another callback.
   3. Where the layout of a Context is not what was found at import, stored contexts are copies.
   Source: contextvars (Python/context.c): copy_context() shares the mapping. */

#ifndef PYASYNC_CORE_CONTEXT_H
#define PYASYNC_CORE_CONTEXT_H

#include "base/compat.h"

#include "core/loop.h"
#include "core/state.h"

/* What copy_context() would copy: a snapshot, or a copy. A new reference or NULL. */
PyObject *context_take_snapshot(core_state *state);

static inline bool
context_is_snapshot(const core_state *state, PyObject *stored)
{
    return Py_IS_TYPE(stored, state->context_vars_type);
}

/* Enters a stored context and returns it, a new reference; a snapshot is replaced, for that time, by
   the loop's spare Context (snapshots are stored for loops of ours only). NULL where that failed.
   context_leave_steal leaves it; a borrowed one that nobody else has got hold of goes back to the
   loop, and what is stored is a snapshot of its variables again. */
PyObject *context_enter(core_state *state, Loop *loop, PyObject **stored, bool *is_borrowed);
int context_leave_steal(Loop *loop, PyObject **stored, PyObject *context, bool is_borrowed);

/* Replaces a stored snapshot by a real Context, for whoever wants to see it: 0 or -1. */
int context_materialize(core_state *state, PyObject **stored);

#endif
