/* adopt.h -- a Python class takes the C methods that it inherits as its own.

   The interpreter's specialised calls of C methods ask for an object of the very class that has the
   method; where it is inherited, the call takes the general way.
   Source: CALL_METHOD_DESCRIPTOR_* in CPython's bytecodes. */

#ifndef PYASYNC_CORE_ADOPT_H
#define PYASYNC_CORE_ADOPT_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* Every method that `type` inherits from a C type of ours, and that no class in between overrides,
   becomes its own: the same C function, in a coroutine method (core/coroutine_method.h) where asyncio
   has it as `async def`. 0 or -1. */
int adopt_methods(core_state *state, PyTypeObject *type);

/* Whether both are the same method in C, whichever class it was adopted by. */
static inline bool
adopt_is_same(PyObject *one, PyObject *other)
{
    return one == other
           || (Py_IS_TYPE(one, &PyMethodDescr_Type) && Py_IS_TYPE(other, &PyMethodDescr_Type)
               && ((PyMethodDescrObject *)one)->d_method
                      == ((PyMethodDescrObject *)other)->d_method);
}

#endif
