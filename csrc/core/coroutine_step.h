/* coroutine_step.h -- resuming a Coroutine: what its type's slots and methods are.

   Source: types.CoroutineType. */

#ifndef PYASYNC_CORE_COROUTINE_STEP_H
#define PYASYNC_CORE_COROUTINE_STEP_H

#include "base/compat.h"

#include "core/coroutine.h"

/* Ends it, however that came about. Keeps the pending exception. Runs Python (destructors). */
void coroutine_end_keeping_exception(Coroutine *self);

PySendResult Coroutine_am_send(PyObject *op, PyObject *value, PyObject **result);
PyObject *Coroutine_send(PyObject *op, PyObject *value);
PyObject *Coroutine_iternext(PyObject *op);
PyObject *Coroutine_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *Coroutine_close(PyObject *op, PyObject *unused);

#endif
