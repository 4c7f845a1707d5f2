/* async_with_method.h -- __aenter__ and __aexit__ for interpreters that bind both for each `async with`.

   To 3.13 `async with x` asks the type for both methods and binds them to x: two method objects
   that live until they have been called once. A descriptor of ours stands in the class for that,
   whose bound methods come from a free list. To whoever looks they are methods of what the class gives
   (core/coroutine_method.h): for all but its call a bound method asks a method object made for the
   purpose.

   Ownership: a descriptor holds the C method's own and what the class gives; a bound method holds the
   latter and the object. Those in the free list hold their type.
   Source: types.MethodType. */

#ifndef PYASYNC_CORE_ASYNC_WITH_METHOD_H
#define PYASYNC_CORE_ASYNC_WITH_METHOD_H

#include "base/compat.h"

#include "core/state.h"

/* What stands in a class for the method that `descriptor` (of types.MethodDescriptorType) is: one of
   these for the two names where the running version has a use for it, else `shown`, which the class
   gives in any case. A new reference or NULL. */
PyObject *async_with_method_for(core_state *state, PyObject *descriptor, PyObject *shown);

/* Gives back the memory of dead bound methods that is kept. */
void async_with_method_drop_spare(core_state *state);

int async_with_method_init_types(PyObject *module, core_state *state);

#endif
