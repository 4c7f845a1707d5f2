/* stream_reader_lines.c -- readuntil(), readline() and async iteration.

   readline() is readuntil() with other errors, and the iteration is readline() with another end.
   Source: asyncio.StreamReader. */

#include "net/stream_reader_calls.h"

#include "core/args.h"

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

/* The match that ends first, and of those the first separator's: whether there is one. */
static bool
find_separator(const ReaderCall *self, Py_ssize_t *match_start, Py_ssize_t *match_end)
{
    *match_end = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->separators); i++) {
        PyObject *separator = PyTuple_GET_ITEM(self->separators, i);
        Py_ssize_t at = stream_buffer_find(&self->reader->buffer, separator, self->offset);
        Py_ssize_t end = at + PyBytes_GET_SIZE(separator);
        if (at >= 0 && end < *match_end) {
            *match_start = at;
            *match_end = end;
        }
    }
    return *match_end != PY_SSIZE_T_MAX;
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
    if (!self->has_waited && reader_call_has_failed(reader)) {
        return -1;
    }
    Py_ssize_t size = stream_buffer_size(&reader->buffer), match_start = 0, match_end;
    if (size - self->offset >= separator_size(self, 0)) {
        if (find_separator(self, &match_start, &match_end)) {
            return match_start <= reader->limit_bytes
                       ? reader_call_take(reader, match_end, result)
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
    return reader->eof ? reader_call_raise_incomplete(reader, NULL) : 0;
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

/* Drops the line that was too long, or all there is where its end is not there: 0 or -1. Runs
   Python. */
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

static const reader_call readuntil_call = {
    READER_CALL_KIND("readuntil"), .waits_as = "readuntil", .attempt = attempt_readuntil,
};
static const reader_call readline_call = {
    READER_CALL_KIND("readline"), .waits_as = "readuntil", .attempt = attempt_readuntil,
    .recover = recover_line,
};
static const reader_call next_call = {
    READER_CALL_KIND("__anext__"), .waits_as = "readuntil", .attempt = attempt_readuntil,
    .recover = recover_next,
};

static bool
is_separator(PyObject *object)
{
    return PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) > 0;
}

/* The separators in a tuple, the shortest first: a new one; NULL with an exception, or without
   where asyncio's method is to deal with them. */
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
        return PyErr_Occurred() ? NULL
                                : reader_call_stock(op, &readuntil_call, args, nargs, kwnames);
    }
    return reader_call_new(self, &readuntil_call, 0, separators);
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
        return reader_call_stock(op, call, args, nargs, kwnames);
    }
    return reader_call_new(self, call, 0, Py_NewRef(self->state->newline_separators));
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
