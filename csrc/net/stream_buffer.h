/* stream_buffer.h -- what a StreamReader has received and nobody has read yet.

   As long as nobody looks at it as a bytearray, it is a part of one bytes object: the very object
   that was received, which is handed on as it is where all of it is read at once. Who asks for the
   bytearray (reader._buffer) gets one that is the truth from then on, until he has let go of it.

   Invariants
   1. object is NULL (empty), a bytes object of which start to end is there (at least one), or a
      bytearray, of a subclass too: then start and end are 0.
   2. A bytes object is written to only while nobody else refers to it, and its hash is forgotten
      then.
   Source: the bytearray of asyncio.StreamReader. */

#ifndef PYASYNC_NET_STREAM_BUFFER_H
#define PYASYNC_NET_STREAM_BUFFER_H

#include "base/compat.h"

#include <stdbool.h>

typedef struct {
    PyObject *object;
    Py_ssize_t start, end;
} stream_buffer;

/* Whether the truth is in a bytearray. */
static inline bool
stream_buffer_is_exposed(const stream_buffer *self)
{
    return self->object != NULL && !PyBytes_CheckExact(self->object);
}

static inline Py_ssize_t
stream_buffer_size(const stream_buffer *self)
{
    return stream_buffer_is_exposed(self) ? PyByteArray_GET_SIZE(self->object)
                                          : self->end - self->start;
}

/* Adds what bytearray.extend() takes: 0 or -1. May run Python where that is not a bytes object. */
int stream_buffer_put(stream_buffer *self, PyObject *data);

/* Takes the first `size` bytes, which must be there, as a bytes object; or NULL. */
PyObject *stream_buffer_take(stream_buffer *self, Py_ssize_t size);

/* Drops the first `size` bytes, which must be there: 0, or -1 where somebody has a view of them. */
int stream_buffer_drop(stream_buffer *self, Py_ssize_t size);

/* The place of a bytes object from `offset` on, which is not negative; -1 where it is not there. */
Py_ssize_t stream_buffer_find(const stream_buffer *self, PyObject *bytes, Py_ssize_t offset);

/* All of it as a bytearray that stays the truth: a new reference or NULL. */
PyObject *stream_buffer_expose(stream_buffer *self);

/* Puts a bytearray in the place of everything. */
void stream_buffer_replace(stream_buffer *self, PyObject *bytearray);

/* Lets go of everything. */
void stream_buffer_clear(stream_buffer *self);

#endif
