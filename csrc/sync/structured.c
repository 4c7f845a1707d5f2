/* structured.c -- the running version's ways, read from asyncio's code; the package's classes. */

#include "sync/structured.h"

/* Whether a tuple of the code's names has it. */
static int
is_among(PyObject *code, const char *attribute, const char *name)
{
    PyObject *names = PyObject_GetAttrString(code, attribute);
    PyObject *wanted = names == NULL ? NULL : PyUnicode_FromString(name);
    int found = wanted == NULL ? -1 : PySequence_Contains(names, wanted);
    Py_XDECREF(wanted);
    Py_XDECREF(names);
    return found;
}

int
function_code_names(PyObject *function, const char *name)
{
    PyObject *code = PyObject_GetAttrString(function, "__code__");
    int found = code == NULL ? -1 : is_among(code, "co_names", name);
    if (found == 0) {
        found = is_among(code, "co_varnames", name);
    }
    Py_XDECREF(code);
    return found;
}

int
method_code_names(PyObject *owner, const char *method, const char *name)
{
    PyObject *key = PyUnicode_FromString(method), *function = NULL;
    int found = key == NULL ? -1 : PyObject_GetOptionalAttr(owner, key, &function);
    if (found > 0) {
        found = function_code_names(function, name);
    }
    Py_XDECREF(function);
    Py_XDECREF(key);
    return found;
}

PyObject *
method_call_stock(PyObject *owner, const char *method, PyObject *self, PyObject *const *args,
                  Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *function = PyObject_GetAttrString(owner, method);
    Py_ssize_t total = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    PyObject **stack = function == NULL ? NULL : PyMem_New(PyObject *, total + 1);
    PyObject *answer = NULL;
    if (stack != NULL) {
        stack[0] = self;
        for (Py_ssize_t i = 0; i < total; i++) {
            stack[i + 1] = args[i];
        }
        answer = PyObject_Vectorcall(function, stack, (size_t)nargs + 1, kwnames); // runs Python
        PyMem_Free(stack);
    }
    else if (function != NULL) {
        PyErr_NoMemory();
    }
    Py_XDECREF(function);
    return answer;
}

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
