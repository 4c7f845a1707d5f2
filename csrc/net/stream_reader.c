/* stream_reader.c -- feeding a StreamReader, waking who waits, pausing the transport; its type. */

#include "net/stream_reader.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/loop.h"
#include "core/stock.h"

#include <stddef.h>

/* What the methods of a plain reader call: another in their place is to be called. */
static const char *const hooks[] = {
    "read", "readline", "readuntil", "_wait_for_data", "_maybe_resume_transport", "_wakeup_waiter",
    "_buffer", NULL,
};

int
stream_reader_is_plain(StreamReader *self)
{
    if (!self->is_class_plain || self->limit_bytes < 0) {
        return 0;
    }
    return streams_dict_is_plain(self->dict, hooks);
}

bool
stream_reader_link(StreamReader *self, PyObject **place)
{
    if (self->linked_from != NULL) {
        return false;
    }
    self->linked_from = place;
    *place = (PyObject *)self;
    return true;
}

void
stream_reader_unlink(StreamReader *self)
{
    if (self->linked_from != NULL) {
        *self->linked_from = NULL;
        self->linked_from = NULL;
    }
}

/* ---- feeding ---- */

/* Tells the coroutine that waits, unless it has been cancelled. 0 or -1. */
static int
wake_waiter(StreamReader *self, PyObject *exception)
{
    PyObject *waiter = self->waiter;
    if (waiter == NULL) {
        return 0;
    }
    self->waiter = NULL;
    int status = awaitable_is_cancelled(self->state, waiter);
    if (status == 0) {
        status = awaitable_finish(self->state, waiter, exception); // runs Python where none of ours
    }
    Py_DECREF(waiter);
    return status < 0 ? -1 : 0;
}

/* Has the transport read no more, where twice the limit is there. 0 or -1. Runs Python. */
static int
maybe_pause(StreamReader *self)
{
    Py_ssize_t most = self->limit_bytes > PY_SSIZE_T_MAX / 2 ? PY_SSIZE_T_MAX
                                                             : 2 * self->limit_bytes;
    if (self->transport == NULL || self->is_paused || stream_buffer_size(&self->buffer) <= most) {
        return 0;
    }
    PyObject *transport = Py_NewRef(self->transport);
    PyObject *answer = PyObject_CallMethodNoArgs(transport, self->state->name_pause_reading);
    Py_DECREF(transport);
    if (answer != NULL) {
        Py_DECREF(answer);
        self->is_paused = true;
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
        return -1;
    }
    PyErr_Clear(); /* it can't be paused: it is not asked again */
    Py_CLEAR(self->transport);
    return 0;
}

int
stream_reader_resume(StreamReader *self)
{
    self->is_paused = false;
    PyObject *transport = new_or_none(self->transport);
    PyObject *answer = PyObject_CallMethodNoArgs(transport, self->state->name_resume_reading);
    Py_DECREF(transport); // ran Python
    return status_steal(answer);
}

int
stream_reader_feed_data(StreamReader *self, PyObject *data)
{
    if (self->eof) {
        PyErr_SetString(PyExc_AssertionError, "feed_data after feed_eof");
        return -1;
    }
    int has_data = PyObject_IsTrue(data); // runs Python where it is no bytes object
    if (has_data <= 0) {
        return has_data;
    }
    if (stream_buffer_put(&self->buffer, data) < 0 || wake_waiter(self, NULL) < 0) {
        return -1;
    }
    return maybe_pause(self);
}

int
stream_reader_feed_eof(StreamReader *self)
{
    self->eof = true;
    return wake_waiter(self, NULL);
}

int
stream_reader_set_exception(StreamReader *self, PyObject *exception)
{
    Py_XSETREF(self->exception, exception == Py_None ? NULL : Py_NewRef(exception));
    return wake_waiter(self, exception);
}

/* ---- methods ---- */

/* What a method of one argument and no result does: `act` where the reader is plain; else asyncio's
   method is called with what we got. */
static inline PyObject *
call_plain(PyObject *op, int (*act)(StreamReader *, PyObject *), const char *method,
           const char *parameter, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    StreamReader *self = (StreamReader *)op;
    PyObject *argument = nargs == 1 && kwnames == NULL ? args[0] : NULL;
    int is_plain = stream_reader_is_plain(self);
    if (is_plain > 0
        && (argument != NULL
            || args_bind_names(&(args_names){{parameter}, 1, 1, 1}, args, nargs, kwnames,
                               &argument))) {
        return none_or_null(act(self, argument));
    }
    return is_plain < 0 ? NULL
                        : stock_call_super(self->state->StreamReader_type, op, method, args, nargs,
                                           kwnames);
}

static PyObject *
StreamReader_feed_data(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call_plain(op, stream_reader_feed_data, "feed_data", "data", args, nargs, kwnames);
}

static PyObject *
StreamReader_feed_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamReader *self = (StreamReader *)op;
    int is_plain = stream_reader_is_plain(self);
    if (is_plain == 0) {
        return stock_call_super(self->state->StreamReader_type, op, "feed_eof", NULL, 0, NULL);
    }
    return none_or_null(is_plain < 0 ? -1 : stream_reader_feed_eof(self));
}

static PyObject *
StreamReader_set_exception(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call_plain(op, stream_reader_set_exception, "set_exception", "exc", args, nargs,
                      kwnames);
}

int
stream_reader_set_transport(StreamReader *self, PyObject *transport)
{
    if (self->transport != NULL) {
        PyErr_SetString(PyExc_AssertionError, "Transport already set");
        return -1;
    }
    self->transport = transport == Py_None ? NULL : Py_NewRef(transport);
    return 0;
}

static PyObject *
StreamReader_set_transport(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call_plain(op, stream_reader_set_transport, "set_transport", "transport", args, nargs,
                      kwnames);
}

static PyObject *
StreamReader_exception(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return new_or_none(((StreamReader *)op)->exception);
}

static PyObject *
StreamReader_at_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamReader *self = (StreamReader *)op;
    return PyBool_FromLong(self->eof && stream_buffer_size(&self->buffer) == 0);
}

/* ---- attributes ---- */

static PyObject *
get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return stream_buffer_expose(&((StreamReader *)op)->buffer);
}

static int
set_buffer(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyByteArray_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "_buffer must be a bytearray");
        return -1;
    }
    stream_buffer_replace(&((StreamReader *)op)->buffer, value);
    return 0;
}

/* As invariant 2 has it, of any object. */
static Py_ssize_t
limit_as_bytes(PyObject *limit)
{
    if (!PyLong_Check(limit)) {
        return -1;
    }
    int overflow;
    long long bytes = PyLong_AsLongLongAndOverflow(limit, &overflow);
    return overflow > 0 || bytes > PY_SSIZE_T_MAX ? PY_SSIZE_T_MAX
           : overflow < 0 || bytes < 0            ? -1
                                                  : (Py_ssize_t)bytes;
}

static int
set_limit(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    StreamReader *self = (StreamReader *)op;
    self->limit_bytes = value == NULL ? -1 : limit_as_bytes(value);
    Py_XSETREF(self->limit, Py_XNewRef(value));
    return 0;
}

static PyMemberDef StreamReader_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(StreamReader, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StreamReader, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef StreamReader_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_buffer", get_buffer, set_buffer, NULL, NULL},
    {"_limit", attribute_get_object, set_limit, NULL, (void *)offsetof(StreamReader, limit)},
    STREAMS_OBJECT("_loop", StreamReader, loop),
    STREAMS_OBJECT("_waiter", StreamReader, waiter),
    STREAMS_OBJECT("_exception", StreamReader, exception),
    STREAMS_OBJECT("_transport", StreamReader, transport),
    STREAMS_BOOL("_eof", StreamReader, eof),
    STREAMS_BOOL("_paused", StreamReader, is_paused),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static PyObject *
StreamReader_tp_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    core_state *state = state_of_type(type);
    StreamReader *self = (StreamReader *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state, LIVE_STREAM);
    self->state = state;
    self->limit_bytes = -1;
    return (PyObject *)self;
}

/* (limit=65536, loop=None). A loop to be found, debug mode and errors are asyncio's matter. */
static int
StreamReader_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"limit", "loop", NULL};
    StreamReader *self = (StreamReader *)op;
    core_state *state = self->state;
    PyObject *limit = state->stream_limit, *loop = Py_None;
    int is_plain = streams_class_is_plain(op, state->StreamReader_class, hooks);
    if (is_plain < 0) {
        return -1;
    }
    self->is_class_plain = is_plain;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", keywords, &limit, &loop)) {
        PyErr_Clear(); /* asyncio's own method says what is wrong */
        loop = Py_None;
    }
    int is_debug = loop == Py_None || limit_as_bytes(limit) <= 0 ? 1 : loop_is_debug(state, loop);
    if (is_debug != 0) {
        return is_debug < 0 ? -1
                            : streams_init_by_stock(state->StreamReader_type, op, args, kwargs);
    }
    (void)set_limit(op, limit, NULL);
    Py_XSETREF(self->loop, Py_NewRef(loop));
    stream_buffer_clear(&self->buffer);
    self->eof = self->is_paused = false;
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->transport);
    return 0;
}

static int
StreamReader_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamReader *self = (StreamReader *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->dict);
    Py_VISIT(self->loop);
    Py_VISIT(self->limit);
    Py_VISIT(self->waiter);
    Py_VISIT(self->exception);
    Py_VISIT(self->transport);
    Py_VISIT(self->buffer.object);
    return 0;
}

static int
StreamReader_clear(PyObject *op)
{
    StreamReader *self = (StreamReader *)op;
    stream_reader_unlink(self);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->loop);
    self->limit_bytes = -1;
    Py_CLEAR(self->limit);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->transport);
    stream_buffer_clear(&self->buffer);
    return 0;
}

static void
StreamReader_dealloc(PyObject *op)
{
    streams_dealloc(op, StreamReader_clear);
}

static PyMethodDef StreamReader_methods[] = {
    {"feed_data", FAST_METHOD(StreamReader_feed_data),
     "feed_data($self, data)\n--\n\nAdd received bytes, wake who waits for them, and pause the "
     "transport when they are more than twice the limit. As asyncio.StreamReader."},
    {"feed_eof", StreamReader_feed_eof, METH_NOARGS,
     "feed_eof($self)\n--\n\nThe stream has ended. As asyncio.StreamReader."},
    {"set_exception", FAST_METHOD(StreamReader_set_exception),
     "set_exception($self, exc)\n--\n\nHave every read raise it. As asyncio.StreamReader."},
    {"set_transport", FAST_METHOD(StreamReader_set_transport),
     "set_transport($self, transport)\n--\n\nWhat is paused and resumed. As asyncio.StreamReader."},
    {"exception", StreamReader_exception, METH_NOARGS,
     "exception($self)\n--\n\nWhat set_exception() was given, or None. As asyncio.StreamReader."},
    {"at_eof", StreamReader_at_eof, METH_NOARGS,
     "at_eof($self)\n--\n\nWhether the stream has ended and all was read. As "
     "asyncio.StreamReader.at_eof."},
    STREAM_READER_CALLS,
    {NULL, NULL, 0, NULL},
};

static PyType_Slot StreamReader_slots[] = {
    {Py_tp_doc, "StreamReader(limit=65536, loop=None)\n--\n\nWhat was received, to be awaited; "
                "limit is in bytes.\n\nRaises ValueError unless limit > 0. As "
                "asyncio.StreamReader."},
    {Py_tp_new, StreamReader_tp_new},
    {Py_tp_init, StreamReader_init},
    {Py_tp_traverse, StreamReader_traverse},
    {Py_tp_clear, StreamReader_clear},
    {Py_tp_dealloc, StreamReader_dealloc},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, StreamReader_anext},
    {Py_tp_methods, StreamReader_methods},
    {Py_tp_members, StreamReader_members},
    {Py_tp_getset, StreamReader_getset},
    {0, NULL},
};

static PyType_Spec StreamReader_spec = {
    .name = "pyasync._core.StreamReader",
    .basicsize = sizeof(StreamReader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = StreamReader_slots,
};

int
stream_reader_init_type(PyObject *module, core_state *state)
{
    state->newline_separators = Py_BuildValue("(y)", "\n");
    if (state->newline_separators == NULL) {
        return -1;
    }
    return state_add_type(module, &state->StreamReader_type, &StreamReader_spec, NULL);
}
