/* stop_iteration.c -- making a StopIteration, and one that is raised again and again. */

#include "core/stop_iteration.h"

/* Whether it is as it was made. */
static bool
is_untouched(PyObject *stop)
{
    const PyBaseExceptionObject *exception = (PyBaseExceptionObject *)stop;
    return Py_REFCNT(exception->args) == 1 && exception->dict == NULL
           && exception->traceback == NULL && exception->context == NULL
           && exception->cause == NULL;
}

/* Puts a value into a spare one; steals it and gives the old one back. */
static PyObject *
exchange(PyObject *stop, PyObject *value)
{
    PyStopIterationObject *self = (PyStopIterationObject *)stop;
    PyObject *old = self->value;
    self->value = value;
    Py_SETREF(PyTuple_GET_ITEM(self->args, 0), Py_NewRef(value));
    return old;
}

/* A new one with that value, and with it as its one argument, or NULL: put together here, because
   calling the class costs more than the rest of an await. */
static PyObject *
make_steal(PyObject *value)
{
    PyTypeObject *type = (PyTypeObject *)PyExc_StopIteration;
    PyStopIterationObject *stop = (PyStopIterationObject *)type->tp_alloc(type, 0);
    if (stop == NULL) {
        Py_DECREF(value);
        return NULL;
    }
    stop->value = value;
    stop->args = PyTuple_Pack(1, value);
    if (stop->args == NULL) {
        Py_CLEAR(stop);
    }
    return (PyObject *)stop;
}

void
stop_iteration_raise_new_steal(PyObject *value)
{
    PyObject *stop = make_steal(value);
    if (stop != NULL) {
        PyErr_SetRaisedException(stop);
    }
}

void
stop_iteration_raise_steal(core_state *state, PyObject *value)
{
    stop_iteration_forget(state);
    PyObject *stop = Py_XNewRef(state->stop_iteration);
    if (stop == NULL || Py_REFCNT(stop) != 2 || !is_untouched(stop)) {
        Py_XSETREF(stop, make_steal(Py_NewRef(Py_None)));
        if (stop == NULL) {
            Py_DECREF(value);
            return;
        }
        Py_XSETREF(state->stop_iteration, Py_NewRef(stop)); // runs Python (destructors)
    }
    state->stop_iteration_has_value = true;
    PyObject *old = exchange(stop, value);
    PyErr_SetRaisedException(stop);
    Py_DECREF(old); /* None */
}

void
stop_iteration_forget_slow(core_state *state)
{
    PyObject *stop = state->stop_iteration;
    state->stop_iteration_has_value = false;
    if (stop != NULL && Py_REFCNT(stop) == 1 && is_untouched(stop)) {
        PyObject *value = exchange(stop, Py_NewRef(Py_None));
        Py_DECREF(value); // runs Python (destructors)
    }
    else if (stop != NULL) {
        state->stop_iteration = NULL;
        Py_DECREF(stop); /* somebody looks at it: it stays as it is */
    }
}
