/* stream_writer.c -- writing through a StreamWriter, drain(), and the type.

   drain() does not make the transport send what it holds back until the iteration ends
   (net/stream_write.c), or lines written one by one would leave one by one. */

#include "net/stream_writer.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/coroutine.h"
#include "core/loop.h"
#include "core/stock.h"
#include "net/stream_protocol.h"
#include "net/stream_reader.h"
#include "net/stream_transport.h"

#include <stddef.h>

/* The transport as one of ours of which nothing is overridden, or NULL. */
static StreamTransport *
own_transport(const StreamWriter *self)
{
    PyObject *transport = self->transport;
    return transport != NULL && Py_IS_TYPE(transport, self->state->StreamTransport_type)
                   && ((Transport *)transport)->dict == NULL
               ? (StreamTransport *)transport
               : NULL;
}

/* transport.<name>([argument]): a new reference or NULL. Runs Python. */
static PyObject *
call_transport(StreamWriter *self, PyObject *name, PyObject *argument)
{
    PyObject *stack[] = {new_or_none(self->transport), argument};
    PyObject *answer = PyObject_VectorcallMethod(name, stack, argument == NULL ? 1 : 2, NULL);
    Py_DECREF(stack[0]);
    return answer;
}

static PyObject *
call_stock(PyObject *op, const char *method, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    StreamWriter *self = (StreamWriter *)op;
    return stock_call_super(self->state->StreamWriter_type, op, method, args, nargs, kwnames);
}

/* ---- drain ---- */

typedef struct {
    Coroutine coroutine;
    StreamWriter *writer;
    StreamProtocol *protocol;
    PyObject *waiter; /* while it is among the protocol's */
} Drain;

/* transport.is_closing(): 1, 0 or -1. Runs Python where it is not ours. */
static int
is_closing(StreamWriter *self)
{
    StreamTransport *own = own_transport(self);
    if (own != NULL) {
        return own->transport.is_closing;
    }
    return truth_steal(call_transport(self, self->state->name_is_closing, NULL));
}

/* Raises what the reader has been told of, if that is anything: whether. Runs Python. */
static bool
reader_failed(StreamWriter *self)
{
    PyObject *reader = self->reader;
    if (reader == NULL) {
        return false;
    }
    StreamReader *own = stream_reader_cast(self->state, reader);
    if (own != NULL && own->exception == NULL) {
        return false;
    }
    PyObject *exception = own != NULL ? Py_NewRef(own->exception)
                                      : PyObject_CallMethodNoArgs(reader,
                                                                  self->state->name_exception);
    bool has_failed = exception != Py_None;
    if (exception != NULL && has_failed) {
        streams_raise(exception);
    }
    Py_XDECREF(exception);
    return has_failed;
}

/* As the protocol's _drain_helper(). */
static int
wait_for_room(Drain *self, PyObject **result)
{
    StreamProtocol *protocol = self->protocol;
    if (protocol->connection_lost) {
        PyErr_SetString(PyExc_ConnectionResetError, "Connection lost");
        return -1;
    }
    if (!protocol->is_paused) {
        *result = Py_NewRef(Py_None);
        return 1;
    }
    core_state *state = protocol->state;
    PyObject *waiter = loop_create_future(state, protocol->loop); // runs Python
    PyObject *waiters = waiter == NULL ? NULL : stream_protocol_waiters(protocol);
    PyObject *answer = NULL;
    if (waiters != NULL) {
        answer = PyObject_CallMethodOneArg(waiters, state->name_append, waiter);
    }
    if (answer == NULL) {
        Py_XDECREF(waiter);
        return -1;
    }
    Py_DECREF(answer);
    self->waiter = Py_NewRef(waiter);
    self->coroutine.future = waiter;
    return 0;
}

/* Takes the waiter out again: 0 or -1. Keeps the pending exception where that goes well. */
static int
end_waiting(Drain *self)
{
    PyObject *waiter = self->waiter, *pending = PyErr_GetRaisedException();
    self->waiter = NULL;
    PyObject *waiters = stream_protocol_waiters(self->protocol);
    PyObject *answer = waiters == NULL ? NULL
                                       : PyObject_CallMethodOneArg(
                                             waiters, self->protocol->state->name_remove, waiter);
    Py_DECREF(waiter);
    Py_XDECREF(answer);
    if (answer == NULL) {
        Py_XDECREF(pending);
        return -1;
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return 0;
}

static int
start_drain(Coroutine *op, PyObject **result)
{
    Drain *self = (Drain *)op;
    if (reader_failed(self->writer)) {
        return -1;
    }
    int closing = is_closing(self->writer); // runs Python
    if (closing > 0) {
        /* connection_lost() comes in the next iteration: a loop of writes is to see it. */
        op->future = Py_NewRef(Py_None);
        return 0;
    }
    return closing < 0 ? -1 : wait_for_room(self, result);
}

static int
resume_drain(Coroutine *op, PyObject **result)
{
    Drain *self = (Drain *)op;
    bool has_waited = self->waiter != NULL;
    if (has_waited && end_waiting(self) < 0) {
        Py_CLEAR(*result);
    }
    if (*result == NULL) {
        return -1;
    }
    if (has_waited) {
        Py_SETREF(*result, Py_NewRef(Py_None));
        return 1;
    }
    Py_CLEAR(*result);
    return wait_for_room(self, result);
}

static int
traverse_drain(Coroutine *op, visitproc visit, void *arg)
{
    Drain *self = (Drain *)op;
    Py_VISIT((PyObject *)self->writer);
    Py_VISIT((PyObject *)self->protocol);
    Py_VISIT(self->waiter);
    return 0;
}

static void
drop_drain(Coroutine *op)
{
    Drain *self = (Drain *)op;
    if (self->waiter != NULL && end_waiting(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->writer);
}

static const coroutine_kind drain_kind = {
    .name = "drain",
    .qualname = "StreamWriter.drain",
    .size_bytes = sizeof(Drain),
    .start = start_drain,
    .resume = resume_drain,
    .traverse = traverse_drain,
    .drop = drop_drain,
};

static PyObject *
StreamWriter_drain(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamWriter *self = (StreamWriter *)op;
    int is_plain = self->protocol == NULL ? 0
                                          : stream_protocol_is_plain(self->state, self->protocol);
    if (is_plain <= 0) {
        return is_plain < 0 ? NULL : call_stock(op, "drain", NULL, 0, NULL);
    }
    Drain *drain = (Drain *)coroutine_new(self->state, &drain_kind);
    if (drain == NULL) {
        return NULL;
    }
    drain->writer = (StreamWriter *)Py_NewRef(op);
    drain->protocol = (StreamProtocol *)Py_NewRef(self->protocol);
    return coroutine_begin(&drain->coroutine);
}

/* ---- what goes straight to the transport ---- */

typedef PyObject *(*fast_method)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

/* write(data) or writelines(data); own_method is that of our transport. */
static PyObject *
write_by(PyObject *op, const char *method, PyObject *name, fast_method own_method,
         PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"data"}, 1, 1, 1};
    StreamWriter *self = (StreamWriter *)op;
    PyObject *data;
    if (nargs == 1 && kwnames == NULL) {
        data = args[0];
    }
    else if (!args_bind_names(&parameters, args, nargs, kwnames, &data)) {
        return call_stock(op, method, args, nargs, kwnames);
    }
    PyObject *transport = (PyObject *)own_transport(self), *answer;
    if (transport != NULL) {
        Py_INCREF(transport);
        StreamReader *reader = self->reader == NULL ? NULL
                                                    : stream_reader_cast(self->state, self->reader);
        if (reader != NULL && stream_buffer_size(&reader->buffer) > 0) {
            stream_hold_back((StreamTransport *)transport); /* its answer follows soon */
        }
        answer = own_method(transport, &data, 1, NULL); // runs Python where that fails
        Py_DECREF(transport);
    }
    else {
        answer = call_transport(self, name, data);
    }
    return none_or_null(status_steal(answer));
}

static PyObject *
StreamWriter_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name = ((StreamWriter *)op)->state->name_write;
    return write_by(op, "write", name, Stream_write, args, nargs, kwnames);
}

static PyObject *
StreamWriter_writelines(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name = ((StreamWriter *)op)->state->name_writelines;
    return write_by(op, "writelines", name, Stream_writelines, args, nargs, kwnames);
}

static PyObject *
StreamWriter_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return call_transport((StreamWriter *)op, ((StreamWriter *)op)->state->name_close, NULL);
}

static PyObject *
StreamWriter_is_closing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return call_transport((StreamWriter *)op, ((StreamWriter *)op)->state->name_is_closing, NULL);
}

/* ---- attributes ---- */

/* A future that is done, as asyncio's writer has one from the start. */
static PyObject *
get_complete_fut(PyObject *op, void *Py_UNUSED(closure))
{
    StreamWriter *self = (StreamWriter *)op;
    if (self->complete_fut == NULL) {
        PyObject *loop = self->loop == NULL ? Py_None : self->loop;
        PyObject *future = loop_create_future(self->state, loop); // runs Python
        if (future == NULL || awaitable_finish(self->state, future, NULL) < 0) {
            Py_XDECREF(future);
            return NULL;
        }
        Py_XSETREF(self->complete_fut, future);
    }
    return Py_NewRef(self->complete_fut);
}

static PyMemberDef StreamWriter_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(StreamWriter, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StreamWriter, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static int
set_transport(PyObject *op, PyObject *value, void *Py_UNUSED(offset))
{
    return stock_set_property(state_of(op)->stock_StreamWriter, "transport", op, value);
}

static PyGetSetDef StreamWriter_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"transport", attribute_get_object, set_transport, "The transport that is written to.",
     (void *)offsetof(StreamWriter, transport)},
    {"_complete_fut", get_complete_fut, streams_set_object, NULL,
     (void *)offsetof(StreamWriter, complete_fut)},
    STREAMS_OBJECT("_transport", StreamWriter, transport),
    STREAMS_OBJECT("_protocol", StreamWriter, protocol),
    STREAMS_OBJECT("_reader", StreamWriter, reader),
    STREAMS_OBJECT("_loop", StreamWriter, loop),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static PyObject *
StreamWriter_tp_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    core_state *state = state_of_type(type);
    StreamWriter *self = (StreamWriter *)type->tp_alloc(type, 0);
    if (self != NULL) {
        LIVE_ADD(state, LIVE_STREAM);
        self->state = state;
    }
    return (PyObject *)self;
}

/* (transport, protocol, reader, loop). Errors are asyncio's matter. */
static int
StreamWriter_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"transport", "protocol", "reader", "loop", NULL};
    StreamWriter *self = (StreamWriter *)op;
    core_state *state = self->state;
    PyObject *transport, *protocol, *reader, *loop;
    bool is_parsed = PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO", keywords, &transport,
                                                 &protocol, &reader, &loop);
    if (!is_parsed
        || (reader != Py_None
            && !PyObject_TypeCheck(reader, (PyTypeObject *)state->stock_StreamReader))) {
        PyErr_Clear(); /* asyncio's own method says what is wrong */
        return streams_init_by_stock(state->StreamWriter_type, op, args, kwargs);
    }
    (void)streams_set_object(op, transport, (void *)offsetof(StreamWriter, transport));
    (void)streams_set_object(op, protocol, (void *)offsetof(StreamWriter, protocol));
    (void)streams_set_object(op, reader, (void *)offsetof(StreamWriter, reader));
    (void)streams_set_object(op, loop, (void *)offsetof(StreamWriter, loop));
    Py_CLEAR(self->complete_fut);
    return 0;
}

static int
StreamWriter_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamWriter *self = (StreamWriter *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->dict);
    Py_VISIT(self->transport);
    Py_VISIT(self->protocol);
    Py_VISIT(self->reader);
    Py_VISIT(self->loop);
    Py_VISIT(self->complete_fut);
    return 0;
}

static int
StreamWriter_clear(PyObject *op)
{
    StreamWriter *self = (StreamWriter *)op;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->transport);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->reader);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->complete_fut);
    return 0;
}

static void
StreamWriter_dealloc(PyObject *op)
{
    streams_dealloc(op, StreamWriter_clear);
}

static PyMethodDef StreamWriter_methods[] = {
    {"write", FAST_METHOD(StreamWriter_write),
     "write($self, data)\n--\n\nWrite bytes to the transport. As asyncio.StreamWriter.write."},
    {"writelines", FAST_METHOD(StreamWriter_writelines),
     "writelines($self, data)\n--\n\nWrite an iterable of bytes. As "
     "asyncio.StreamWriter.writelines."},
    {"drain", StreamWriter_drain, METH_NOARGS,
     "drain($self)\n--\n\nWait until the transport has room for more.\n\nRaises what ended the "
     "connection, or ConnectionResetError. As asyncio.StreamWriter.drain."},
    {"close", StreamWriter_close, METH_NOARGS,
     "close($self)\n--\n\nClose the transport. As asyncio.StreamWriter.close."},
    {"is_closing", StreamWriter_is_closing, METH_NOARGS,
     "is_closing($self)\n--\n\nWhether it is closed or being closed. As "
     "asyncio.StreamWriter.is_closing."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot StreamWriter_slots[] = {
    {Py_tp_doc, "StreamWriter(transport, protocol, reader, loop)\n--\n\nWrites to a transport. As "
                "asyncio.StreamWriter."},
    {Py_tp_new, StreamWriter_tp_new},
    {Py_tp_init, StreamWriter_init},
    {Py_tp_traverse, StreamWriter_traverse},
    {Py_tp_clear, StreamWriter_clear},
    {Py_tp_dealloc, StreamWriter_dealloc},
    {Py_tp_methods, StreamWriter_methods},
    {Py_tp_members, StreamWriter_members},
    {Py_tp_getset, StreamWriter_getset},
    {0, NULL},
};

static PyType_Spec StreamWriter_spec = {
    .name = "pyasync._core.StreamWriter",
    .basicsize = sizeof(StreamWriter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = StreamWriter_slots,
};

int
stream_writer_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->StreamWriter_type, &StreamWriter_spec, NULL);
}
