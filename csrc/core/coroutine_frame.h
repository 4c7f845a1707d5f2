/* coroutine_frame.h -- what tools see of a Coroutine where a Python one has frames.

   asyncio's reprs, Task.get_stack() and 3.14's call graph look at the code and the frame of a
   coroutine and of what it awaits. A kind that names the functions of asyncio that it stands for,
   from the outermost in, is seen as these, suspended at their first lines.

   Invariants
   1. A frame stands for one of kind->functions; the first is that of the Coroutine itself, the
      others are awaited by the one before and are frame and coroutine in one object.
   Source: the attributes f_* and cr_* (Lib/inspect.py). */

#ifndef PYASYNC_CORE_COROUTINE_FRAME_H
#define PYASYNC_CORE_COROUTINE_FRAME_H

#include "base/compat.h"

#include "core/coroutine.h"
#include "core/state.h"

/* The code of one of the kind's functions, or None: a new reference or NULL. */
PyObject *coroutine_code(const Coroutine *coroutine, int level);

/* The frame of that function, or None where the kind names none. */
PyObject *coroutine_frame(Coroutine *coroutine, int level);

/* What that function awaits: the frame of the next one, the future, or None. */
PyObject *coroutine_awaits(Coroutine *coroutine, int level);

int coroutine_frame_init_type(PyObject *module, core_state *state);

#endif
