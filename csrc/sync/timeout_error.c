/* timeout_error.c -- a TimeoutError raised for a CancelledError, or put into others' contexts. */

#include "sync/timeout_error.h"

static PyObject *
make_timeout_error(PyObject *cause)
{
    PyObject *error = PyObject_CallNoArgs(PyExc_TimeoutError);
    if (error != NULL) {
        PyException_SetCause(error, cause == Py_None ? NULL : Py_XNewRef(cause));
    }
    return error;
}

static void
raise_timeout_error(PyObject *cause)
{
    if (cause != NULL && cause != Py_None && !PyExceptionInstance_Check(cause)) {
        PyErr_SetString(PyExc_TypeError, "exception causes must derive from BaseException");
        return;
    }
    PyObject *error = make_timeout_error(cause);
    if (error != NULL) {
        PyErr_SetObject(PyExc_TimeoutError, error);
        Py_DECREF(error);
    }
}

/* Where an exception came about because of our cancellation, that is told as a TimeoutError between
   the two. 0 or -1. */
static int
insert_timeout_error(core_state *state, PyObject *exc)
{
    int status = 0;
    PyObject *context;
    if (!PyExceptionInstance_Check(exc)) {
        return 0;
    }
    Py_INCREF(exc);
    while ((context = PyException_GetContext(exc)) != NULL) {
        status = PyObject_IsInstance(context, state->CancelledError);
        if (status != 0) {
            break;
        }
        Py_SETREF(exc, context);
    }
    if (status > 0) {
        PyObject *error = make_timeout_error(context);
        status = error == NULL ? -1 : 0;
        if (error != NULL) {
            PyException_SetContext(error, Py_NewRef(context));
            PyException_SetContext(exc, error);
        }
    }
    Py_XDECREF(context);
    Py_DECREF(exc);
    return status;
}

/* The same for an exception, and for each one in a group. Runs Python. */
static int
insert_timeout_errors(core_state *state, PyObject *exc)
{
    int is_group = insert_timeout_error(state, exc) < 0
                       ? -1
                       : PyObject_IsInstance(exc, state->ExceptionGroup);
    if (is_group <= 0) {
        return is_group;
    }
    PyObject *members = PyObject_GetAttr(exc, state->name_exceptions);
    int status = members == NULL ? -1 : 0;
    Py_ssize_t count = members != NULL && PyTuple_Check(members) ? PyTuple_GET_SIZE(members) : 0;
    for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
        status = insert_timeout_error(state, PyTuple_GET_ITEM(members, i));
    }
    Py_XDECREF(members);
    return status;
}

int
timeout_error_convert(core_state *state, PyObject *exc_type, PyObject *exc)
{
    int is_cancelled = exc_type == state->CancelledError;
    if (!is_cancelled && state->timeout_takes_subclasses) {
        is_cancelled = PyObject_IsSubclass(exc_type, state->CancelledError);
    }
    if (is_cancelled > 0) {
        raise_timeout_error(exc);
        return -1;
    }
    if (is_cancelled == 0 && state->timeout_inserts_errors && exc != NULL && exc != Py_None) {
        return insert_timeout_errors(state, exc);
    }
    return is_cancelled;
}
