/* structured.c -- taking the classes that the package has made over Timeout and TaskGroup. */

#include "sync/structured.h"

PyObject *
core_set_structured(PyObject *module, PyObject *args)
{
    core_state *state = state_of_module(module);
    PyTypeObject *timeout, *group;
    if (!PyArg_ParseTuple(args, "O!O!:_set_structured", &PyType_Type, &timeout, &PyType_Type,
                          &group)) {
        return NULL;
    }
    if (!PyType_IsSubtype(timeout, state->Timeout_type)
        || !PyType_IsSubtype(group, state->TaskGroup_type)) {
        PyErr_SetString(PyExc_TypeError, "subclasses of the C halves were expected");
        return NULL;
    }
    Py_XSETREF(state->Timeout_class, (PyTypeObject *)Py_NewRef((PyObject *)timeout));
    Py_XSETREF(state->TaskGroup_class, (PyTypeObject *)Py_NewRef((PyObject *)group));
    Py_RETURN_NONE;
}
