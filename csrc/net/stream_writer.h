/* stream_writer.h -- a transport to write to, and the coroutine that waits until it has taken
   enough.

   The type is the first base of the package's StreamWriter; asyncio's is the second
   (net/streams.h).

   Ownership: every object field is a reference, NULL for None.
   Source: asyncio.StreamWriter. */

#ifndef PYASYNC_NET_STREAM_WRITER_H
#define PYASYNC_NET_STREAM_WRITER_H

#include "base/compat.h"

#include "net/streams.h"

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    core_state *state;
    PyObject *transport;
    PyObject *protocol;
    PyObject *reader;
    PyObject *loop;
    PyObject *complete_fut; /* NULL as long as nobody has asked */
} StreamWriter;

int stream_writer_init_type(PyObject *module, core_state *state);

#endif
