/* pipe_transport.h -- what the read and the write transport of a pipe share: the user's file object,
   the protocol, starting and ending.

   A pipe is whatever has fileno() and close() and is a fifo, a socket or a character device. Its fd is
   the file object's: it is closed by that alone, once. The two transports are of different classes in
   asyncio and here, so what they share is this struct at the start of theirs, and functions.

   Invariants
   1. loop, protocol and pipe are there until connection_lost() has returned; then none is. But pipe is
      NULL where somebody has set _pipe to None, to have us leave the file object alone.
   2. is_ending: connection_lost() is scheduled or was called: it is called once.
   3. is_ending implies is_closing.
   4. The struct begins with the slots of asyncio's _FlowControlMixin (Transport's does too), of which the
      first is that of asyncio.ReadTransport.
   Ownership: every object field is a reference of ours.
   Source: asyncio.unix_events._UnixReadPipeTransport and _UnixWritePipeTransport. */

#ifndef PYASYNC_NET_PIPE_TRANSPORT_H
#define PYASYNC_NET_PIPE_TRANSPORT_H

#include "base/compat.h"

#include "core/attributes.h"
#include "net/mixin_slots.h"
#include "net/net_loop.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>

typedef struct {
    MIXIN_SLOTS_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    PyObject *protocol;
    PyObject *pipe;
    int fd; /* stays as a number when the pipe is closed */
    bool is_closing;
    bool is_ending;
    bool is_lost; /* connection_lost() was called */
} PipeTransport;

/* The arguments of both classes. */
typedef struct {
    PyObject *loop, *pipe, *protocol, *waiter, *extra;
} pipe_arguments;

/* (loop, pipe, protocol, waiter=None, extra=None): 0 or -1. */
int pipe_arguments_parse(PyTypeObject *type, PyObject *args, PyObject *kwargs, const char *format,
                         pipe_arguments *parsed);

/* Fills a zeroed transport in and makes the fd non-blocking: 0; or -1 with ValueError in these words
   where it is of another kind, and with what the file object raises. Runs Python. */
int pipe_transport_init(PipeTransport *self, const pipe_arguments *arguments, const char *refusal,
                        struct stat *status);

/* The callbacks that asyncio schedules for a new transport: connection_made, reading where it is to,
   and the waiter. 0 or -1. */
int pipe_transport_schedule_start(PipeTransport *self, bool reads, PyObject *waiter);

/* Schedules protocol.eof_received(): 0 or -1. Runs Python. */
int pipe_transport_eof_received_soon(PipeTransport *self);

/* Has a method of the transport called when the fd is ready: 0 or -1. */
int pipe_transport_watch(PipeTransport *self, unsigned event, PyObject *method_name);

/* Reads no more and schedules connection_lost(exception or None), unless that is done: 0 or -1. */
int pipe_transport_end(PipeTransport *self, PyObject *exception);

/* protocol.connection_lost(exception), then the pipe is closed and the rest let go. Runs Python. */
int pipe_transport_call_connection_lost(PipeTransport *self, PyObject *exception);

/* read() and write(), without the GIL, tried again after a signal: the bytes; 0 where write() would block
   and -2 where read() would; -1 with an exception. */
ssize_t pipe_transport_read(PipeTransport *self, char *buffer, size_t size);
ssize_t pipe_transport_write(PipeTransport *self, const struct iovec *vectors, int count);

/* For the tables of both types. */
int pipe_transport_traverse(PyObject *op, visitproc visit, void *arg);
int pipe_transport_clear(PyObject *op);
void pipe_transport_dealloc(PyObject *op);
void pipe_transport_finalize(PyObject *op);
int pipe_transport_tp_init(PyObject *op, PyObject *args, PyObject *kwargs);
int pipe_transport_set_pipe(PyObject *op, PyObject *pipe, void *unused);
PyObject *Pipe_set_protocol(PyObject *op, PyObject *protocol);
PyObject *Pipe_get_protocol(PyObject *op, PyObject *unused);
PyObject *Pipe_is_closing(PyObject *op, PyObject *unused);
PyObject *Pipe_call_connection_lost(PyObject *op, PyObject *exception);

/* "<Type closing fd=7 idle": how both begin their repr. Steals nothing; NULL with an exception. */
PyObject *pipe_transport_repr_head(PipeTransport *self, unsigned event);

#define PIPE_METHODS                                                                         \
    {"set_protocol", Pipe_set_protocol, METH_O,                                              \
     "set_protocol($self, protocol, /)\n--\n\nAs asyncio.BaseTransport."},                   \
    {"get_protocol", Pipe_get_protocol, METH_NOARGS,                                         \
     "get_protocol($self, /)\n--\n\nAs asyncio.BaseTransport."},                             \
    {"is_closing", Pipe_is_closing, METH_NOARGS,                                             \
     "is_closing($self, /)\n--\n\nAs asyncio.BaseTransport."},                               \
    {"_call_connection_lost", Pipe_call_connection_lost, METH_O, NULL}

#define PIPE_MEMBERS                                                                         \
    {"_fileno", T_INT, offsetof(PipeTransport, fd), READONLY, NULL},                         \
    {"__dictoffset__", T_PYSSIZET, offsetof(PipeTransport, dict), READONLY, NULL},           \
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PipeTransport, weakrefs), READONLY, NULL}

#define PIPE_GETSET                                                                          \
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},              \
    {"_loop", attribute_get_object, NULL, NULL, (void *)offsetof(PipeTransport, loop)},      \
    {"_pipe", attribute_get_object, pipe_transport_set_pipe, NULL,                           \
     (void *)offsetof(PipeTransport, pipe)},                                                 \
    {"_protocol", attribute_get_object, NULL, NULL,                                          \
     (void *)offsetof(PipeTransport, protocol)},                                             \
    {"_closing", attribute_get_bool, NULL, NULL, (void *)offsetof(PipeTransport, is_closing)}

#define PIPE_SLOTS                                                                           \
    {Py_tp_init, pipe_transport_tp_init},                                                    \
    {Py_tp_dealloc, pipe_transport_dealloc},                                                 \
    {Py_tp_finalize, pipe_transport_finalize}

#endif
