/* coroutine_origin.c -- where a Coroutine was made, while the interpreter tracks origins. */

#include "core/coroutine_origin.h"

/* One entry; steals the frame. */
static PyObject *
describe_steal(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *entry = Py_BuildValue("OiO", code->co_filename, PyFrame_GetLineNumber(frame),
                                    code->co_name);
    Py_DECREF(code);
    Py_DECREF(frame);
    return entry;
}

/* A new reference or NULL. */
static PyObject *
find_origin(int depth)
{
    PyObject *entries = PyList_New(0);
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame());
    while (entries != NULL && frame != NULL && PyList_GET_SIZE(entries) < depth) {
        PyFrameObject *back = PyFrame_GetBack(frame);
        PyObject *entry = describe_steal(frame);
        frame = back;
        if (entry == NULL || PyList_Append(entries, entry) < 0) {
            Py_CLEAR(entries);
        }
        Py_XDECREF(entry);
    }
    Py_XDECREF(frame);
    PyObject *origin = entries == NULL ? NULL : PyList_AsTuple(entries);
    Py_XDECREF(entries);
    return origin;
}

int
coroutine_origin_note_slow(Coroutine *self, int depth)
{
    core_state *state = self->module_state;
    if (state->coroutine_origins == NULL && (state->coroutine_origins = PyDict_New()) == NULL) {
        return -1;
    }
    PyObject *address = PyLong_FromVoidPtr(self);
    PyObject *origin = address == NULL ? NULL : find_origin(depth);
    int status = origin == NULL ? -1 : PyDict_SetItem(state->coroutine_origins, address, origin);
    Py_XDECREF(address);
    Py_XDECREF(origin);
    self->has_origin = status == 0;
    return status;
}

PyObject *
coroutine_origin(Coroutine *self)
{
    if (!self->has_origin || self->module_state->coroutine_origins == NULL) {
        return Py_NewRef(Py_None);
    }
    PyObject *address = PyLong_FromVoidPtr(self);
    PyObject *origin = address == NULL ? NULL
                                       : PyDict_GetItemWithError(
                                             self->module_state->coroutine_origins, address);
    Py_XDECREF(address);
    return origin == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : Py_XNewRef(origin);
}

void
coroutine_origin_forget(Coroutine *self)
{
    if (!self->has_origin) {
        return;
    }
    self->has_origin = false;
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *origins = self->module_state->coroutine_origins;
    PyObject *address = PyLong_FromVoidPtr(self);
    if (address == NULL || (origins != NULL && PyDict_DelItem(origins, address) < 0)) {
        PyErr_WriteUnraisable(NULL); /* without memory for the key */
    }
    Py_XDECREF(address);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}
