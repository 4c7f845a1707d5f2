/* next_completed.c -- waiting for the next future that as_completed() has: fairly, and in turn.

   Source: asyncio.tasks._AsCompletedIterator._wait_for_one; asyncio.Queue.get. */

#include "core/awaitable.h"
#include "core/coroutine.h"
#include "core/future.h"
#include "sync/as_completed.h"
#include "sync/getters.h"

typedef struct {
    Coroutine coroutine;
    AsCompleted *iterator;
    PyObject *getter; /* while it waits */
} NextCompleted;

extern const coroutine_kind next_future_kind;

static bool
is_empty(const AsCompleted *iterator)
{
    return iterator->taken >= PyList_GET_SIZE(iterator->completed);
}

/* The loop that runs, which must always be the same one: a new reference or NULL. */
static PyObject *
get_loop(core_state *state, AsCompleted *iterator)
{
    PyObject *loop = awaitable_running_loop(state);
    if (loop != NULL && iterator->loop == NULL) {
        iterator->loop = Py_NewRef(loop);
    }
    if (loop != NULL && iterator->loop != loop) {
        PyErr_Format(PyExc_RuntimeError, "%R is bound to a different event loop", iterator);
        Py_CLEAR(loop);
    }
    return loop;
}

/* As a coroutine's start(). Runs Python for futures not of ours. */
static int
take_or_wait(NextCompleted *self, PyObject **result)
{
    core_state *state = self->coroutine.module_state;
    AsCompleted *iterator = self->iterator;
    if (!is_empty(iterator)) {
        PyObject *future = Py_NewRef(PyList_GET_ITEM(iterator->completed, iterator->taken));
        iterator->taken++;
        if (future == Py_None) {
            PyErr_SetNone(PyExc_TimeoutError);
            *result = NULL;
        }
        else if (self->coroutine.kind == &next_future_kind) {
            *result = Py_NewRef(future);
        }
        else {
            *result = awaitable_result(state, future);
        }
        Py_DECREF(future);
        return *result == NULL ? -1 : 1;
    }
    PyObject *loop = get_loop(state, iterator);
    PyObject *getter = loop == NULL ? NULL : loop_create_future(state, loop);
    Py_XDECREF(loop);
    if (getter == NULL || PyList_Append(iterator->getters, getter) < 0) {
        Py_XDECREF(getter);
        return -1;
    }
    self->getter = getter;
    self->coroutine.future = Py_NewRef(getter);
    return 0;
}

/* It waits no longer, though nothing came: whoever is next gets what may have been meant for it.
   0 or -1. Runs Python for a future not of ours. */
static int
give_up(NextCompleted *self)
{
    core_state *state = self->coroutine.module_state;
    AsCompleted *iterator = self->iterator;
    PyObject *getter = self->getter;
    self->getter = NULL;
    int is_cancelled = awaitable_cancel(state, getter, NULL) < 0 ? -1 : 0;
    if (is_cancelled == 0) {
        getters_remove(iterator->getters, getter);
        is_cancelled = is_empty(iterator) ? 1 : awaitable_is_cancelled(state, getter);
    }
    Py_DECREF(getter);
    return is_cancelled == 0 ? getters_wake_next(state, iterator->getters)
                             : (is_cancelled < 0 ? -1 : 0);
}

/* The same, keeping what is pending: an error of its own has that as its context. */
static void
give_up_with_pending(NextCompleted *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    if (AS_COMPLETED_TAKES_BACK) {
        self->iterator->left++;
    }
    if (self->getter == NULL || give_up(self) == 0) {
        PyErr_SetRaisedException(pending);
        return;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyException_SetContext(error, pending);
    PyErr_SetRaisedException(error);
}

static int
next_start(Coroutine *op, PyObject **result)
{
    NextCompleted *self = (NextCompleted *)op;
    if (op->kind == &next_future_kind) {
        if (self->iterator->left == 0) {
            PyErr_SetNone(PyExc_StopAsyncIteration);
            return -1;
        }
        self->iterator->left--;
    }
    bool was_empty = is_empty(self->iterator);
    int status = take_or_wait(self, result);
    if (status < 0 && was_empty) {
        give_up_with_pending(self);
    }
    return status;
}

static int
next_resume(Coroutine *op, PyObject **result)
{
    NextCompleted *self = (NextCompleted *)op;
    if (*result == NULL) {
        give_up_with_pending(self);
        return -1;
    }
    Py_CLEAR(*result);
    Py_CLEAR(self->getter); /* who woke it took it from the getters */
    return take_or_wait(self, result);
}

static int
next_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)((NextCompleted *)op)->iterator);
    Py_VISIT(((NextCompleted *)op)->getter);
    return 0;
}

static void
next_drop(Coroutine *op)
{
    NextCompleted *self = (NextCompleted *)op;
    if (self->getter != NULL && give_up(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)op);
    }
    Py_CLEAR(self->getter);
    Py_CLEAR(self->iterator);
}

static const coroutine_kind next_result_kind = {
    .name = "_wait_for_one",
    .qualname = AS_COMPLETED_LOCALS "_wait_for_one",
    .functions = {"asyncio.tasks:_AsCompletedIterator._wait_for_one", "asyncio.queues:Queue.get"},
    .size_bytes = sizeof(NextCompleted),
    .start = next_start,
    .resume = next_resume,
    .traverse = next_traverse,
    .drop = next_drop,
};

const coroutine_kind next_future_kind = {
    .name = "__anext__",
    .qualname = AS_COMPLETED_LOCALS "__anext__",
    .functions = {"asyncio.tasks:_AsCompletedIterator.__anext__",
                  "asyncio.tasks:_AsCompletedIterator._wait_for_one", "asyncio.queues:Queue.get"},
    .size_bytes = sizeof(NextCompleted),
    .start = next_start,
    .resume = next_resume,
    .traverse = next_traverse,
    .drop = next_drop,
};

static PyObject *
make(core_state *state, AsCompleted *iterator, const coroutine_kind *kind)
{
    NextCompleted *self = (NextCompleted *)coroutine_new(state, kind);
    if (self == NULL) {
        return NULL;
    }
    self->iterator = (AsCompleted *)Py_NewRef((PyObject *)iterator);
    return coroutine_begin(&self->coroutine);
}

PyObject *
next_completed_result(core_state *state, AsCompleted *iterator)
{
    return make(state, iterator, &next_result_kind);
}

PyObject *
next_completed_future(core_state *state, AsCompleted *iterator)
{
    return make(state, iterator, &next_future_kind);
}

int
next_completed_init(core_state *state)
{
    return coroutine_learn(state, &next_result_kind) < 0
                   || coroutine_learn(state, &next_future_kind) < 0
               ? -1
               : 0;
}
