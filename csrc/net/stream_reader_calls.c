/* stream_reader_calls.c -- read(), readexactly(), readuntil(), readline() and async iteration: coroutines
   that are done at once where the data is there, and else wait on the reader's one future.

   A kind is an attempt that is made at first and again after each wait. Arguments of an unusual type,
   and readers that are not plain, get the coroutine of asyncio's own method.

   Invariants
   1. While is_waiting, the reader's waiter was this coroutine's future when it began to wait. As in
      asyncio, its end leaves the reader without a waiter, whoever that is by then.
   Ownership: reader, separators and blocks are references, NULL once it is done.
   Source: asyncio.StreamReader. */

#include "net/stream_reader.h"

#include "base/check.h"
#include "core/args.h"

typedef struct {
    Coroutine coroutine;
    StreamReader *reader;
    PyObject *separators; /* a tuple of bytes objects, the shortest first */
    PyObject *blocks;     /* of a read() until the end: a list, NULL as long as it has none */
    Py_ssize_t size;      /* bytes that are wanted; negative: all */
    Py_ssize_t offset;    /* up to which no separator begins */
    bool is_waiting;
    bool has_waited;
} ReaderCall;

typedef struct {
    coroutine_kind kind;
    const char *waits_as; /* the method that the error names where another waits */
    /* Reads: 1 with *result, 0 where there is too little, or -1. May run Python. */
    int (*attempt)(ReaderCall *self, PyObject **result);
    /* attempt() raised, or the future did: NULL to leave it at that, or as attempt() but for 0. */
    int (*recover)(ReaderCall *self, PyObject **result);
} reader_call;

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
    if (reader->is_paused) { /* or nothing would come */
        reader->is_paused = false;
        PyObject *transport = Py_NewRef(reader->transport == NULL ? Py_None : reader->transport);
        PyObject *answer = PyObject_CallMethodNoArgs(transport, state->name_resume_reading);
        Py_DECREF(transport);
        Py_XDECREF(answer);
        if (answer == NULL) {
            return -1;
        }
    }
    PyObject *future = streams_new_future(state, reader->loop);
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

static int
start(Coroutine *op, PyObject **result)
{
    ReaderCall *self = (ReaderCall *)op;
    return advance(self, call_of(self)->attempt(self, result), result);
}

static int
resume(Coroutine *op, PyObject **result)
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

static int
traverse(Coroutine *op, visitproc visit, void *arg)
{
    ReaderCall *self = (ReaderCall *)op;
    Py_VISIT((PyObject *)self->reader);
    Py_VISIT(self->separators);
    Py_VISIT(self->blocks);
    return 0;
}

static void
drop(Coroutine *op)
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

/* Whether the reader has an exception, which is raised then. */
static bool
has_failed(const StreamReader *reader)
{
    if (reader->exception == NULL) {
        return false;
    }
    streams_raise(reader->exception);
    return true;
}

/* Takes bytes and lets the transport read on: 1 or -1. Runs Python. */
static int
take(StreamReader *reader, Py_ssize_t size, PyObject **result)
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

/* IncompleteReadError with all there is; expected is NULL for None. Always -1. */
static int
raise_incomplete(StreamReader *reader, PyObject *expected)
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
        if (has_failed(reader)) {
            return -1;
        }
        if (self->size == 0) {
            *result = PyBytes_FromStringAndSize(NULL, 0);
            return *result == NULL ? -1 : 1;
        }
    }
    if (stream_buffer_size(&reader->buffer) >= self->size) {
        return take(reader, self->size, result);
    }
    if (!reader->eof) {
        return 0;
    }
    PyObject *expected = PyLong_FromSsize_t(self->size);
    if (expected != NULL) {
        raise_incomplete(reader, expected);
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
        if (has_failed(reader)) {
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
    return take(reader, size < most ? size : most, result);
}

/* All that came before the empty block, which it steals: 1 or -1. */
static int
join_blocks(ReaderCall *self, PyObject *empty, PyObject **result)
{
    if (self->blocks == NULL) {
        *result = empty;
        return 1;
    }
    *result = PyObject_CallMethod(empty, "join", "(O)", self->blocks);
    Py_DECREF(empty);
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

/* LimitOverrunError. Always -1. */
static int
raise_overrun(core_state *state, const char *message, Py_ssize_t consumed)
{
    PyObject *exception = PyObject_CallFunction(state->LimitOverrunError, "sn", message, consumed);
    if (exception != NULL) {
        streams_raise(exception);
        Py_DECREF(exception);
    }
    return -1;
}

/* The match that ends first: whether there is one. */
static bool
find_separator(const ReaderCall *self, Py_ssize_t *match_start, Py_ssize_t *match_end)
{
    bool is_found = false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->separators); i++) {
        PyObject *separator = PyTuple_GET_ITEM(self->separators, i);
        Py_ssize_t at = stream_buffer_find(&self->reader->buffer, separator, self->offset);
        Py_ssize_t end = at + PyBytes_GET_SIZE(separator);
        if (at >= 0 && (!is_found || end < *match_end)) {
            *match_start = at;
            *match_end = end;
            is_found = true;
        }
    }
    return is_found;
}

static Py_ssize_t
separator_size(const ReaderCall *self, Py_ssize_t index)
{
    return PyBytes_GET_SIZE(PyTuple_GET_ITEM(self->separators, index));
}

static int
attempt_readuntil(ReaderCall *self, PyObject **result)
{
    StreamReader *reader = self->reader;
    if (!self->has_waited && has_failed(reader)) {
        return -1;
    }
    Py_ssize_t size = stream_buffer_size(&reader->buffer), match_start, match_end;
    if (size - self->offset >= separator_size(self, 0)) {
        if (find_separator(self, &match_start, &match_end)) {
            return match_start <= reader->limit_bytes
                       ? take(reader, match_end, result)
                       : raise_overrun(reader->state,
                                       "Separator is found, but chunk is longer than limit",
                                       match_start);
        }
        Py_ssize_t longest = separator_size(self, PyTuple_GET_SIZE(self->separators) - 1);
        self->offset = size + 1 > longest ? size + 1 - longest : 0;
        if (self->offset > reader->limit_bytes) {
            return raise_overrun(reader->state,
                                 "Separator is not found, and chunk exceed the limit",
                                 self->offset);
        }
    }
    return reader->eof ? raise_incomplete(reader, NULL) : 0;
}

/* ---- lines ---- */

/* LimitOverrunError's `consumed`, as an index of the buffer: 0 or -1. Runs Python. */
static int
consumed_of(StreamReader *reader, PyObject *exception, Py_ssize_t *consumed)
{
    PyObject *number = PyObject_GetAttrString(exception, "consumed");
    *consumed = number == NULL ? -1 : PyNumber_AsSsize_t(number, NULL);
    Py_XDECREF(number);
    if (*consumed == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*consumed < 0) {
        *consumed += stream_buffer_size(&reader->buffer);
    }
    if (*consumed < 0) {
        *consumed = 0;
    }
    return 0;
}

/* Drops the line that was too long, or all there is where its end is not there: 0 or -1. Runs Python. */
static int
drop_line(ReaderCall *self, PyObject *exception)
{
    StreamReader *reader = self->reader;
    Py_ssize_t consumed;
    if (consumed_of(reader, exception, &consumed) < 0) {
        return -1;
    }
    PyObject *newline = PyTuple_GET_ITEM(self->separators, 0);
    Py_ssize_t size = stream_buffer_size(&reader->buffer);
    bool has_end = consumed < size
                   && stream_buffer_find(&reader->buffer, newline, consumed) == consumed;
    if (stream_buffer_drop(&reader->buffer, has_end ? consumed + 1 : size) < 0) {
        return -1;
    }
    return stream_reader_maybe_resume(reader);
}

/* The pending LimitOverrunError as ValueError. Always -1. Runs Python. */
static int
raise_line_too_long(ReaderCall *self)
{
    PyObject *overrun = PyErr_GetRaisedException(), *error = NULL;
    if (drop_line(self, overrun) == 0) {
        PyObject *args = PyObject_GetAttrString(overrun, "args");
        PyObject *message = args == NULL ? NULL : PySequence_GetItem(args, 0);
        error = message == NULL ? NULL : PyObject_CallOneArg(PyExc_ValueError, message);
        Py_XDECREF(args);
        Py_XDECREF(message);
    }
    if (error == NULL) {
        error = PyErr_GetRaisedException();
    }
    PyException_SetContext(error, overrun);
    PyErr_SetRaisedException(error);
    return -1;
}

/* What readline() makes of an error of readuntil(). */
static int
recover_line(ReaderCall *self, PyObject **result)
{
    core_state *state = self->reader->state;
    if (PyErr_ExceptionMatches(state->LimitOverrunError)) {
        return raise_line_too_long(self);
    }
    if (!PyErr_ExceptionMatches(state->IncompleteReadError)) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    *result = PyObject_GetAttrString(exception, "partial");
    Py_DECREF(exception);
    return *result == NULL ? -1 : 1;
}

/* An empty line ends the iteration. */
static int
check_next(int status, PyObject **result)
{
    if (status > 0 && PyBytes_Check(*result) && PyBytes_GET_SIZE(*result) == 0) {
        Py_CLEAR(*result);
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return -1;
    }
    return status;
}

static int
recover_next(ReaderCall *self, PyObject **result)
{
    return check_next(recover_line(self, result), result);
}

/* ---- the kinds ---- */

#define KIND(method)                                                                         \
    .kind = {                                                                                \
        .name = method,                                                                      \
        .qualname = "StreamReader." method,                                                  \
        .size_bytes = sizeof(ReaderCall),                                                    \
        .start = start,                                                                      \
        .resume = resume,                                                                    \
        .traverse = traverse,                                                                \
        .drop = drop,                                                                        \
    }

static const reader_call read_call = {
    KIND("read"), .waits_as = "read", .attempt = attempt_read,
};
static const reader_call readexactly_call = {
    KIND("readexactly"), .waits_as = "readexactly", .attempt = attempt_readexactly,
};
static const reader_call readuntil_call = {
    KIND("readuntil"), .waits_as = "readuntil", .attempt = attempt_readuntil,
};
static const reader_call readline_call = {
    KIND("readline"), .waits_as = "readuntil", .attempt = attempt_readuntil, .recover = recover_line,
};
static const reader_call next_call = {
    KIND("__anext__"), .waits_as = "readuntil", .attempt = attempt_readuntil,
    .recover = recover_next,
};

/* A new coroutine. Steals separators, of a plain reader. */
static PyObject *
new_call(StreamReader *reader, const reader_call *call, Py_ssize_t size, PyObject *separators)
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

static PyObject *
call_stock(PyObject *op, const reader_call *call, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    return streams_call_stock(((StreamReader *)op)->state->StreamReader_type, op, call->kind.name,
                              args, nargs, kwnames);
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
        return call_stock(op, call, args, nargs, kwnames);
    }
    return new_call(self, call, size, NULL);
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

static bool
is_separator(PyObject *object)
{
    return PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) > 0;
}

/* The separators in a tuple, the shortest first: a new one; NULL with an exception, or without where
   asyncio's method is to deal with them. */
static PyObject *
sort_separators(core_state *state, PyObject *argument)
{
    if (argument == NULL) {
        return Py_NewRef(state->newline_separators);
    }
    if (is_separator(argument)) {
        return PyTuple_Pack(1, argument);
    }
    if (!READUNTIL_TAKES_TUPLES || !PyTuple_CheckExact(argument)
        || PyTuple_GET_SIZE(argument) == 0) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(argument);
    PyObject *sorted = PyTuple_New(count);
    for (Py_ssize_t i = 0; sorted != NULL && i < count; i++) {
        PyObject *separator = PyTuple_GET_ITEM(argument, i);
        if (!is_separator(separator)) {
            Py_CLEAR(sorted);
            break;
        }
        Py_ssize_t place = i;
        for (; place > 0; place--) {
            PyObject *before = PyTuple_GET_ITEM(sorted, place - 1);
            if (PyBytes_GET_SIZE(before) <= PyBytes_GET_SIZE(separator)) {
                break;
            }
            PyTuple_SET_ITEM(sorted, place, before);
        }
        PyTuple_SET_ITEM(sorted, place, Py_NewRef(separator));
    }
    return sorted;
}

PyObject *
StreamReader_readuntil(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"separator"}, 1, 1, 0};
    StreamReader *self = (StreamReader *)op;
    PyObject *argument = NULL, *separators;
    int is_plain = stream_reader_is_plain(self);
    if (is_plain < 0) {
        return NULL;
    }
    if (is_plain == 0 || !args_bind_names(&parameters, args, nargs, kwnames, &argument)
        || (separators = sort_separators(self->state, argument)) == NULL) {
        return PyErr_Occurred() ? NULL : call_stock(op, &readuntil_call, args, nargs, kwnames);
    }
    return new_call(self, &readuntil_call, 0, separators);
}

/* readline() or __anext__(), with whatever arguments came. */
static PyObject *
call_for_line(PyObject *op, const reader_call *call, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    StreamReader *self = (StreamReader *)op;
    int is_plain = stream_reader_is_plain(self);
    if (is_plain < 0) {
        return NULL;
    }
    if (is_plain == 0 || nargs > 0 || kwnames != NULL) {
        return call_stock(op, call, args, nargs, kwnames);
    }
    return new_call(self, call, 0, Py_NewRef(self->state->newline_separators));
}

PyObject *
StreamReader_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call_for_line(op, &readline_call, args, nargs, kwnames);
}

PyObject *
StreamReader_anext(PyObject *op)
{
    return call_for_line(op, &next_call, NULL, 0, NULL);
}
