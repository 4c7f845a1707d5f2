/* adopt.c -- a Python class takes the C methods that it inherits as its own. */

#include "core/adopt.h"

#include "core/async_with_method.h"
#include "core/coroutine_method.h"

/* Takes one of them where the class finds the base's under that name: 0 or -1. */
static int
adopt_method(core_state *state, PyTypeObject *type, PyMethodDef *method)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, method->ml_name);
    if (found == NULL) {
        return -1;
    }
    PyObject *plain = coroutine_method_plain(state, found), *own = NULL;
    int status = 0;
    if (Py_IS_TYPE(plain, &PyMethodDescr_Type)
        && ((PyMethodDescrObject *)plain)->d_method == method) {
        PyObject *descriptor = PyDescr_NewMethod(type, method);
        PyObject *shown = descriptor == NULL ? NULL : coroutine_method_new(state, type, descriptor);
        own = shown == NULL ? NULL : async_with_method_for(state, descriptor, shown);
        status = own == NULL ? -1
                             : PyObject_SetAttrString((PyObject *)type, method->ml_name, own);
        Py_XDECREF(descriptor);
        Py_XDECREF(shown);
    }
    Py_XDECREF(own);
    Py_DECREF(found);
    return status;
}

int
adopt_methods(core_state *state, PyTypeObject *type)
{
    for (PyTypeObject *base = type->tp_base; base != NULL && base != &PyBaseObject_Type;
         base = base->tp_base) {
        for (PyMethodDef *method = base->tp_methods; method != NULL && method->ml_name != NULL;
             method++) {
            if (adopt_method(state, type, method) < 0) {
                return -1;
            }
        }
    }
    return 0;
}
