/* stream_buffer.c -- putting, finding and taking bytes; and the bytearray for those who look. */

#include "net/stream_buffer.h"

#include "base/check.h"
#include "core/answer.h"

#include <string.h>

enum {
    SMALLEST_BYTES = 512,
    /* From here on what is left in a large object moves into one of its size, and an object with
       room to spare is handed on cut to its length, which costs less than copying it. */
    LARGE_BYTES = 16 * 1024,
};

static char *
data_of(const stream_buffer *self)
{
    return stream_buffer_is_exposed(self) ? PyByteArray_AS_STRING(self->object)
                                          : PyBytes_AS_STRING(self->object) + self->start;
}

/* Whether the object is bytes that nobody else refers to. */
static bool
is_own(const stream_buffer *self)
{
    return self->object != NULL && Py_REFCNT(self->object) == 1 && PyBytes_CheckExact(self->object);
}

static void
set_empty(stream_buffer *self)
{
    self->object = NULL;
    self->start = self->end = 0;
}

void
stream_buffer_clear(stream_buffer *self)
{
    PyObject *object = self->object;
    set_empty(self);
    Py_XDECREF(object);
}

static void
set_object_steal(stream_buffer *self, PyObject *object, Py_ssize_t size)
{
    PyObject *before = self->object;
    self->object = object;
    self->start = 0;
    self->end = size;
    Py_XDECREF(before);
}

/* Takes the bytes back out of a bytearray that nobody else has any more: 0 or -1. */
static int
settle(stream_buffer *self)
{
    if (!stream_buffer_is_exposed(self) || Py_REFCNT(self->object) > 1
        || !PyByteArray_CheckExact(self->object)) {
        return 0;
    }
    Py_ssize_t size = PyByteArray_GET_SIZE(self->object);
    if (size == 0) {
        stream_buffer_clear(self);
        return 0;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(self->object), size);
    if (bytes == NULL) {
        return -1;
    }
    set_object_steal(self, bytes, size);
    return 0;
}

/* Makes room for `more` bytes behind what is there, in an object of our own: 0 or -1. */
static int
reserve(stream_buffer *self, Py_ssize_t more)
{
    Py_ssize_t size = stream_buffer_size(self);
    Py_ssize_t room = is_own(self) ? PyBytes_GET_SIZE(self->object) : 0;
    if (more <= room - self->end) {
        return 0;
    }
    if (more > PY_SSIZE_T_MAX / 4 || size > PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return -1;
    }
    if (size > 0 && size + more <= room / 2) {
        memmove(PyBytes_AS_STRING(self->object), data_of(self), (size_t)size);
        self->start = 0;
        self->end = size;
        return 0;
    }
    Py_ssize_t wanted = size + more + (size + more) / 2;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, wanted < SMALLEST_BYTES ? SMALLEST_BYTES
                                                                              : wanted);
    if (bytes == NULL) {
        return -1;
    }
    if (size > 0) {
        memcpy(PyBytes_AS_STRING(bytes), data_of(self), (size_t)size);
    }
    set_object_steal(self, bytes, size);
    return 0;
}

static int
put_bytes(stream_buffer *self, const char *bytes, Py_ssize_t size)
{
    if (size == 0) {
        return 0;
    }
    if (reserve(self, size) < 0) {
        return -1;
    }
    memcpy(PyBytes_AS_STRING(self->object) + self->end, bytes, (size_t)size);
    self->end += size;
    bytes_set_size(self->object, PyBytes_GET_SIZE(self->object)); /* forgets the hash */
    return 0;
}

/* By the bytearray itself. Runs Python. */
static int
put_by_bytearray(stream_buffer *self, PyObject *data)
{
    PyObject *bytearray = stream_buffer_expose(self);
    PyObject *answer = bytearray == NULL ? NULL
                                         : PyObject_CallMethod(bytearray, "extend", "O", data);
    Py_XDECREF(bytearray);
    return status_steal(answer);
}

int
stream_buffer_put(stream_buffer *self, PyObject *data)
{
    if (settle(self) < 0) {
        return -1;
    }
    if (stream_buffer_is_exposed(self)) {
        return put_by_bytearray(self, data);
    }
    if (PyBytes_CheckExact(data)) {
        if (self->object == NULL && PyBytes_GET_SIZE(data) > 0) {
            set_object_steal(self, Py_NewRef(data), PyBytes_GET_SIZE(data));
            return 0;
        }
        return put_bytes(self, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    }
    if (PyByteArray_CheckExact(data)) {
        return put_bytes(self, PyByteArray_AS_STRING(data), PyByteArray_GET_SIZE(data));
    }
    return put_by_bytearray(self, data); // runs Python
}

/* Moves a small rest out of a large object, whose memory it would hold. */
static void
compact(stream_buffer *self)
{
    Py_ssize_t size = self->end - self->start;
    if (PyBytes_GET_SIZE(self->object) < LARGE_BYTES
        || size > PyBytes_GET_SIZE(self->object) / 4) {
        return;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(data_of(self), size);
    if (bytes == NULL) {
        PyErr_Clear(); /* it stays where it is */
        return;
    }
    set_object_steal(self, bytes, size);
}

int
stream_buffer_drop(stream_buffer *self, Py_ssize_t size)
{
    assert(size <= stream_buffer_size(self));
    if (stream_buffer_is_exposed(self)) {
        return PySequence_DelSlice(self->object, 0, size);
    }
    self->start += size;
    if (self->start == self->end) {
        stream_buffer_clear(self);
    }
    else if (size > 0) {
        compact(self);
    }
    return 0;
}

/* The whole object, cut to its length: or NULL, with it being empty then. */
static PyObject *
take_object(stream_buffer *self)
{
    PyObject *bytes = self->object;
    Py_ssize_t size = self->end;
    set_empty(self);
    if (size != PyBytes_GET_SIZE(bytes)) {
        (void)_PyBytes_Resize(&bytes, size); /* NULL where that fails */
    }
    return bytes;
}

PyObject *
stream_buffer_take(stream_buffer *self, Py_ssize_t size)
{
    assert(0 <= size && size <= stream_buffer_size(self));
    if (size == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (settle(self) < 0) {
        return NULL;
    }
    if (self->start == 0 && self->end == size
        && (size == PyBytes_GET_SIZE(self->object) || (size >= LARGE_BYTES && is_own(self)))) {
        return take_object(self);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(data_of(self), size);
    if (bytes != NULL && stream_buffer_drop(self, size) < 0) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

Py_ssize_t
stream_buffer_find(const stream_buffer *self, PyObject *bytes, Py_ssize_t offset)
{
    Py_ssize_t size = stream_buffer_size(self), wanted = PyBytes_GET_SIZE(bytes);
    if (size - offset < wanted) {
        return -1;
    }
    const char *data = data_of(self);
    const char *found = wanted == 1 ? memchr(data + offset, PyBytes_AS_STRING(bytes)[0],
                                             (size_t)(size - offset))
                                    : memmem(data + offset, (size_t)(size - offset),
                                             PyBytes_AS_STRING(bytes), (size_t)wanted);
    return found == NULL ? -1 : found - data;
}

PyObject *
stream_buffer_expose(stream_buffer *self)
{
    if (!stream_buffer_is_exposed(self)) {
        PyObject *bytearray = PyByteArray_FromStringAndSize(
            self->object == NULL ? NULL : data_of(self), stream_buffer_size(self));
        if (bytearray == NULL) {
            return NULL;
        }
        set_object_steal(self, bytearray, 0);
    }
    return Py_NewRef(self->object);
}

void
stream_buffer_replace(stream_buffer *self, PyObject *bytearray)
{
    assert(PyByteArray_Check(bytearray));
    set_object_steal(self, Py_NewRef(bytearray), 0);
}
