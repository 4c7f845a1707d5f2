/* stock.c -- calling what is behind stock.h, and reading its code. */

#include "core/stock.h"

#include "core/answer.h"

PyObject *
stock_call_function(PyObject *function, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    enum { USUAL = 6 };
    PyObject *usual[USUAL], **stack = usual;
    Py_ssize_t total = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    if (total + 1 > USUAL && (stack = PyMem_New(PyObject *, total + 1)) == NULL) {
        return PyErr_NoMemory();
    }
    stack[0] = self;
    for (Py_ssize_t i = 0; i < total; i++) {
        stack[i + 1] = args[i];
    }
    PyObject *answer = PyObject_Vectorcall(function, stack, (size_t)nargs + 1, kwnames);
    if (stack != usual) {
        PyMem_Free(stack);
    }
    return answer;
}

PyObject *
stock_call_method(PyObject *owner, const char *method, PyObject *self, PyObject *const *args,
                  Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *function = PyObject_GetAttrString(owner, method);
    PyObject *answer =
        function == NULL ? NULL : stock_call_function(function, self, args, nargs, kwnames);
    Py_XDECREF(function);
    return answer;
}

void
stock_finalize(PyObject *function, PyObject *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    if (status_steal(PyObject_CallOneArg(function, self)) < 0) {
        PyErr_WriteUnraisable(function);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

int
stock_set_property(PyObject *owner, const char *name, PyObject *self, PyObject *value)
{
    PyObject *property = PyObject_GetAttrString(owner, name);
    if (property == NULL) {
        return -1;
    }
    PyObject *answer = value == NULL ? PyObject_CallMethod(property, "__delete__", "O", self)
                                     : PyObject_CallMethod(property, "__set__", "OO", self, value);
    Py_DECREF(property);
    return status_steal(answer);
}

PyObject *
stock_super_method(PyTypeObject *type, PyObject *self, const char *method)
{
    PyObject *stock = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, type, self, NULL);
    PyObject *found = stock == NULL ? NULL : PyObject_GetAttrString(stock, method);
    Py_XDECREF(stock);
    return found;
}

PyObject *
stock_call_super(PyTypeObject *type, PyObject *self, const char *method, PyObject *const *args,
                 Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *found = stock_super_method(type, self, method);
    PyObject *answer = found == NULL ? NULL
                                     : PyObject_Vectorcall(found, args, (size_t)nargs, kwnames);
    Py_XDECREF(found);
    return answer;
}

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
stock_code_uses(PyObject *code, const char *name)
{
    int found = is_among(code, "co_names", name);
    return found == 0 ? is_among(code, "co_varnames", name) : found;
}

int
stock_function_uses(PyObject *function, const char *name)
{
    PyObject *code = PyObject_GetAttrString(function, "__code__");
    int found = code == NULL ? -1 : stock_code_uses(code, name);
    Py_XDECREF(code);
    return found;
}

int
stock_method_uses(PyObject *owner, const char *method, const char *name)
{
    PyObject *key = PyUnicode_FromString(method), *function = NULL;
    int found = key == NULL ? -1 : PyObject_GetOptionalAttr(owner, key, &function);
    if (found > 0) {
        found = stock_function_uses(function, name);
    }
    Py_XDECREF(function);
    Py_XDECREF(key);
    return found;
}
