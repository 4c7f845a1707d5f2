/* handled.h -- an `except` in C: what sys.exc_info() tells while something is called.

   Python keeps for each coroutine and generator which exception it handles; where one handles none, that
   of whoever runs it is shown. What was only shown before must not become the coroutine's own: it
   would still be handled there when somebody else runs it. */

#ifndef PYASYNC_CORE_HANDLED_H
#define PYASYNC_CORE_HANDLED_H

#include "base/compat.h"

/* The exception is handled from here on; answers what was, for handled_end(). */
static inline PyObject *
handled_begin(PyObject *exception)
{
    PyObject *outer = PyErr_GetHandledException();
    PyErr_SetHandledException(exception);
    return outer;
}

/* As it was before. Steals outer; keeps the pending exception. */
static inline void
handled_end(PyObject *outer)
{
    PyErr_SetHandledException(NULL);
    PyObject *shown = PyErr_GetHandledException();
    if (shown != outer) {
        PyErr_SetHandledException(outer);
    }
    Py_XDECREF(shown);
    Py_XDECREF(outer);
}

#endif
