/* stream_reader_calls.h -- the reading coroutines: done at once where the data is there, else they
   wait on the reader's one future.

   A kind is an attempt that is made at first and again after each wait.

   Invariants
   1. While is_waiting, the reader's waiter was this coroutine's future when it began to wait. As
      in asyncio, its end leaves the reader without a waiter, whoever that is by then.
   Ownership: reader, separators and blocks are references, NULL once it is done.
   Source: asyncio.StreamReader. */

#ifndef PYASYNC_NET_STREAM_READER_CALLS_H
#define PYASYNC_NET_STREAM_READER_CALLS_H

#include "base/compat.h"

#include "core/coroutine.h"
#include "net/stream_reader.h"

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

/* A new coroutine of a plain reader. Steals separators. */
PyObject *reader_call_new(StreamReader *reader, const reader_call *call, Py_ssize_t size,
                          PyObject *separators);

/* That of asyncio's own method. */
PyObject *reader_call_stock(PyObject *reader, const reader_call *call, PyObject *const *args,
                            Py_ssize_t nargs, PyObject *kwnames);

/* For attempts. Whether the reader has an exception, which is raised then; */
bool reader_call_has_failed(const StreamReader *reader);

/* takes bytes and lets the transport read on: 1 or -1, runs Python; */
int reader_call_take(StreamReader *reader, Py_ssize_t size, PyObject **result);

/* IncompleteReadError with all there is; expected is NULL for None. Always -1. */
int reader_call_raise_incomplete(StreamReader *reader, PyObject *expected);

/* What all kinds do alike. */
int reader_call_start(Coroutine *self, PyObject **result);
int reader_call_resume(Coroutine *self, PyObject **result);
int reader_call_traverse(Coroutine *self, visitproc visit, void *arg);
void reader_call_drop(Coroutine *self);

#define READER_CALL_KIND(method)                                                             \
    .kind = {                                                                                \
        .name = method,                                                                      \
        .qualname = "StreamReader." method,                                                  \
        .size_bytes = sizeof(ReaderCall),                                                    \
        .start = reader_call_start,                                                          \
        .resume = reader_call_resume,                                                        \
        .traverse = reader_call_traverse,                                                    \
        .drop = reader_call_drop,                                                            \
    }

#endif
