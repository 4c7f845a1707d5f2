/* streams.c -- calling asyncio's own methods, and whether a class or an object has its own. */

#include "net/streams.h"

#include "core/answer.h"
#include "core/stock.h"

int
streams_init_by_stock(PyTypeObject *type, PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *method = stock_super_method(type, self, "__init__");
    PyObject *answer = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(method);
    return status_steal(answer);
}

int
streams_class_is_plain(PyObject *self, PyObject *ours, const char *const *names)
{
    PyObject *type = (PyObject *)Py_TYPE(self);
    int is_same = ours != NULL;
    for (; type != ours && is_same > 0 && *names != NULL; names++) {
        PyObject *found = PyObject_GetAttrString(type, *names);
        PyObject *expected = found == NULL ? NULL : PyObject_GetAttrString(ours, *names);
        is_same = expected == NULL ? -1 : found == expected;
        Py_XDECREF(found);
        Py_XDECREF(expected);
    }
    return is_same;
}

int
streams_dict_is_plain(PyObject *dict, const char *const *names)
{
    if (dict == NULL || PyDict_GET_SIZE(dict) == 0) {
        return 1;
    }
    int is_there = 0;
    for (; is_there == 0 && *names != NULL; names++) {
        PyObject *name = PyUnicode_FromString(*names);
        is_there = name == NULL ? -1 : PyDict_Contains(dict, name);
        Py_XDECREF(name);
    }
    return is_there < 0 ? -1 : !is_there;
}

void
streams_dealloc(PyObject *self, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    (void)clear(self); // runs Python (destructors)
    LIVE_SUB(state_of_dying_type(type), LIVE_STREAM);
    type->tp_free(self);
    Py_DECREF(type);
}

void
streams_raise(PyObject *exception)
{
    if (PyExceptionInstance_Check(exception)) {
        PyErr_SetObject(PyExceptionInstance_Class(exception), exception);
    }
    else if (PyExceptionClass_Check(exception)) {
        PyErr_SetNone(exception);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "exceptions must derive from BaseException");
    }
}

int
streams_set_object(PyObject *self, PyObject *value, void *offset)
{
    PyObject **place = attribute_field(self, offset);
    PyObject *before = *place;
    *place = value == Py_None ? NULL : Py_XNewRef(value);
    Py_XDECREF(before); // runs Python (destructors)
    return 0;
}

int
streams_set_bool(PyObject *self, PyObject *value, void *offset)
{
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    *(bool *)attribute_field(self, offset) = is_true;
    return 0;
}

PyObject *
streams_set_types(PyObject *module, PyObject *args)
{
    core_state *state = state_of_module(module);
    PyObject *reader, *protocol, *writer;
    int keeps_writer, checks_cancelled, catches_errors;
    if (!PyArg_ParseTuple(args, "OOOppp:_set_stream_types", &reader, &protocol, &writer,
                          &keeps_writer, &checks_cancelled, &catches_errors)) {
        return NULL;
    }
    Py_XSETREF(state->StreamReader_class, Py_NewRef(reader));
    Py_XSETREF(state->StreamProtocol_class, Py_NewRef(protocol));
    Py_XSETREF(state->StreamWriter_class, Py_NewRef(writer));
    state->protocol_keeps_writer = keeps_writer;
    state->protocol_checks_cancelled = checks_cancelled;
    state->protocol_catches_errors = catches_errors;
    Py_RETURN_NONE;
}
