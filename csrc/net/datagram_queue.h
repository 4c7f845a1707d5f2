/* datagram_queue.h -- datagrams that wait to be sent, each with its address: first in, first out.

   Invariants
   1. size_bytes counts every datagram in the queue: its bytes, and DATAGRAM_HEADER_BYTES.
   Ownership: the queue owns its datagrams, a datagram its bytes object and its address. */

#ifndef PYASYNC_NET_DATAGRAM_QUEUE_H
#define PYASYNC_NET_DATAGRAM_QUEUE_H

#include "base/compat.h"

#include <stdbool.h>

typedef struct datagram {
    struct datagram *next;
    PyObject *data;
    PyObject *address; /* None where it goes to who the socket is connected to */
} datagram;

typedef struct {
    datagram *first;
    datagram *last;
    size_t size_bytes;
} datagram_queue;

static inline bool
datagram_queue_is_empty(const datagram_queue *self)
{
    return self->first == NULL;
}

/* Appends a bytes object: 0, or -1 with MemoryError. */
int datagram_queue_put(datagram_queue *self, PyObject *data, PyObject *address);

/* Takes the first one out: the caller's from now on. NULL where there is none. */
datagram *datagram_queue_take(datagram_queue *self);

/* The one taken last becomes the first again. */
void datagram_queue_put_back(datagram_queue *self, datagram *taken);

/* Drops a datagram that was taken. May run Python (destructors), as the next one. */
void datagram_free(datagram *taken);
void datagram_queue_clear(datagram_queue *self);

/* A list of (data, address). */
PyObject *datagram_queue_as_list(const datagram_queue *self);

int datagram_queue_traverse(const datagram_queue *self, visitproc visit, void *arg);

#endif
