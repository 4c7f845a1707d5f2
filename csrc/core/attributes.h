/* attributes.h -- attributes that show a field of the object, for the getset tables of types.

   The closure of each is the offset of the field. Setters differ in what they take and refuse: they
   are with their types, on attribute_field(). */

#ifndef PYASYNC_CORE_ATTRIBUTES_H
#define PYASYNC_CORE_ATTRIBUTES_H

#include "base/compat.h"

static inline void *
attribute_field(PyObject *self, void *offset)
{
    return (char *)self + (Py_ssize_t)(intptr_t)offset;
}

/* An owned object, None where it is NULL. */
PyObject *attribute_get_object(PyObject *self, void *offset);

/* A C bool. */
PyObject *attribute_get_bool(PyObject *self, void *offset);

/* AttributeError where `value` says that the attribute is to be deleted: 0 or -1. */
int attribute_refuse_deletion(PyObject *value);

#endif
