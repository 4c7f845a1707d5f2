/* future_methods.h -- the methods and attributes that Future and Task both have, for their types.

   A Task derives from asyncio.Task alone (core/task.h): it has its own entries for these. The
   methods are in core/future_type.c, the attributes in core/future_attributes.c. */

#ifndef PYASYNC_CORE_FUTURE_METHODS_H
#define PYASYNC_CORE_FUTURE_METHODS_H

#include "base/compat.h"

#include "core/args.h"
#include "core/attributes.h"
#include "core/future.h"

DECLARE_METHOD(Future_result);
DECLARE_METHOD(Future_exception);
DECLARE_METHOD(Future_done);
DECLARE_METHOD(Future_cancelled);
DECLARE_METHOD(Future_get_loop);
DECLARE_FAST_METHOD(Future_add_done_callback);
DECLARE_METHOD(Future_remove_done_callback);
DECLARE_METHOD(Future_make_cancelled_error);

#define FUTURE_SHARED_METHODS                                                                \
    {"result", Future_result, METH_NOARGS,                                                   \
     "result($self, /)\n--\n\nThe result, or raises the exception that was set.\n\nRaises "  \
     "CancelledError where cancelled, InvalidStateError where not done. As "                 \
     "asyncio.Future.result."},                                                              \
    {"exception", Future_exception, METH_NOARGS,                                             \
     "exception($self, /)\n--\n\nThe exception that was set, or None.\n\nRaises "            \
     "CancelledError where cancelled, InvalidStateError where not done. As "                 \
     "asyncio.Future.exception."},                                                           \
    {"done", Future_done, METH_NOARGS,                                                       \
     "done($self, /)\n--\n\nWhether there is a result, an exception or a cancellation. As "  \
     "asyncio.Future.done."},                                                                \
    {"cancelled", Future_cancelled, METH_NOARGS,                                             \
     "cancelled($self, /)\n--\n\nWhether it was cancelled. As asyncio.Future.cancelled."},   \
    {"get_loop", Future_get_loop, METH_NOARGS,                                               \
     "get_loop($self, /)\n--\n\nThe loop it is bound to. As asyncio.Future.get_loop."},      \
    {"add_done_callback", FAST_METHOD(Future_add_done_callback),                             \
     "add_done_callback($self, fn, /, *, context=<unrepresentable>)\n--\n\nHave the loop "   \
     "call fn(self) once done, in context or a copy of the current one. As "                 \
     "asyncio.Future.add_done_callback."},                                                   \
    {"remove_done_callback", Future_remove_done_callback, METH_O,                            \
     "remove_done_callback($self, fn, /)\n--\n\nTake out every callback equal to fn; "       \
     "returns their number. As asyncio.Future.remove_done_callback."},                       \
    {"_make_cancelled_error", Future_make_cancelled_error, METH_NOARGS,                      \
     "_make_cancelled_error($self, /)\n--\n\nThe CancelledError to raise for this future. "  \
     "As asyncio.Future._make_cancelled_error."},                                            \
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "See PEP 585."}

PyObject *future_get_state(PyObject *self, void *closure);
PyObject *future_get_blocking(PyObject *self, void *closure);
int future_set_blocking(PyObject *self, PyObject *value, void *closure);
PyObject *future_get_outcome(PyObject *self, void *exception);
PyObject *future_get_callbacks(PyObject *self, void *closure);
PyObject *future_get_log_traceback(PyObject *self, void *closure);
int future_set_log_traceback(PyObject *self, PyObject *value, void *closure);
int future_write_cancel_message(PyObject *self, PyObject *value, void *closure);

#if FUTURE_HAS_AWAITED_BY
#  define FUTURE_AWAITED_BY_GETSET {"_asyncio_awaited_by", future_get_awaited_by, NULL, NULL, NULL},
PyObject *future_get_awaited_by(PyObject *self, void *closure);
#else
#  define FUTURE_AWAITED_BY_GETSET
#endif

#define FUTURE_SHARED_GETSET                                                                 \
    {"_state", future_get_state, NULL, NULL, NULL},                                          \
    {"_asyncio_future_blocking", future_get_blocking, future_set_blocking, NULL, NULL},      \
    {"_loop", attribute_get_object, NULL, NULL, (void *)offsetof(Future, loop)},             \
    {"_callbacks", future_get_callbacks, NULL, NULL, NULL},                                  \
    {"_result", future_get_outcome, NULL, NULL, NULL},                                       \
    {"_exception", future_get_outcome, NULL, NULL, "exception"},                             \
    {"_log_traceback", future_get_log_traceback, future_set_log_traceback, NULL, NULL},      \
    FUTURE_AWAITED_BY_GETSET                                                                 \
    {"_source_traceback", attribute_get_object, NULL, NULL,                                  \
     (void *)offsetof(Future, source_traceback)},                                            \
    {"_cancel_message", attribute_get_object, future_write_cancel_message, NULL,             \
     (void *)offsetof(Future, cancel_message)}

#endif
