/* stream_protocol.c -- what a transport calls, from connection_made() to connection_lost().

   Source: asyncio.StreamReaderProtocol, asyncio.streams.FlowControlMixin. */

#include "net/stream_protocol.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/loop.h"
#include "core/stock.h"
#include "net/stream_reader.h"
#include "net/stream_transport.h"

const char *const stream_protocol_hooks[] = {
    "_stream_reader", "_stream_reader_wr", "_drain_helper", "_paused", "_connection_lost", NULL,
};

int
stream_protocol_is_plain(core_state *state, PyObject *object)
{
    StreamProtocol *self = (StreamProtocol *)object;
    return PyObject_TypeCheck(object, state->StreamProtocol_type) && self->is_class_plain
               ? streams_dict_is_plain(self->dict, stream_protocol_hooks)
               : 0;
}

int
stream_protocol_get_reader(StreamProtocol *self, PyObject **reader)
{
    *reader = NULL;
    if (self->reader == NULL) {
        return 0;
    }
    if (self->has_linked_reader) {
        *reader = Py_NewRef(self->reader);
        return 1;
    }
    if (PyWeakref_Check(self->reader)) {
        return PyWeakref_GetRef(self->reader, reader);
    }
    *reader = PyObject_CallNoArgs(self->reader); // runs Python
    if (*reader == Py_None) {
        Py_CLEAR(*reader);
        return 0;
    }
    return *reader == NULL ? -1 : 1;
}

void
stream_protocol_clear_reader(StreamProtocol *self)
{
    if (self->has_linked_reader) {
        self->has_linked_reader = false;
        if (self->reader != NULL) {
            stream_reader_unlink((StreamReader *)self->reader);
        }
    }
    else {
        Py_CLEAR(self->reader); // runs Python (destructors)
    }
}

/* reader.<method>(argument): 0 or -1. Runs Python. */
static int
call_reader(PyObject *reader, PyObject *method, PyObject *argument)
{
    PyObject *stack[] = {reader, argument};
    PyObject *answer = PyObject_VectorcallMethod(method, stack, argument == NULL ? 1 : 2, NULL);
    return status_steal(answer);
}

static int
feed_eof(core_state *state, PyObject *reader)
{
    StreamReader *own = stream_reader_cast(state, reader);
    return own != NULL ? stream_reader_feed_eof(own)
                       : call_reader(reader, state->name_feed_eof, NULL);
}

/* ---- the connection is made ---- */

/* transport.get_extra_info('sslcontext') is not None; of a transport of ours without having it find
   out all there is to know: 1, 0 or -1. */
static int
is_over_ssl(core_state *state, PyObject *transport)
{
    PyObject *context;
    if (Py_IS_TYPE(transport, state->StreamTransport_type)
        && ((Transport *)transport)->dict == NULL) {
        PyObject *extra = ((Transport *)transport)->extra;
        if (extra == NULL || PyDict_GetItemRef(extra, state->name_sslcontext, &context) == 0) {
            return 0;
        }
    }
    else {
        context = PyObject_CallMethodOneArg(transport, state->name_get_extra_info,
                                            state->name_sslcontext); // runs Python
    }
    int is_there = context == NULL ? -1 : context != Py_None;
    Py_XDECREF(context);
    return is_there;
}

static int
connection_made(StreamProtocol *self, PyObject *reader, PyObject *transport)
{
    core_state *state = self->state;
    Py_XSETREF(self->transport, Py_NewRef(transport));
    if (reader != NULL) {
        StreamReader *own = stream_reader_cast(state, reader);
        int status = own != NULL ? stream_reader_set_transport(own, transport)
                                 : call_reader(reader, state->name_set_transport, transport);
        if (status < 0) {
            return -1;
        }
    }
    int over_ssl = is_over_ssl(state, transport); // runs Python
    if (over_ssl < 0) {
        return -1;
    }
    self->over_ssl = over_ssl;
    return self->client_connected_cb == NULL
               ? 0
               : stream_protocol_serve(self, reader == NULL ? Py_None : reader, transport);
}

static PyObject *
call_stock(PyObject *op, const char *method, PyObject *argument)
{
    return stock_call_super(((StreamProtocol *)op)->state->StreamProtocol_type, op, method,
                              &argument, argument == NULL ? 0 : 1, NULL);
}

/* The one argument of a method, borrowed; or NULL where asyncio's method was called, whose answer
   is in *answer then: of a protocol that is not plain, or of arguments that do not fit. */
static PyObject *
plain_argument(PyObject *op, const char *method, const args_names *parameters,
               PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **answer)
{
    StreamProtocol *self = (StreamProtocol *)op;
    PyObject *argument = nargs == 1 && kwnames == NULL ? args[0] : NULL;
    bool is_bound = argument != NULL
                    || args_bind_names(parameters, args, nargs, kwnames, &argument);
    if (is_bound && self->is_class_plain) {
        return argument;
    }
    *answer = stock_call_super(self->state->StreamProtocol_type, op, method, args, nargs,
                                 kwnames);
    return NULL;
}

PyObject *
StreamProtocol_connection_made(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames)
{
    static const args_names parameters = {{"transport"}, 1, 1, 1};
    StreamProtocol *self = (StreamProtocol *)op;
    PyObject *reader, *answer = NULL;
    PyObject *transport = plain_argument(op, "connection_made", &parameters, args, nargs, kwnames,
                                         &answer);
    if (transport == NULL) {
        return answer;
    }
    if (self->reject_connection) {
        return call_stock(op, "connection_made", transport);
    }
    int status = stream_protocol_get_reader(self, &reader);
    if (status >= 0) {
        status = connection_made(self, reader, transport);
    }
    Py_XDECREF(reader);
    return none_or_null(status);
}

/* ---- while it lasts ---- */

PyObject *
StreamProtocol_data_received(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const args_names parameters = {{"data"}, 1, 1, 1};
    StreamProtocol *self = (StreamProtocol *)op;
    PyObject *reader, *answer = NULL;
    PyObject *data = plain_argument(op, "data_received", &parameters, args, nargs, kwnames,
                                    &answer);
    if (data == NULL) {
        return answer;
    }
    int status = stream_protocol_get_reader(self, &reader);
    if (status > 0) {
        StreamReader *own = stream_reader_cast(self->state, reader);
        status = own != NULL ? stream_reader_feed_data(own, data)
                             : call_reader(reader, self->state->name_feed_data, data);
        Py_DECREF(reader);
    }
    return none_or_null(status);
}

PyObject *
StreamProtocol_eof_received(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamProtocol *self = (StreamProtocol *)op;
    if (!self->is_class_plain) {
        return call_stock(op, "eof_received", NULL);
    }
    PyObject *reader;
    int status = stream_protocol_get_reader(self, &reader);
    if (status > 0) {
        status = feed_eof(self->state, reader);
        Py_DECREF(reader);
    }
    /* True keeps the connection open: over TLS that is not possible, and a warning. */
    return status < 0 ? NULL : PyBool_FromLong(!self->over_ssl);
}

/* Whether asyncio's method is to do it: in debug mode it logs. 1, 0 or -1. Raises AssertionError
   unless it was paused as it should have been. */
static int
check_flow(StreamProtocol *self, bool was_paused)
{
    if (!self->is_class_plain) {
        return 1;
    }
    if (self->is_paused != was_paused) {
        PyErr_SetNone(PyExc_AssertionError);
        return -1;
    }
    return loop_is_debug(self->state, self->loop);
}

PyObject *
StreamProtocol_pause_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamProtocol *self = (StreamProtocol *)op;
    int by_stock = check_flow(self, false);
    if (by_stock != 0) {
        return by_stock < 0 ? NULL : call_stock(op, "pause_writing", NULL);
    }
    self->is_paused = true;
    Py_RETURN_NONE;
}

/* Wakes those who wait in drain(): 0 or -1. Runs Python where their futures are not ours. */
static int
wake_waiters(StreamProtocol *self, PyObject *exception)
{
    core_state *state = self->state;
    PyObject *waiters = self->drain_waiters == NULL ? NULL : PySequence_List(self->drain_waiters);
    if (waiters == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(waiters); i++) {
        PyObject *waiter = PyList_GET_ITEM(waiters, i);
        status = awaitable_is_done(state, waiter);
        status = status == 0 ? awaitable_finish(state, waiter, exception) : status < 0 ? -1 : 0;
    }
    Py_DECREF(waiters);
    return status;
}

PyObject *
StreamProtocol_resume_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamProtocol *self = (StreamProtocol *)op;
    int by_stock = check_flow(self, true);
    if (by_stock != 0) {
        return by_stock < 0 ? NULL : call_stock(op, "resume_writing", NULL);
    }
    self->is_paused = false;
    return none_or_null(wake_waiters(self, NULL));
}

/* ---- the end ---- */

static int
tell_reader_of_end(StreamProtocol *self, PyObject *exception)
{
    PyObject *reader;
    int status = stream_protocol_get_reader(self, &reader);
    if (status <= 0) {
        return status;
    }
    StreamReader *own = stream_reader_cast(self->state, reader);
    if (exception == NULL) {
        status = feed_eof(self->state, reader);
    }
    else {
        status = own != NULL ? stream_reader_set_exception(own, exception)
                             : call_reader(reader, self->state->name_set_exception, exception);
    }
    Py_DECREF(reader);
    return status;
}

static int
connection_lost(StreamProtocol *self, PyObject *exception)
{
    if (tell_reader_of_end(self, exception) < 0) {
        return -1;
    }
    if (!self->has_future && !self->has_ended) {
        self->has_ended = true;
        self->closed = Py_XNewRef(exception);
    }
    else if (self->has_future) {
        int status = awaitable_is_done(self->state, self->closed);
        if (status == 0) {
            status = awaitable_finish(self->state, self->closed, exception);
        }
        if (status < 0) {
            return -1;
        }
    }
    self->connection_lost = true;
    if (self->is_paused && wake_waiters(self, exception) < 0) {
        return -1;
    }
    stream_protocol_clear_reader(self); // runs Python (destructors), as those below
    Py_CLEAR(self->stream_writer);
    Py_CLEAR(self->task);
    Py_CLEAR(self->transport);
    return 0;
}

PyObject *
StreamProtocol_connection_lost(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames)
{
    static const args_names parameters = {{"exc"}, 1, 1, 1};
    PyObject *answer = NULL;
    PyObject *exception = plain_argument(op, "connection_lost", &parameters, args, nargs, kwnames,
                                         &answer);
    if (exception == NULL) {
        return answer;
    }
    exception = exception == Py_None ? NULL : exception;
    return none_or_null(connection_lost((StreamProtocol *)op, exception));
}

PyObject *
stream_protocol_closed(StreamProtocol *self)
{
    if (self->has_future) {
        return self->closed;
    }
    if (self->loop == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_closed");
        return NULL;
    }
    PyObject *future = loop_create_future(self->state, self->loop); // runs Python
    if (future == NULL
        || (self->has_ended && awaitable_finish(self->state, future, self->closed) < 0)) {
        Py_XDECREF(future);
        return NULL;
    }
    self->has_future = true;
    Py_XSETREF(self->closed, future);
    return self->closed;
}

PyObject *
StreamProtocol_get_close_waiter(PyObject *op, PyObject *Py_UNUSED(stream))
{
    return Py_XNewRef(stream_protocol_closed((StreamProtocol *)op));
}

PyObject *
stream_protocol_waiters(StreamProtocol *self)
{
    if (self->drain_waiters == NULL) {
        self->drain_waiters = PyObject_CallNoArgs(self->state->deque);
    }
    return self->drain_waiters;
}
