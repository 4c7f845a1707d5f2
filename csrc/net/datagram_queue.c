/* datagram_queue.c -- a linked list of datagrams; it is empty but where the kernel's is full. */

#include "net/datagram_queue.h"

static size_t
counted_size(const datagram *self)
{
    return (size_t)PyBytes_GET_SIZE(self->data) + DATAGRAM_HEADER_BYTES;
}

int
datagram_queue_put(datagram_queue *self, PyObject *data, PyObject *address)
{
    datagram *added = PyMem_Malloc(sizeof(datagram));
    if (added == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *added = (datagram){.data = Py_NewRef(data), .address = Py_NewRef(address)};
    if (self->last == NULL) {
        self->first = added;
    }
    else {
        self->last->next = added;
    }
    self->last = added;
    self->size_bytes += counted_size(added);
    return 0;
}

datagram *
datagram_queue_take(datagram_queue *self)
{
    datagram *taken = self->first;
    if (taken == NULL) {
        return NULL;
    }
    self->first = taken->next;
    if (self->first == NULL) {
        self->last = NULL;
    }
    taken->next = NULL;
    self->size_bytes -= counted_size(taken);
    return taken;
}

void
datagram_queue_put_back(datagram_queue *self, datagram *taken)
{
    taken->next = self->first;
    self->first = taken;
    if (self->last == NULL) {
        self->last = taken;
    }
    self->size_bytes += counted_size(taken);
}

void
datagram_free(datagram *taken)
{
    datagram old = *taken;
    PyMem_Free(taken);
    Py_DECREF(old.data);
    Py_DECREF(old.address);
}

void
datagram_queue_clear(datagram_queue *self)
{
    datagram *taken;
    while ((taken = datagram_queue_take(self)) != NULL) {
        datagram_free(taken);
    }
}

PyObject *
datagram_queue_as_list(const datagram_queue *self)
{
    PyObject *list = PyList_New(0);
    for (const datagram *next = self->first; list != NULL && next != NULL; next = next->next) {
        PyObject *pair = PyTuple_Pack(2, next->data, next->address);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

int
datagram_queue_traverse(const datagram_queue *self, visitproc visit, void *arg)
{
    for (const datagram *next = self->first; next != NULL; next = next->next) {
        Py_VISIT(next->data);
        Py_VISIT(next->address);
    }
    return 0;
}
