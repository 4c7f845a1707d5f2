/* join.h -- several bytes-like objects as one bytes object. */

#ifndef PYASYNC_NET_JOIN_H
#define PYASYNC_NET_JOIN_H

#include "base/compat.h"

/* b''.join(chunks), of an iterable. Runs Python where it is no list of bytes. */
static inline PyObject *
join_bytes(PyObject *chunks)
{
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *joined = empty == NULL ? NULL : PyObject_CallMethod(empty, "join", "(O)", chunks);
    Py_XDECREF(empty);
    return joined;
}

#endif
