/* stream_transport.h -- the transport of a TCP or Unix stream socket.

   Writes are sent at once. After the first of an iteration, small ones are held back (corked) and
   leave together, when the callbacks of the iteration have run or as soon as somebody looks at the
   buffer; what the kernel does not take waits in the queue until it does.

   Invariants
   1. While the queue is not empty, the transport is corked or waits for writing, or conn_lost > 0.
   2. A corked queue holds less than CORK_LIMIT_BYTES, and nothing the kernel has refused.
   Source: asyncio.selector_events._SelectorSocketTransport. */

#ifndef PYASYNC_NET_STREAM_TRANSPORT_H
#define PYASYNC_NET_STREAM_TRANSPORT_H

#include "base/compat.h"

#include "net/native_protocol.h"
#include "net/transport.h"
#include "net/write_queue.h"

typedef struct {
    Transport transport;
    write_queue queue;
    PyObject *empty_waiter; /* sendfile waits for the queue to be empty */
    unsigned sent_in;       /* the loop's iteration in which we sent last */
    uint32_t last_read;     /* bytes that the last read gave */
    native_receive receive; /* of a protocol written in C; else NULL */
    bool is_buffered;       /* the protocol is an asyncio.BufferedProtocol */
    bool eof;               /* write_eof() was called */
} StreamTransport;

/* A transport whose callbacks are scheduled, or NULL (a bare fd is closed then). Runs Python. */
PyObject *stream_transport_new(NetLoop *loop, PyObject *protocol, PyObject *waiter,
                               const transport_source *source);

/* Sends what was held back, if anything was; reports errors itself (net/stream_write.c). */
void stream_flush(Transport *transport);

/* Has small writes of this iteration held back from the first one on: for who knows that more
   follow. */
static inline void
stream_hold_back(StreamTransport *self)
{
    if (self->transport.loop != NULL) {
        self->sent_in = self->transport.loop->loop.iteration;
    }
}

/* Who waits for the queue to be empty gets an exception: 0 or -1. Runs Python. */
int stream_fail_empty_waiter(StreamTransport *self, PyObject *exception);

/* Methods that live in net/stream_read.c and net/stream_write.c. */
PyObject *Stream_read_ready(PyObject *op, PyObject *unused);
PyObject *Stream_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *Stream_writelines(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames);
PyObject *Stream_write_ready(PyObject *op, PyObject *unused);
PyObject *Stream_write_eof(PyObject *op, PyObject *unused);

int stream_transport_init_type(PyObject *module, core_state *state);

#endif
