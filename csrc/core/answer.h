/* answer.h -- what a call into Python answered, as C reads it, and what C answers.

   The first three take the reference, which is NULL where the call raised; the exception stays. */

#ifndef PYASYNC_CORE_ANSWER_H
#define PYASYNC_CORE_ANSWER_H

#include "base/compat.h"

/* Of a call whose result says nothing: 0 or -1. */
static inline int
status_steal(PyObject *answer)
{
    if (answer == NULL) {
        return -1;
    }
    Py_DECREF(answer); // runs Python (destructors)
    return 0;
}

/* Of a call that answers yes or no: 1, 0 or -1. */
static inline int
truth_steal(PyObject *answer)
{
    if (answer == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(answer); // runs Python
    Py_DECREF(answer);
    return is_true;
}

/* Of a call that answers an int: 0; or -1 where it is none, or too large, and so is *number. */
static inline int
number_steal(PyObject *answer, long *number)
{
    *number = answer == NULL ? -1 : PyLong_AsLong(answer); // runs Python where it is no int
    Py_XDECREF(answer);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The answer of a method without a result: None, or NULL where that is -1. */
static inline PyObject *
none_or_null(int status)
{
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* A field that is NULL for None, as Python gets it: a new reference. */
static inline PyObject *
new_or_none(PyObject *field)
{
    return Py_NewRef(field == NULL ? Py_None : field);
}

#endif
