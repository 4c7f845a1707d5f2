/* future_iter.c -- the iterator that `await future` steps: yields the future once, then returns.

   An interpreter that steps an iterator by tp_iternext (3.12 and newer) needs a StopIteration for
   every result but None: a new one (core/stop_iteration.h says why).

   Invariants
   1. future is NULL once an exception was thrown in or, before 3.14, the result was given; from
      3.14 on an exhausted iterator gives the result again.
   Source: FutureIter of Modules/_asynciomodule.c. */

#include "core/future.h"

#include "base/check.h"
#include "core/stop_iteration.h"

typedef struct {
    PyObject_HEAD
    Future *future;
} FutureIter;

PyObject *
future_iter_new(PyObject *op)
{
    Future *future = (Future *)op;
    if (future_ensure_alive(future) < 0) {
        return NULL;
    }
    core_state *state = future_state_of(future);
    FutureIter *self = NULL;
    if (future->is_own) {
        self = (FutureIter *)loop_free_list_take(&future_own_loop(future)->free_iters,
                                                 state->FutureIter_type);
    }
    if (self == NULL) {
        self = PyObject_GC_New(FutureIter, state->FutureIter_type);
        if (self == NULL) {
            return NULL;
        }
        self->future = NULL;
        PyObject_GC_Track(self);
    }
    LIVE_ADD(state, LIVE_FUTURE_ITER);
    self->future = (Future *)Py_NewRef(op);
    return (PyObject *)self;
}

static PySendResult
FutureIter_am_send(PyObject *op, PyObject *Py_UNUSED(value), PyObject **result)
{
    FutureIter *self = (FutureIter *)op;
    Future *future = self->future;
    *result = NULL;
    if (future == NULL) {
        return PYGEN_ERROR;
    }
    if (future->state == FUTURE_PENDING) {
        if (!future->is_blocking) {
            future->is_blocking = true;
            *result = Py_NewRef((PyObject *)future);
            return PYGEN_NEXT;
        }
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return PYGEN_ERROR;
    }
    if (FUTURE_ITER_ANSWERS_AGAIN) {
        *result = future_result(future_state_of(future), future);
    }
    else {
        self->future = NULL;
        *result = future_result(future_state_of(future), future);
        Py_DECREF(future);
    }
    return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

static PyObject *
FutureIter_iternext(PyObject *op)
{
    PyObject *result;
    switch (FutureIter_am_send(op, Py_None, &result)) {
    case PYGEN_NEXT:
        return result;
    case PYGEN_RETURN:
        if (result == Py_None) { /* the iterator protocol: an end without a value */
            Py_DECREF(result);
            return NULL;
        }
        stop_iteration_raise_new_steal(result);
        return NULL;
    case PYGEN_ERROR:
        break;
    }
    return NULL;
}

static PyObject *
FutureIter_send(PyObject *op, PyObject *Py_UNUSED(value))
{
    PyObject *result;
    switch (FutureIter_am_send(op, Py_None, &result)) {
    case PYGEN_NEXT:
        return result;
    case PYGEN_RETURN:
        stop_iteration_raise_new_steal(result);
        return NULL;
    case PYGEN_ERROR:
        break;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return NULL;
}

static PyObject *
FutureIter_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected %s argument%s, got %zd",
                     nargs < 1 ? "at least 1" : "at most 3", nargs < 1 ? "" : "s", nargs);
        return NULL;
    }
    if (nargs > 1 && THROW_WARNS_OF_THREE_ARGUMENTS
        && PyErr_WarnEx(PyExc_DeprecationWarning,
                        "the (type, exc, tb) signature of throw() is deprecated, "
                        "use the single-arg signature instead.",
                        1) < 0) {
        return NULL;
    }
    PyObject *type = args[0];
    PyObject *value = nargs >= 2 && args[1] != Py_None ? args[1] : NULL;
    PyObject *traceback = nargs == 3 && args[2] != Py_None ? args[2] : NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback");
        return NULL;
    }
    Py_INCREF(type);
    Py_XINCREF(value);
    Py_XINCREF(traceback);
    if (PyExceptionClass_Check(type)) {
        PyErr_NormalizeException(&type, &value, &traceback);
    }
    else if (PyExceptionInstance_Check(type)) {
        if (value != NULL) {
            PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
            goto fail;
        }
        value = type;
        type = Py_NewRef(PyExceptionInstance_Class(value));
        if (traceback == NULL) {
            traceback = PyException_GetTraceback(value);
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes deriving BaseException or "
                                         "instances of such a class");
        goto fail;
    }
    Py_CLEAR(((FutureIter *)op)->future);
    PyErr_Restore(type, value, traceback);
    return NULL;
fail:
    Py_DECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return NULL;
}

static PyObject *
FutureIter_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Py_CLEAR(((FutureIter *)op)->future);
    Py_RETURN_NONE;
}

static int
FutureIter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((FutureIter *)op)->future);
    return 0;
}

static int
FutureIter_clear(PyObject *op)
{
    Py_CLEAR(((FutureIter *)op)->future);
    return 0;
}

static void
FutureIter_dealloc(PyObject *op)
{
    FutureIter *self = (FutureIter *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    LIVE_SUB(state_of_dying_type(type), LIVE_FUTURE_ITER);
    Future *future = self->future;
    Loop *own = future == NULL ? NULL : future_own_loop(future);
    self->future = NULL;
    if (own == NULL || own->is_closed || !loop_free_list_put(&own->free_iters, op)) {
        type->tp_free(op);
    }
    Py_XDECREF(future);
    Py_DECREF(type);
}

static PyMethodDef FutureIter_methods[] = {
    {"send", FutureIter_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))FutureIter_throw, METH_FASTCALL, NULL},
    {"close", FutureIter_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot FutureIter_slots[] = {
    {Py_tp_traverse, FutureIter_traverse},
    {Py_tp_clear, FutureIter_clear},
    {Py_tp_dealloc, FutureIter_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, FutureIter_iternext},
    {Py_am_send, FutureIter_am_send},
    {Py_tp_methods, FutureIter_methods},
    {0, NULL},
};

static PyType_Spec FutureIter_spec = {
    .name = "pyasync._core.FutureIter",
    .basicsize = sizeof(FutureIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = FutureIter_slots,
};

int
future_iter_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->FutureIter_type, &FutureIter_spec, NULL);
}
