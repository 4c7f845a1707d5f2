/* structured.h -- what timeouts, task groups and wait_for() find out at import. */

#ifndef PYASYNC_SYNC_STRUCTURED_H
#define PYASYNC_SYNC_STRUCTURED_H

#include "base/compat.h"

#include "core/state.h"

/* Whether the Python code of a function of asyncio's uses this name: 1, 0 or -1. */
int function_code_names(PyObject *function, const char *name);

/* The same for a method of a class; 0 also where it has none of that name. */
int method_code_names(PyObject *owner, const char *method, const char *name);

/* Calls a method of asyncio's class, behind ours, on `self`. Runs Python. */
PyObject *method_call_stock(PyObject *owner, const char *method, PyObject *self,
                            PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* _set_structured(Timeout, TaskGroup): the package's classes over the C halves, once, at its
   import. */
PyObject *core_set_structured(PyObject *module, PyObject *args);

#endif
