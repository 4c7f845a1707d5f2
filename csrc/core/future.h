/* future.h -- a result that is not there yet, and who waits for it.

   A Future is an asyncio.Future to isinstance and to every tool: the first STOCK_BASE_SIZE bytes
   are asyncio's own fields. What asyncio keeps in one of these in the same meaning is there with us,
   too, and asyncio's own tp_traverse visits it; the others stay zero but for 3.14's awaited-by set.
   Its loop is among these: asyncio's methods take a Future of ours for one not initialized.

   Invariants (future_check, debug builds)
   1. state is PENDING until exactly one of set_result, set_exception and cancel; never back.
   2. waiters is NULL, the only waiter, or a list of them that is not empty; a done future has none.
   3. A waiter is a tuple (callable, context), one of our own Tasks, or a Waiter (core/waiter.h):
      waking these two is putting them in the ring.
   4. is_own says that loop is one of our Loops.
   5. outcome is the result, or where has_exception the exception, of a finished future; detail is
      that exception's traceback, or of a cancelled future the CancelledError to raise again.
   6. source_traceback and cancel_message are NULL for none.
   The struct is what a sleeping task weighs, twice: a field more is 16 bytes in each of the two.
   Ownership: every field is a reference of ours.
   Source: asyncio.Future (Lib/asyncio/futures.py, Modules/_asynciomodule.c). */

#ifndef PYASYNC_CORE_FUTURE_H
#define PYASYNC_CORE_FUTURE_H

#include "base/compat.h"

#include "core/loop.h"
#include "core/state.h"

#include <stdbool.h>

enum future_state {
    FUTURE_PENDING,
    FUTURE_CANCELLED,
    FUTURE_FINISHED,
};

typedef struct {
    PyObject_HEAD
    union {
        void *stock_words[(STOCK_BASE_SIZE - sizeof(PyObject)) / sizeof(void *)];
        struct {
            void *before_result[STOCK_RESULT_WORD];
            PyObject *outcome;
            PyObject *source_traceback;
            PyObject *cancel_message;
        };
        struct {
            void *before_cancelled_error[STOCK_CANCELLED_ERROR_WORD];
            PyObject *detail;
        };
        struct { /* a Task's */
            void *before_fut_waiter[STOCK_FUT_WAITER_WORD];
            PyObject *fut_waiter;
            PyObject *coro;
        };
    };
    PyObject *loop;
    PyObject *waiters;
    uint8_t state;
    bool is_own;
    bool is_blocking; /* _asyncio_future_blocking */
    bool has_exception : 1;
    bool log_traceback : 1;
    bool is_task : 1;
    bool task_has_name : 1; /* a Task's own fields, which fill this word up */
    bool task_must_cancel : 1;
    bool task_log_destroy_pending : 1;
    int task_cancels_requested;
} Future;

/* Whether __init__ has been called, and the GC has not taken it apart. */
static inline bool
future_is_alive(const Future *self)
{
    return self->loop != NULL;
}

/* RuntimeError where it is not: 0 or -1. */
int future_ensure_alive(const Future *self);

/* Whether it is finished by an exception. asyncio's own methods, called on a Future of ours, may
   have put something else in the place of that, or nothing. */
static inline bool
future_failed(const Future *self)
{
    return self->has_exception && self->outcome != NULL && PyExceptionInstance_Check(self->outcome);
}

/* Whether it has a result. */
static inline bool
future_succeeded(const Future *self)
{
    return self->state == FUTURE_FINISHED && !self->has_exception;
}

/* The loop, where it is one of ours, or NULL. */
static inline Loop *
future_own_loop(const Future *self)
{
    return self->is_own ? (Loop *)self->loop : NULL;
}

/* One of our own Futures or Tasks, or gather()'s, not of a subclass: nothing of it is overridden
   but what gather()'s has of its own, cancel(). */
static inline bool
future_is_exact(const core_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->Future_type) || Py_IS_TYPE(object, state->Task_type)
           || Py_IS_TYPE(object, state->GatheringFuture_type);
}

static inline core_state *
future_state_of(const Future *self)
{
    return self->is_own ? ((Loop *)self->loop)->state : state_of((PyObject *)self);
}

/* Sets the message of cancel(), NULL or None for none. */
static inline void
future_set_cancel_message(Future *self, PyObject *message)
{
    Py_XSETREF(self->cancel_message, message == Py_None ? NULL : Py_XNewRef(message));
}

/* The state changes. 0, or -1 with InvalidStateError or what scheduling a callback raised;
   future_cancel 1 where it cancelled, 0 where it was done. */
int future_set_result(core_state *state, Future *self, PyObject *result);
int future_set_exception(core_state *state, Future *self, PyObject *exception);
int future_cancel(core_state *state, Future *self, PyObject *message);

/* 0: *result is the result; 1: *result is the exception that was set; -1: raised (cancelled or
   not done). Both are new references. */
int future_get_result(core_state *state, Future *self, PyObject **result);

/* As result(): the result, or NULL with the exception raised. */
PyObject *future_result(core_state *state, Future *self);

/* As exception(): the exception that was set, or None. */
PyObject *future_exception(core_state *state, Future *self);

/* A new CancelledError for this future, the stored one if there is one. */
PyObject *future_make_cancelled_error(core_state *state, Future *self);

/* Who waits, and how they are told: core/future_waiters.c.

   Schedules all that wait: 0 or -1. Runs Python where call_soon is overridden. */
int future_schedule_callbacks(core_state *state, Future *self);

/* Adds a callable, or schedules it where self is done. */
int future_add_callback(core_state *state, Future *self, PyObject *callback, PyObject *context);

/* Adds a pending Future's waiter that is a Task of our own. */
int future_add_task(Future *self, PyObject *task);

/* Adds a Waiter, or schedules it where self is done; takes one out. 0 or -1. */
int future_add_waiter(core_state *state, Future *self, PyObject *waiter, PyObject *context);
int future_remove_waiter_at(Future *self, Py_ssize_t index);

/* Who waits: how many, and the index-th of them, borrowed. */
static inline Py_ssize_t
future_waiter_count(const Future *self)
{
    PyObject *waiters = self->waiters;
    return waiters == NULL ? 0 : PyList_CheckExact(waiters) ? PyList_GET_SIZE(waiters) : 1;
}

static inline PyObject *
future_waiter_at(const Future *self, Py_ssize_t index)
{
    PyObject *waiters = self->waiters;
    return PyList_CheckExact(waiters) ? PyList_GET_ITEM(waiters, index) : waiters;
}

/* A new list of (callable, context), or None. */
PyObject *future_callbacks(core_state *state, Future *self);

/* The number of removed callbacks that equal `callback`, or -1. Runs Python. */
Py_ssize_t future_remove_callback(core_state *state, Future *self, PyObject *callback);

/* loop.call_soon(callback[, argument], context=context) by the shortest way. */
int future_call_soon(core_state *state, PyObject *loop, PyObject *callback, PyObject *argument,
                     PyObject *context);

/* How one comes to be, what it refers to, and how it ends: core/future_life.c.

   A pending Future on one of our loops. */
PyObject *future_new(Loop *loop);

/* What __init__ does; loop may be None. Runs Python. */
int future_init(core_state *state, Future *self, PyObject *loop);

/* From 3.15 on __init__ refuses to run twice: 0, or -1 with RuntimeError. */
int future_refuse_second_init(const Future *self, const char *type_name);

/* "... exception was never retrieved", where that is so. Keeps the pending exception. */
void future_finalize(Future *self);

/* traverse and clear of our fields and of the stock base's; tp_dealloc of Future and Task. */
int future_traverse(PyObject *self, visitproc visit, void *arg);
int future_clear(PyObject *self);
void future_dealloc(PyObject *self);

/* The iterator that `await` takes (core/future_iter.c). */
PyObject *future_iter_new(PyObject *future);

int future_iter_init_type(PyObject *module, core_state *state);

int future_init_type(PyObject *module, core_state *state);

#endif
