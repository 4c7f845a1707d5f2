/* write_queue.c -- a growing array of bytes objects, taken from the front. */

#include "net/write_queue.h"

#include <string.h>

enum {
    FIRST_CAPACITY = 8,
    KEPT_CAPACITY = 16, /* of an empty queue: what small writes of one iteration need */
};

int
write_queue_reserve(write_queue *self, size_t more)
{
    if (more <= self->capacity - self->first - self->count) {
        return 0;
    }
    if (self->first > self->capacity / 2) {
        memmove(self->items, self->items + self->first, self->count * sizeof(PyObject *));
        self->first = 0;
        return write_queue_reserve(self, more);
    }
    size_t capacity = self->capacity == 0 ? FIRST_CAPACITY : (size_t)self->capacity * 2;
    while (capacity < self->first + self->count + more) {
        capacity *= 2;
    }
    PyObject **items = capacity > UINT32_MAX
                           ? NULL
                           : PyMem_Realloc(self->items, capacity * sizeof(PyObject *));
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->items = items;
    self->capacity = (uint32_t)capacity;
    return 0;
}

int
write_queue_put(write_queue *self, PyObject *data, const Py_buffer *view, size_t offset)
{
    size_t size = (size_t)view->len - offset;
    PyObject *chunk;
    if (write_queue_reserve(self, 1) < 0) {
        return -1;
    }
    /* The rest of a bytes object is the object itself where it comes first: `sent` says from where. */
    if (PyBytes_CheckExact(data) && (offset == 0 || self->count == 0)) {
        chunk = Py_NewRef(data);
    }
    else {
        chunk = PyBytes_FromStringAndSize((const char *)view->buf + offset, (Py_ssize_t)size);
        offset = 0;
    }
    if (chunk == NULL) {
        return -1;
    }
    if (self->count == 0) {
        self->first = 0;
        self->sent = offset;
    }
    self->items[self->first + self->count++] = chunk;
    self->size_bytes += size;
    return 0;
}

int
write_queue_vectors(const write_queue *self, struct iovec *vectors, int capacity)
{
    int count = self->count < (uint32_t)capacity ? (int)self->count : capacity;
    for (int i = 0; i < count; i++) {
        PyObject *chunk = self->items[self->first + (uint32_t)i];
        size_t sent = i == 0 ? self->sent : 0;
        vectors[i].iov_base = PyBytes_AS_STRING(chunk) + sent;
        vectors[i].iov_len = (size_t)PyBytes_GET_SIZE(chunk) - sent;
    }
    return count;
}

void
write_queue_advance(write_queue *self, size_t written)
{
    self->size_bytes -= written;
    self->sent += written;
    while (self->count > 0) {
        PyObject *chunk = self->items[self->first];
        size_t size = (size_t)PyBytes_GET_SIZE(chunk);
        if (self->sent < size) {
            return;
        }
        self->sent -= size;
        self->first++;
        self->count--;
        Py_DECREF(chunk); /* bytes: runs no Python */
    }
    if (self->capacity > KEPT_CAPACITY) {
        write_queue_clear(self);
    }
}

void
write_queue_clear(write_queue *self)
{
    write_queue old = *self;
    *self = (write_queue){0};
    for (uint32_t i = 0; i < old.count; i++) {
        Py_DECREF(old.items[old.first + i]);
    }
    PyMem_Free(old.items);
}

PyObject *
write_queue_as_list(const write_queue *self)
{
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < self->count; i++) {
        PyObject *chunk = PyMemoryView_FromObject(self->items[self->first + i]);
        if (chunk != NULL && i == 0 && self->sent > 0) {
            PyObject *rest = PySequence_GetSlice(chunk, (Py_ssize_t)self->sent, PY_SSIZE_T_MAX);
            Py_SETREF(chunk, rest);
        }
        if (chunk == NULL || PyList_Append(list, chunk) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(chunk);
    }
    return list;
}

PyObject *
write_queue_as_bytearray(const write_queue *self)
{
    PyObject *list = write_queue_as_list(self);
    PyObject *empty = list == NULL ? NULL : PyByteArray_FromStringAndSize(NULL, 0);
    PyObject *joined = empty == NULL ? NULL : PyObject_CallMethod(empty, "join", "(O)", list);
    Py_XDECREF(list);
    Py_XDECREF(empty);
    return joined;
}

int
write_queue_traverse(const write_queue *self, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < self->count; i++) {
        Py_VISIT(self->items[self->first + i]);
    }
    return 0;
}
