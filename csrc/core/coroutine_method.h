/* coroutine_method.h -- a method in C that asyncio has as `async def`.

   A plain method of a C type is no coroutine function to inspect, nor to what asks inspect: mock's
   specifications, unittest's cleanups, frameworks that run a callback in a thread where it is not
   one. This one has the code object of asyncio's own, as core/function.h's functions have.

   Ownership: descriptor (the plain method) and stock (asyncio's function) are references.
   Source: types.FunctionType. */

#ifndef PYASYNC_CORE_COROUTINE_METHOD_H
#define PYASYNC_CORE_COROUTINE_METHOD_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* The method `descriptor` of `type`; itself where asyncio has no coroutine function of that name for
   the type. A new reference, or NULL. */
PyObject *coroutine_method_new(core_state *state, PyTypeObject *type, PyObject *descriptor);

/* The plain method behind one; any other object itself. Borrowed. */
PyObject *coroutine_method_plain(const core_state *state, PyObject *method);

int coroutine_method_init_type(PyObject *module, core_state *state);

#endif
