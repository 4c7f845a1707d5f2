/* stream_protocol.h -- what stands between a transport and a StreamReader, and flow control of
   writing.

   The type is the first base of the package's StreamReaderProtocol; asyncio's is the second
   (net/streams.h). What most connections never need is made when somebody asks: the future of the
   connection's end, and the deque of those who wait for the transport to take more.

   Invariants
   1. reader is the reader itself, borrowed, where has_linked_reader (net/stream_reader.h), else a
      weakref or NULL. A server's connection has strong_reader until it is made, then its handler
      has the reader.
   2. closed is a future where has_future; else the exception that ended the connection, or NULL.
   3. client_transport is set while task runs: what its end closes.
   Ownership: every object field is a reference, NULL for None.
   Source: asyncio.StreamReaderProtocol, asyncio.streams.FlowControlMixin. */

#ifndef PYASYNC_NET_STREAM_PROTOCOL_H
#define PYASYNC_NET_STREAM_PROTOCOL_H

#include "base/compat.h"

#include "core/args.h"
#include "net/streams.h"

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    core_state *state;
    PyObject *loop;
    PyObject *reader;
    PyObject *strong_reader;
    PyObject *client_connected_cb;
    PyObject *task;
    PyObject *transport;
    PyObject *client_transport;
    PyObject *stream_writer; /* to 3.12 */
    PyObject *closed;
    PyObject *drain_waiters; /* NULL as long as nobody has waited */
    bool is_paused;
    bool connection_lost;
    bool has_linked_reader;
    bool has_future;
    bool has_ended;
    bool over_ssl;
    bool reject_connection;
    bool is_class_plain;
} StreamProtocol;

/* Whether the methods here, and drain(), may do the work of asyncio's: 1, 0 or -1. Any object. */
int stream_protocol_is_plain(core_state *state, PyObject *object);

/* The attributes that what is done here asks for: a class that has its own is not plain. */
extern const char *const stream_protocol_hooks[];

/* The reader: 1 with a new reference, 0 where it is gone, or -1. And forgetting it. */
int stream_protocol_get_reader(StreamProtocol *self, PyObject **reader);
void stream_protocol_clear_reader(StreamProtocol *self);

/* The future of the connection's end, made now where nobody has asked before: borrowed, or NULL. */
PyObject *stream_protocol_closed(StreamProtocol *self);

/* Those who wait in drain(): a deque, borrowed, or NULL. */
PyObject *stream_protocol_waiters(StreamProtocol *self);

/* Hands a server's connection to client_connected_cb: 0 or -1. Runs Python. And finds the code of
   asyncio's that this stands for (net/stream_protocol_serve.c). */
int stream_protocol_serve(StreamProtocol *self, PyObject *reader, PyObject *transport);
int stream_protocol_learn(core_state *state);

/* The methods (net/stream_protocol.c). */
DECLARE_FAST_METHOD(StreamProtocol_connection_made);
DECLARE_FAST_METHOD(StreamProtocol_connection_lost);
DECLARE_FAST_METHOD(StreamProtocol_data_received);
DECLARE_METHOD(StreamProtocol_eof_received);
DECLARE_METHOD(StreamProtocol_pause_writing);
DECLARE_METHOD(StreamProtocol_resume_writing);
DECLARE_METHOD(StreamProtocol_get_close_waiter);

int stream_protocol_init_type(PyObject *module, core_state *state);

#endif
