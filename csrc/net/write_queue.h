/* write_queue.h -- bytes that wait to be written: immutable chunks, first in, first out.

   What may still change (a bytearray, a memoryview) is copied when it is put in.

   Invariants
   1. items[first .. first + count) are owned, non-empty bytes objects; `sent` bytes of the first are
      gone already.
   2. size_bytes is what is left of all of them.  */

#ifndef PYASYNC_NET_WRITE_QUEUE_H
#define PYASYNC_NET_WRITE_QUEUE_H

#include "base/compat.h"

#include <sys/uio.h>

typedef struct {
    PyObject **items;
    uint32_t first;
    uint32_t count;
    uint32_t capacity;
    size_t sent;
    size_t size_bytes;
} write_queue;

/* Makes room for so many more chunks: 0, or -1 with MemoryError. */
int write_queue_reserve(write_queue *self, size_t more);

/* Appends a chunk, or the rest of it from `offset` on: `data` is the object behind the view, and a
   bytes object is not copied. 0, or -1 with MemoryError. */
int write_queue_put(write_queue *self, PyObject *data, const Py_buffer *view, size_t offset);

/* Fills up to capacity vectors with the first chunks and returns their number. */
int write_queue_vectors(const write_queue *self, struct iovec *vectors, int capacity);

/* So many bytes were written. */
void write_queue_advance(write_queue *self, size_t written);

/* Drops everything. */
void write_queue_clear(write_queue *self);

/* What is left of the chunks: a list of memoryviews, or a copy of all in one bytearray. */
PyObject *write_queue_as_list(const write_queue *self);
PyObject *write_queue_as_bytearray(const write_queue *self);

int write_queue_traverse(const write_queue *self, visitproc visit, void *arg);

#endif
