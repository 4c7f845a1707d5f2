/* stream_reader.h -- what was received and not read yet, and the one coroutine that waits for
   more.

   The type is the first base of the package's StreamReader; asyncio's is the second
   (net/streams.h).

   Invariants
   1. waiter is the future of the coroutine that waits, NULL once that is told of anything.
   2. limit_bytes is limit as a number, the largest where it is larger, or -1: no int at all. Then
      all is left to asyncio's methods.
   3. linked_from is NULL, or the place of the one borrowed pointer to the reader, which it sets to
      NULL when it goes: its protocol's, which asyncio has by a weakref.
   4. is_class_plain: the object's class has nothing of its own in the place of what the methods
      here call.
   Ownership: every object field is a reference, NULL for None.
   Source: asyncio.StreamReader. */

#ifndef PYASYNC_NET_STREAM_READER_H
#define PYASYNC_NET_STREAM_READER_H

#include "base/compat.h"

#include "core/args.h"
#include "net/stream_buffer.h"
#include "net/streams.h"

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    core_state *state;
    PyObject *loop;
    PyObject *limit;
    PyObject *waiter;
    PyObject *exception;
    PyObject *transport;
    PyObject **linked_from;
    stream_buffer buffer;
    Py_ssize_t limit_bytes;
    bool eof;
    bool is_paused;
    bool is_class_plain;
} StreamReader;

/* Puts the reader, borrowed, into *place until it goes: false where another has it already. */
bool stream_reader_link(StreamReader *self, PyObject **place);
void stream_reader_unlink(StreamReader *self);

/* Whether the methods here may do the work of asyncio's: 1, 0 or -1. */
int stream_reader_is_plain(StreamReader *self);

/* `object` as a reader that is nobody's subclass and has no attributes of its own, or NULL: its
   methods may be called as C functions. */
static inline StreamReader *
stream_reader_cast(const core_state *state, PyObject *object)
{
    return (PyObject *)Py_TYPE(object) == state->StreamReader_class
                   && ((StreamReader *)object)->dict == NULL
                   && ((StreamReader *)object)->limit_bytes >= 0
               ? (StreamReader *)object
               : NULL;
}

/* The methods of a reader that is plain: 0 or -1. May run Python. */
int stream_reader_feed_data(StreamReader *self, PyObject *data);
int stream_reader_feed_eof(StreamReader *self);
int stream_reader_set_exception(StreamReader *self, PyObject *exception);
int stream_reader_set_transport(StreamReader *self, PyObject *transport);

/* Has the transport read on; where it was paused and no more than the limit is left: 0 or -1. Runs
   Python. */
int stream_reader_resume(StreamReader *self);
static inline int
stream_reader_maybe_resume(StreamReader *self)
{
    return self->is_paused && stream_buffer_size(&self->buffer) <= self->limit_bytes
               ? stream_reader_resume(self)
               : 0;
}

/* The reading methods, each a coroutine (net/stream_reader_calls.c, stream_reader_lines.c). */
DECLARE_FAST_METHOD(StreamReader_read);
DECLARE_FAST_METHOD(StreamReader_readexactly);
DECLARE_FAST_METHOD(StreamReader_readuntil);
DECLARE_FAST_METHOD(StreamReader_readline);
PyObject *StreamReader_anext(PyObject *self);

#define STREAM_READER_CALLS                                                                  \
    {"read", FAST_METHOD(StreamReader_read),                                                 \
     "read($self, n=-1)\n--\n\n"                                                             \
     "Up to n bytes, at least one unless the stream has ended; all until its end where n is "  \
     "negative.\n\nRaises RuntimeError where another coroutine waits already. As "           \
     "asyncio.StreamReader.read."},                                                          \
    {"readexactly", FAST_METHOD(StreamReader_readexactly),                                   \
     "readexactly($self, n)\n--\n\n"                                                         \
     "n bytes.\n\nRaises IncompleteReadError where the stream ends before. As "              \
     "asyncio.StreamReader.readexactly."},                                                   \
    {"readuntil", FAST_METHOD(StreamReader_readuntil),                                       \
     "readuntil($self, separator=b'\\n')\n--\n\n"                                            \
     "The bytes up to a separator, and that.\n\nRaises IncompleteReadError, and "            \
     "LimitOverrunError where they are more than the limit. As "                             \
     "asyncio.StreamReader.readuntil."},                                                     \
    {"readline", FAST_METHOD(StreamReader_readline),                                         \
     "readline($self)\n--\n\n"                                                               \
     "A line, or what there is at the end of the stream.\n\nRaises ValueError where it is "  \
     "longer than the limit. As asyncio.StreamReader.readline."}

int stream_reader_init_type(PyObject *module, core_state *state);

#endif
