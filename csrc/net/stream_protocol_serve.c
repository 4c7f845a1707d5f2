/* stream_protocol_serve.c -- a server's connection: its handler is called, and the task of that
   watched to its end.

   Invariants
   1. The task's Waiter refers to the protocol, which closes client_transport when the task was
      cancelled (3.12 on) or has raised; a handler that returns has closed its writer itself.
   2. Once the handler was called without an exception, the reader is the handler's alone.
   Source: connection_made of asyncio.StreamReaderProtocol. */

#include "net/stream_protocol.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/function.h"
#include "core/report.h"
#include "core/waiter.h"

static int
close_transport(core_state *state, PyObject *transport)
{
    return status_steal(PyObject_CallMethodNoArgs(transport, state->name_close)); // runs Python
}

/* Tells of what the handler raised, and closes the connection: 0 or -1. Runs Python. */
static int
handler_failed(StreamProtocol *self, PyObject *exception, PyObject *transport)
{
    core_state *state = self->state;
    PyObject *loop = Py_NewRef(self->loop);
    PyObject *message = PyUnicode_FromString("Unhandled exception in client_connected_cb");
    int status = report_to_handler(state, loop, message,
                                   (PyObject *[][2]){{state->name_exception, exception},
                                                     {state->name_transport, transport},
                                                     {NULL, NULL}});
    Py_DECREF(loop);
    return status < 0 ? -1 : close_transport(state, transport);
}

/* The done-callback of the handler's task. */
static int
client_done(core_state *state, PyObject *op, PyObject *task)
{
    StreamProtocol *self = (StreamProtocol *)op;
    PyObject *transport = self->client_transport;
    self->client_transport = NULL;
    if (transport == NULL) {
        return 0;
    }
    int status = state->protocol_checks_cancelled ? awaitable_is_cancelled(state, task) : 0;
    PyObject *exception = NULL;
    if (status > 0) {
        status = close_transport(state, transport);
    }
    else if (status == 0) {
        exception = PyObject_CallMethodNoArgs(task, state->name_exception);
        status = exception == NULL      ? -1
                 : exception == Py_None ? 0
                                        : handler_failed(self, exception, transport);
    }
    Py_XDECREF(exception);
    Py_DECREF(transport);
    return status;
}

static const waiter_kind client_done_waiter = {
    .qualname = "StreamReaderProtocol.connection_made.<locals>.callback",
    .module = "asyncio.streams",
    .notify = client_done,
};

int
stream_protocol_learn(core_state *state)
{
    return function_learn_code(
        state, "asyncio.streams:StreamReaderProtocol.connection_made.<locals>.callback");
}

/* Runs the coroutine that client_connected_cb returned: 0 or -1. Runs Python. */
static int
run_handler(StreamProtocol *self, PyObject *coroutine, PyObject *transport)
{
    core_state *state = self->state;
    PyObject *task = PyObject_CallMethodOneArg(self->loop, state->name_create_task, coroutine);
    if (task == NULL) {
        return -1;
    }
    Py_XSETREF(self->task, Py_NewRef(task));
    Py_XSETREF(self->client_transport, Py_NewRef(transport));
    int status = waiter_add_here(state, task, &client_done_waiter, (PyObject *)self);
    Py_DECREF(task);
    return status;
}

/* client_connected_cb(reader, writer): a new reference, or NULL. Runs Python. */
static PyObject *
call_handler(StreamProtocol *self, PyObject *reader, PyObject *transport)
{
    core_state *state = self->state;
    PyObject *made_of[] = {transport, (PyObject *)self, reader, self->loop};
    PyObject *writer = PyObject_Vectorcall(state->StreamWriter_class, made_of, 4, NULL);
    if (writer == NULL) {
        return NULL;
    }
    if (state->protocol_keeps_writer) {
        Py_XSETREF(self->stream_writer, Py_NewRef(writer));
    }
    PyObject *handler = Py_NewRef(self->client_connected_cb), *arguments[] = {reader, writer};
    PyObject *result = PyObject_Vectorcall(handler, arguments, 2, NULL); // runs Python
    Py_DECREF(handler);
    Py_DECREF(writer);
    return result;
}

int
stream_protocol_serve(StreamProtocol *self, PyObject *reader, PyObject *transport)
{
    core_state *state = self->state;
    PyObject *result = call_handler(self, reader, transport);
    int status;
    if (result != NULL) {
        status = awaitable_is_coroutine(state, result);
        if (status > 0) {
            status = run_handler(self, result, transport);
        }
        Py_DECREF(result);
    }
    else if (state->protocol_catches_errors && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyObject *exception = PyErr_GetRaisedException();
        status = handler_failed(self, exception, transport);
        Py_DECREF(exception);
    }
    else {
        status = -1;
    }
    if (status == 0) {
        Py_CLEAR(self->strong_reader);
    }
    return status;
}
