/* adopt.c -- a Python class takes the C methods that it inherits as its own. */

#include "core/adopt.h"

#include "core/async_with_method.h"

/* Takes one of them where the class finds the base's under that name: 0 or -1. */
static int
adopt_method(PyTypeObject *type, PyMethodDef *method)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, method->ml_name);
    if (found == NULL) {
        return -1;
    }
    PyObject *own = NULL;
    int status = 0;
    if (Py_IS_TYPE(found, &PyMethodDescr_Type)
        && ((PyMethodDescrObject *)found)->d_method == method) {
        own = PyDescr_NewMethod(type, method);
        if (own != NULL) {
            Py_SETREF(own, async_with_method_for(state_of_type(type), own));
        }
        status = own == NULL ? -1
                             : PyObject_SetAttrString((PyObject *)type, method->ml_name, own);
    }
    Py_XDECREF(own);
    Py_DECREF(found);
    return status;
}

int
adopt_methods(PyTypeObject *type)
{
    for (PyTypeObject *base = type->tp_base; base != NULL && base != &PyBaseObject_Type;
         base = base->tp_base) {
        for (PyMethodDef *method = base->tp_methods; method != NULL && method->ml_name != NULL;
             method++) {
            if (adopt_method(type, method) < 0) {
                return -1;
            }
        }
    }
    return 0;
}
