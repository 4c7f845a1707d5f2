/* coroutine_origin.h -- where a Coroutine was made, while the interpreter tracks origins.

   debug mode and sys.set_coroutine_origin_tracking_depth() ask for it. Most coroutines have none: it is
   kept in a dict beside them, not in them.

   Invariant: has_origin says that state->coroutine_origins has an entry under the object's address.
   Source: types.CoroutineType.cr_origin. */

#ifndef PYASYNC_CORE_COROUTINE_ORIGIN_H
#define PYASYNC_CORE_COROUTINE_ORIGIN_H

#include "base/compat.h"

#include "core/coroutine.h"

/* Notes it down, where that is asked for: 0 or -1. */
int coroutine_origin_note_slow(Coroutine *self, int depth);

static inline int
coroutine_origin_note(Coroutine *self)
{
    int depth = PyThreadState_Get()->coroutine_origin_tracking_depth;
    return depth == 0 ? 0 : coroutine_origin_note_slow(self, depth);
}

/* ((file name, line, function name), ...) from the innermost frame out, or None. A new reference or NULL. */
PyObject *coroutine_origin(Coroutine *self);

/* It dies. Keeps the pending exception. */
void coroutine_origin_forget(Coroutine *self);

#endif
