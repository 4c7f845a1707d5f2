/* stream_reader_calls.c -- waiting for more to read; read() and readexactly().

   Arguments of an unusual type, and readers that are not plain, get the coroutine of asyncio's own
   method. */

#include "net/stream_reader_calls.h"

#include "core/args.h"
#include "core/loop.h"
#include "core/stock.h"
#include "net/join.h"

static const reader_call *
call_of(const ReaderCall *self)
{
    return (const reader_call *)self->coroutine.kind;
}

/* ---- waiting ---- */

/* Begins to wait for more: 0 or -1. Runs Python. */
static int
wait_for_data(ReaderCall *self)
{
    StreamReader *reader = self->reader;
    core_state *state = reader->state;
    if (reader->waiter != NULL) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s() called while another coroutine is already waiting for incoming data",
                     call_of(self)->waits_as);
        return -1;
    }
    if (reader->eof) {
        PyErr_SetString(PyExc_AssertionError, "_wait_for_data after EOF");
        return -1;
    }
    if (reader->is_paused && stream_reader_resume(reader) < 0) { /* or nothing would come */
        return -1;
    }
    PyObject *future = loop_create_future(state, reader->loop);
    if (future == NULL) {
        return -1;
    }
    Py_XSETREF(reader->waiter, Py_NewRef(future));
    self->coroutine.future = future;
    self->is_waiting = true;
    return 0;
}

static void
end_waiting(ReaderCall *self)
{
    if (self->is_waiting) {
        self->is_waiting = false;
        Py_CLEAR(self->reader->waiter);
    }
}

/* What an attempt came to, or with -1 what ended the wait. */
static int
advance(ReaderCall *self, int status, PyObject **result)
{
    if (status == 0) {
        status = wait_for_data(self);
        if (status == 0) {
            return 0;
        }
    }
    return status < 0 && call_of(self)->recover != NULL ? call_of(self)->recover(self, result)
                                                        : status;
}

int
reader_call_start(Coroutine *op, PyObject **result)
{
    ReaderCall *self = (ReaderCall *)op;
    return advance(self, call_of(self)->attempt(self, result), result);
}

int
reader_call_resume(Coroutine *op, PyObject **result)
{
    ReaderCall *self = (ReaderCall *)op;
    end_waiting(self);
    self->has_waited = true;
    if (*result == NULL) {
        return advance(self, -1, result);
    }
    Py_CLEAR(*result);
    return advance(self, call_of(self)->attempt(self, result), result);
}

int
reader_call_traverse(Coroutine *op, visitproc visit, void *arg)
{
    ReaderCall *self = (ReaderCall *)op;
    Py_VISIT((PyObject *)self->reader);
    Py_VISIT(self->separators);
    Py_VISIT(self->blocks);
    return 0;
}

void
reader_call_drop(Coroutine *op)
{
    ReaderCall *self = (ReaderCall *)op;
    if (self->reader != NULL) {
        end_waiting(self);
    }
    Py_CLEAR(self->separators);
    Py_CLEAR(self->blocks);
    Py_CLEAR(self->reader);
}

/* ---- reading ---- */

bool
reader_call_has_failed(const StreamReader *reader)
{
    if (reader->exception == NULL) {
        return false;
    }
    streams_raise(reader->exception);
    return true;
}

int
reader_call_take(StreamReader *reader, Py_ssize_t size, PyObject **result)
{
    *result = stream_buffer_take(&reader->buffer, size);
    if (*result == NULL) {
        return -1;
    }
    if (stream_reader_maybe_resume(reader) < 0) {
        Py_CLEAR(*result);
        return -1;
    }
    return 1;
}

int
reader_call_raise_incomplete(StreamReader *reader, PyObject *expected)
{
    PyObject *rest = stream_buffer_take(&reader->buffer, stream_buffer_size(&reader->buffer));
    PyObject *exception = rest == NULL ? NULL
                                       : PyObject_CallFunctionObjArgs(
                                             reader->state->IncompleteReadError, rest,
                                             expected == NULL ? Py_None : expected, NULL);
    Py_XDECREF(rest);
    if (exception != NULL) {
        streams_raise(exception);
        Py_DECREF(exception);
    }
    return -1;
}

static int
attempt_readexactly(ReaderCall *self, PyObject **result)
{
    StreamReader *reader = self->reader;
    if (!self->has_waited) {
        if (self->size < 0) {
            PyErr_SetString(PyExc_ValueError, "readexactly size can not be less than zero");
            return -1;
        }
        if (reader_call_has_failed(reader)) {
            return -1;
        }
        if (self->size == 0) {
            *result = PyBytes_FromStringAndSize(NULL, 0);
            return *result == NULL ? -1 : 1;
        }
    }
    if (stream_buffer_size(&reader->buffer) >= self->size) {
        return reader_call_take(reader, self->size, result);
    }
    if (!reader->eof) {
        return 0;
    }
    PyObject *expected = PyLong_FromSsize_t(self->size);
    if (expected != NULL) {
        reader_call_raise_incomplete(reader, expected);
        Py_DECREF(expected);
    }
    return -1;
}

/* Up to `most` bytes, none at the end: it waits once. As attempt(). */
static int
read_some(ReaderCall *self, Py_ssize_t most, PyObject **result)
{
    StreamReader *reader = self->reader;
    if (!self->has_waited) {
        if (reader_call_has_failed(reader)) {
            return -1;
        }
        if (most == 0) {
            *result = PyBytes_FromStringAndSize(NULL, 0);
            return *result == NULL ? -1 : 1;
        }
        if (stream_buffer_size(&reader->buffer) == 0 && !reader->eof) {
            return 0;
        }
    }
    self->has_waited = false;
    Py_ssize_t size = stream_buffer_size(&reader->buffer);
    return reader_call_take(reader, size < most ? size : most, result);
}

/* All that came before the empty block, which it steals: 1 or -1. */
static int
join_blocks(ReaderCall *self, PyObject *empty, PyObject **result)
{
    if (self->blocks == NULL) {
        *result = empty;
        return 1;
    }
    Py_DECREF(empty);
    *result = join_bytes(self->blocks);
    return *result == NULL ? -1 : 1;
}

static int
attempt_read(ReaderCall *self, PyObject **result)
{
    if (self->size >= 0) {
        return read_some(self, self->size, result);
    }
    for (;;) {
        PyObject *block;
        Py_ssize_t limit = self->reader->limit_bytes;
        int status = read_some(self, limit < 0 ? PY_SSIZE_T_MAX : limit, &block);
        if (status <= 0) {
            return status;
        }
        if (PyBytes_GET_SIZE(block) == 0) {
            return join_blocks(self, block, result);
        }
        if (self->blocks == NULL) {
            self->blocks = PyList_New(0);
        }
        status = self->blocks == NULL ? -1 : PyList_Append(self->blocks, block);
        Py_DECREF(block);
        if (status < 0) {
            return -1;
        }
    }
}

static const reader_call read_call = {
    READER_CALL_KIND("read"), .waits_as = "read", .attempt = attempt_read,
};
static const reader_call readexactly_call = {
    READER_CALL_KIND("readexactly"), .waits_as = "readexactly", .attempt = attempt_readexactly,
};

PyObject *
reader_call_new(StreamReader *reader, const reader_call *call, Py_ssize_t size,
                PyObject *separators)
{
    ReaderCall *self = (ReaderCall *)coroutine_new(reader->state, &call->kind);
    if (self == NULL) {
        Py_XDECREF(separators);
        return NULL;
    }
    self->reader = (StreamReader *)Py_NewRef((PyObject *)reader);
    self->separators = separators;
    self->size = size;
    return coroutine_begin(&self->coroutine);
}

PyObject *
reader_call_stock(PyObject *op, const reader_call *call, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    return stock_call_super(((StreamReader *)op)->state->StreamReader_type, op, call->kind.name,
                              args, nargs, kwnames);
}

/* A size that C can count with, where the argument is one: whether. */
static bool
read_size(PyObject *argument, Py_ssize_t *size)
{
    if (argument == NULL) {
        return true;
    }
    int overflow;
    if (!PyLong_Check(argument)) {
        return false;
    }
    long long number = PyLong_AsLongLongAndOverflow(argument, &overflow);
    *size = (Py_ssize_t)number;
    return overflow == 0 && *size == number;
}

/* read(n=-1) or readexactly(n). */
static PyObject *
call_with_size(PyObject *op, const reader_call *call, const args_names *parameters,
               PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    StreamReader *self = (StreamReader *)op;
    PyObject *argument = NULL;
    Py_ssize_t size = -1;
    int is_plain = stream_reader_is_plain(self);
    if (is_plain < 0) {
        return NULL;
    }
    if (is_plain == 0 || !args_bind_names(parameters, args, nargs, kwnames, &argument)
        || !read_size(argument, &size)) {
        return reader_call_stock(op, call, args, nargs, kwnames);
    }
    return reader_call_new(self, call, size, NULL);
}

PyObject *
StreamReader_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"n"}, 1, 1, 0};
    return call_with_size(op, &read_call, &parameters, args, nargs, kwnames);
}

PyObject *
StreamReader_readexactly(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"n"}, 1, 1, 1};
    return call_with_size(op, &readexactly_call, &parameters, args, nargs, kwnames);
}
