/* namespace.h -- what a name of somebody else's module holds now, asked often and answered fast.

   `place` is where in the namespace the name was last: a look there costs a third of looking it up.
   Names are interned, as module state has them (core/names.h). */

#ifndef PYASYNC_CORE_NAMESPACE_H
#define PYASYNC_CORE_NAMESPACE_H

#include "base/compat.h"

/* The value, borrowed; NULL where the name is not there, or with an exception. */
static inline PyObject *
namespace_get(PyObject *namespace, Py_ssize_t *place, PyObject *name)
{
    PyObject *key, *found;
    Py_ssize_t next = *place;
    if (PyDict_Next(namespace, &next, &key, &found) && key == name) {
        return found;
    }
    next = 0;
    do {
        *place = next;
    } while (PyDict_Next(namespace, &next, &key, &found) && key != name);
    return PyDict_GetItemWithError(namespace, name);
}

#endif
