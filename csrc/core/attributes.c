/* attributes.c -- the getters behind attributes.h. */

#include "core/attributes.h"

#include "core/answer.h"

#include <stdbool.h>

PyObject *
attribute_get_object(PyObject *self, void *offset)
{
    return new_or_none(*(PyObject **)attribute_field(self, offset));
}

PyObject *
attribute_get_bool(PyObject *self, void *offset)
{
    return PyBool_FromLong(*(bool *)attribute_field(self, offset));
}

int
attribute_refuse_deletion(PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    return 0;
}
