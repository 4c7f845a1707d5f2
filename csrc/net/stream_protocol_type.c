/* stream_protocol_type.c -- making a StreamReaderProtocol, its attributes and its type.

   Source: asyncio.StreamReaderProtocol. */

#include "net/stream_protocol.h"

#include "base/check.h"
#include "core/awaitable.h"
#include "net/stream_reader.h"

#include <stddef.h>

/* ---- attributes ---- */

static PyObject *
get_waiters(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_XNewRef(stream_protocol_waiters((StreamProtocol *)op));
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_XNewRef(stream_protocol_closed((StreamProtocol *)op));
}

static int
set_closed(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    StreamProtocol *self = (StreamProtocol *)op;
    self->has_future = value != NULL && value != Py_None;
    Py_XSETREF(self->closed, self->has_future ? Py_NewRef(value) : NULL);
    return 0;
}

static PyObject *
get_reader_ref(PyObject *op, void *Py_UNUSED(closure))
{
    StreamProtocol *self = (StreamProtocol *)op;
    if (self->reader == NULL) {
        Py_RETURN_NONE;
    }
    return self->has_linked_reader ? PyWeakref_NewRef(self->reader, NULL) : Py_NewRef(self->reader);
}

static int
set_reader_ref(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    StreamProtocol *self = (StreamProtocol *)op;
    stream_protocol_clear_reader(self);
    return streams_set_object(op, value, (void *)offsetof(StreamProtocol, reader));
}

static PyObject *
get_stream_reader(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *reader;
    int status = stream_protocol_get_reader((StreamProtocol *)op, &reader);
    return status == 0 ? Py_NewRef(Py_None) : reader;
}

static PyMemberDef StreamProtocol_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(StreamProtocol, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StreamProtocol, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef StreamProtocol_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_stream_reader", get_stream_reader, NULL, NULL, NULL},
    {"_stream_reader_wr", get_reader_ref, set_reader_ref, NULL, NULL},
    {"_closed", get_closed, set_closed, NULL, NULL},
    {"_drain_waiters", get_waiters, streams_set_object, NULL,
     (void *)offsetof(StreamProtocol, drain_waiters)},
    STREAMS_OBJECT("_strong_reader", StreamProtocol, strong_reader),
    STREAMS_OBJECT("_client_connected_cb", StreamProtocol, client_connected_cb),
    STREAMS_OBJECT("_loop", StreamProtocol, loop),
    STREAMS_OBJECT("_task", StreamProtocol, task),
    STREAMS_OBJECT("_transport", StreamProtocol, transport),
    STREAMS_OBJECT("_stream_writer", StreamProtocol, stream_writer),
    STREAMS_BOOL("_paused", StreamProtocol, is_paused),
    STREAMS_BOOL("_connection_lost", StreamProtocol, connection_lost),
    STREAMS_BOOL("_over_ssl", StreamProtocol, over_ssl),
    STREAMS_BOOL("_reject_connection", StreamProtocol, reject_connection),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static PyObject *
StreamProtocol_tp_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    core_state *state = state_of_type(type);
    StreamProtocol *self = (StreamProtocol *)type->tp_alloc(type, 0);
    if (self != NULL) {
        LIVE_ADD(state, LIVE_STREAM);
        self->state = state;
    }
    return (PyObject *)self;
}

/* (stream_reader, client_connected_cb=None, loop=None). A loop to be found, a reader that is not
   plain and errors are asyncio's matter. */
static int
StreamProtocol_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"stream_reader", "client_connected_cb", "loop", NULL};
    StreamProtocol *self = (StreamProtocol *)op;
    core_state *state = self->state;
    PyObject *reader, *handler = Py_None, *loop = Py_None;
    int is_plain = streams_class_is_plain(op, state->StreamProtocol_class, stream_protocol_hooks);
    if (is_plain < 0) {
        return -1;
    }
    self->is_class_plain = is_plain;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO", keywords, &reader, &handler, &loop)) {
        PyErr_Clear(); /* asyncio's own method says what is wrong */
        loop = Py_None;
    }
    if (!is_plain || self->loop != NULL || loop == Py_None
        || stream_reader_cast(state, reader) == NULL) {
        return streams_init_by_stock(state->StreamProtocol_type, op, args, kwargs);
    }
    self->has_linked_reader = stream_reader_link((StreamReader *)reader, &self->reader);
    if (!self->has_linked_reader && (self->reader = PyWeakref_NewRef(reader, NULL)) == NULL) {
        return -1;
    }
    self->loop = Py_NewRef(loop);
    if (handler != Py_None) {
        self->client_connected_cb = Py_NewRef(handler);
        self->strong_reader = Py_NewRef(reader);
    }
    return 0;
}

static int
StreamProtocol_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamProtocol *self = (StreamProtocol *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->dict);
    Py_VISIT(self->loop);
    if (!self->has_linked_reader) {
        Py_VISIT(self->reader);
    }
    Py_VISIT(self->strong_reader);
    Py_VISIT(self->client_connected_cb);
    Py_VISIT(self->task);
    Py_VISIT(self->transport);
    Py_VISIT(self->client_transport);
    Py_VISIT(self->stream_writer);
    Py_VISIT(self->closed);
    Py_VISIT(self->drain_waiters);
    return 0;
}

static int
StreamProtocol_clear(PyObject *op)
{
    StreamProtocol *self = (StreamProtocol *)op;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->loop);
    stream_protocol_clear_reader(self);
    Py_CLEAR(self->strong_reader);
    Py_CLEAR(self->client_connected_cb);
    Py_CLEAR(self->task);
    Py_CLEAR(self->transport);
    Py_CLEAR(self->client_transport);
    Py_CLEAR(self->stream_writer);
    self->has_future = false;
    Py_CLEAR(self->closed);
    Py_CLEAR(self->drain_waiters);
    return 0;
}

/* As asyncio's __del__: the error that ended the connection has been seen by the reader. */
static void
StreamProtocol_finalize(PyObject *op)
{
    StreamProtocol *self = (StreamProtocol *)op;
    if (!self->has_future) {
        return;
    }
    PyObject *pending = PyErr_GetRaisedException();
    int is_done = awaitable_is_done(self->state, self->closed);
    int is_cancelled = is_done > 0 ? awaitable_is_cancelled(self->state, self->closed) : is_done;
    if (is_done > 0 && is_cancelled == 0) {
        Py_XDECREF(PyObject_CallMethodNoArgs(self->closed, self->state->name_exception));
    }
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(op);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

static void
StreamProtocol_dealloc(PyObject *op)
{
    streams_dealloc(op, StreamProtocol_clear);
}

#define DOC(signature) signature "\n--\n\nAs asyncio.StreamReaderProtocol."

static PyMethodDef StreamProtocol_methods[] = {
    {"connection_made", FAST_METHOD(StreamProtocol_connection_made),
     DOC("connection_made($self, transport)")},
    {"connection_lost", FAST_METHOD(StreamProtocol_connection_lost),
     DOC("connection_lost($self, exc)")},
    {"data_received", FAST_METHOD(StreamProtocol_data_received), DOC("data_received($self, data)")},
    {"eof_received", StreamProtocol_eof_received, METH_NOARGS, DOC("eof_received($self)")},
    {"pause_writing", StreamProtocol_pause_writing, METH_NOARGS, DOC("pause_writing($self)")},
    {"resume_writing", StreamProtocol_resume_writing, METH_NOARGS, DOC("resume_writing($self)")},
    {"_get_close_waiter", StreamProtocol_get_close_waiter, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot StreamProtocol_slots[] = {
    {Py_tp_doc, "StreamReaderProtocol(stream_reader, client_connected_cb=None, loop=None)\n--\n\n"
                "Feeds a StreamReader. As asyncio.StreamReaderProtocol."},
    {Py_tp_new, StreamProtocol_tp_new},
    {Py_tp_init, StreamProtocol_init},
    {Py_tp_traverse, StreamProtocol_traverse},
    {Py_tp_clear, StreamProtocol_clear},
    {Py_tp_finalize, StreamProtocol_finalize},
    {Py_tp_dealloc, StreamProtocol_dealloc},
    {Py_tp_methods, StreamProtocol_methods},
    {Py_tp_members, StreamProtocol_members},
    {Py_tp_getset, StreamProtocol_getset},
    {0, NULL},
};

static PyType_Spec StreamProtocol_spec = {
    .name = "pyasync._core.StreamReaderProtocol",
    .basicsize = sizeof(StreamProtocol),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = StreamProtocol_slots,
};

int
stream_protocol_init_type(PyObject *module, core_state *state)
{
    return stream_protocol_learn(state) < 0
                   ? -1
                   : state_add_type(module, &state->StreamProtocol_type, &StreamProtocol_spec, NULL);
}
