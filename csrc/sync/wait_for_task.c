/* wait_for_task.c -- the coroutine of wait_for() to 3.11: a future of its own is woken by what is
   waited for, which becomes a task, or by a timer; and what is cancelled is waited for, too.

   Invariants
   1. From WAITS on, `awaitable` is a future, and `timer` is there unless time was up at once.
   2. While WAITS or ENDS the future has a Waiter that wakes `waiter`, or that has woken it.
   Source: asyncio.wait_for and asyncio.tasks._cancel_and_wait of 3.11 (Lib/asyncio/tasks.py). */

#include "sync/wait_for_task.h"

#include "core/awaitable.h"
#include "core/future.h"
#include "core/waiter.h"
#include "sync/timeout_error.h"
#include "sync/timer.h"
#include "sync/wait_for.h"
#include "sync/waiters.h"

enum stage {
    PASSES, /* no limit: it gives on what it awaits */
    WAITS,
    ENDS, /* the future has been cancelled */
};

typedef struct {
    WaitFor head;
    PyObject *loop;
    PyObject *waiter;
    PyObject *timer;
    PyObject *cancelled; /* to be raised when the future has ended; NULL where time is up */
    enum stage stage;
} WaitForTask;

static int
wake(core_state *state, PyObject *waiter, PyObject *Py_UNUSED(future))
{
    return awaitable_wake(state, waiter);
}

static const waiter_kind release_waiter = {
    .qualname = "_release_waiter",
    .module = "asyncio.tasks",
    .notify = wake,
    .shows_owner = true,
};

/* Has the future wake the waiter: 0 or -1. Runs Python. */
static int
add_waiter(core_state *state, WaitForTask *self)
{
    return waiter_add_here(state, self->head.awaitable, &release_waiter, self->waiter);
}

static int
remove_waiter(core_state *state, WaitForTask *self)
{
    return waiter_remove(state, self->head.awaitable, &release_waiter, self->waiter);
}

static int
make_waiter(core_state *state, WaitForTask *self)
{
    Py_XSETREF(self->waiter, loop_create_future(state, self->loop));
    return self->waiter == NULL ? -1 : 0;
}

/* Makes a future of what is waited for: 0 or -1. Runs Python. */
static int
make_future(core_state *state, WaitForTask *self)
{
    PyObject *future = awaitable_ensure_future(state, self->head.awaitable, self->loop);
    if (future == NULL) {
        return -1;
    }
    Py_SETREF(self->head.awaitable, future);
    return 0;
}

static int
wait_for_waiter(WaitForTask *self, enum stage stage)
{
    self->stage = stage;
    self->head.coroutine.future = Py_NewRef(self->waiter);
    return COROUTINE_WAITS;
}

/* Takes the Waiter out whatever happened: an error of that has the pending one as its context. */
static int
leave_future(core_state *state, WaitForTask *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    self->stage = WAITS;
    if (remove_waiter(state, self) < 0) { // runs Python
        waiters_chain_steal(pending);
        return -1;
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return 0;
}

/* Cancels the future, to wait for its end. */
static int
cancel_and_wait(core_state *state, WaitForTask *self)
{
    if (make_waiter(state, self) < 0 || add_waiter(state, self) < 0) {
        return COROUTINE_FAILED;
    }
    if (awaitable_cancel(state, self->head.awaitable, NULL) < 0) {
        leave_future(state, self);
        return COROUTINE_FAILED;
    }
    return wait_for_waiter(self, ENDS);
}

static int
answer_of(PyObject *result)
{
    return result == NULL ? COROUTINE_FAILED : COROUTINE_RETURNS;
}

/* ---- it begins ---- */

static int
pass_on(core_state *state, WaitForTask *self, PyObject **result)
{
    PyObject *awaitable = self->head.awaitable;
    Coroutine *coroutine = &self->head.coroutine;
    if (future_is_exact(state, awaitable)) {
        if (((Future *)awaitable)->state != FUTURE_PENDING) {
            *result = future_result(state, (Future *)awaitable);
            return answer_of(*result);
        }
        coroutine->future = Py_NewRef(awaitable);
        return COROUTINE_WAITS;
    }
    coroutine->future = coroutine_awaitable_iter(state, awaitable); // runs Python
    if (coroutine->future == NULL && !PyErr_Occurred()) {
        coroutine->future = PyObject_CallFunctionObjArgs(state->stock_wait_for, awaitable, Py_None,
                                                         NULL);
    }
    return coroutine->future == NULL ? COROUTINE_FAILED : COROUTINE_AWAITS;
}

static int
give_up_at_once(core_state *state, WaitForTask *self, PyObject **result)
{
    int is_done = make_future(state, self) < 0 ? -1
                                               : awaitable_is_done(state, self->head.awaitable);
    if (is_done == 0) {
        return cancel_and_wait(state, self);
    }
    *result = is_done < 0 ? NULL : awaitable_result(state, self->head.awaitable); // runs Python
    return answer_of(*result);
}

static int
wait_for_start(Coroutine *op, PyObject **result)
{
    WaitForTask *self = (WaitForTask *)op;
    core_state *state = op->module_state;
    PyObject *delay = self->head.delay;
    self->loop = awaitable_running_loop(state);
    if (self->loop == NULL) {
        return COROUTINE_FAILED;
    }
    if (delay == Py_None) {
        return pass_on(state, self, result);
    }
    int is_over = PyObject_RichCompareBool(delay, state->zero, Py_LE); // runs Python, as all here
    if (is_over != 0) {
        return is_over < 0 ? COROUTINE_FAILED : give_up_at_once(state, self, result);
    }
    if (make_waiter(state, self) < 0) {
        return COROUTINE_FAILED;
    }
    PyObject *timer = timer_call_later(state, self->loop, delay, state->release_waiter,
                                       self->waiter);
    if (timer == NULL || make_future(state, self) < 0 || add_waiter(state, self) < 0) {
        Py_XDECREF(timer); /* not cancelled: asyncio leaves it, too */
        return COROUTINE_FAILED;
    }
    self->timer = timer;
    return wait_for_waiter(self, WAITS);
}

/* ---- it goes on ---- */

/* The future is done, or time is up, or `pending` was raised, which is stolen. */
static int
after_waiting(core_state *state, WaitForTask *self, PyObject *pending, PyObject **result)
{
    if (pending != NULL && !PyErr_GivenExceptionMatches(pending, state->CancelledError)) {
        PyErr_SetRaisedException(pending);
        return COROUTINE_FAILED;
    }
    self->cancelled = pending;
    int answer = COROUTINE_FAILED;
    int is_done = awaitable_is_done(state, self->head.awaitable); // runs Python, as all here
    if (is_done > 0) {
        *result = awaitable_result(state, self->head.awaitable);
        answer = answer_of(*result);
    }
    else if (is_done == 0 && remove_waiter(state, self) == 0) {
        answer = cancel_and_wait(state, self);
    }
    if (answer == COROUTINE_FAILED) {
        waiters_chain_steal(Py_XNewRef(pending));
    }
    return answer;
}

/* The future that was cancelled has ended, or `pending` was raised, which is stolen. */
static int
after_end(core_state *state, WaitForTask *self, PyObject *pending, PyObject **result)
{
    PyObject *cancelled = self->cancelled;
    self->cancelled = NULL;
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    if (leave_future(state, self) < 0 || pending != NULL) { // runs Python, as all here
        waiters_chain_steal(cancelled);
        return COROUTINE_FAILED;
    }
    if (cancelled != NULL) {
        PyErr_SetRaisedException(cancelled);
        return COROUTINE_FAILED;
    }
    *result = awaitable_result(state, self->head.awaitable);
    if (*result == NULL && PyErr_ExceptionMatches(state->CancelledError)) {
        PyObject *cause = PyErr_GetRaisedException();
        timeout_error_convert(state, state->CancelledError, cause);
        waiters_chain_steal(cause);
    }
    return answer_of(*result);
}

/* Cancels the timer, which any outcome does; an error has what was raised as its context. */
static int
stop_timer(core_state *state, WaitForTask *self, PyObject **result)
{
    PyObject *timer = self->timer;
    self->timer = NULL;
    if (timer == NULL) {
        return answer_of(*result);
    }
    PyObject *pending = *result == NULL ? PyErr_GetRaisedException() : NULL;
    int status = timer_cancel(state, timer); // runs Python
    Py_DECREF(timer);
    if (status < 0) {
        Py_CLEAR(*result);
        waiters_chain_steal(pending);
    }
    else if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return answer_of(*result);
}

static int
wait_for_resume(Coroutine *op, PyObject **result)
{
    WaitForTask *self = (WaitForTask *)op;
    core_state *state = op->module_state;
    if (self->stage == PASSES) {
        return answer_of(*result);
    }
    PyObject *pending = *result == NULL ? PyErr_GetRaisedException() : NULL;
    Py_CLEAR(*result);
    int answer = self->stage == WAITS ? after_waiting(state, self, pending, result)
                                      : after_end(state, self, pending, result);
    return answer == COROUTINE_WAITS ? answer : stop_timer(state, self, result);
}

static int
wait_for_traverse(Coroutine *op, visitproc visit, void *arg)
{
    WaitForTask *self = (WaitForTask *)op;
    Py_VISIT(self->head.awaitable);
    Py_VISIT(self->head.delay);
    Py_VISIT(self->loop);
    Py_VISIT(self->waiter);
    Py_VISIT(self->timer);
    Py_VISIT(self->cancelled);
    return 0;
}

static void
wait_for_drop(Coroutine *op)
{
    WaitForTask *self = (WaitForTask *)op;
    core_state *state = op->module_state;
    if (self->stage == ENDS && leave_future(state, self) < 0) {
        PyErr_WriteUnraisable((PyObject *)op);
    }
    if (self->timer != NULL && timer_cancel(state, self->timer) < 0) {
        PyErr_WriteUnraisable((PyObject *)op);
    }
    Py_CLEAR(self->head.awaitable);
    Py_CLEAR(self->head.delay);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->timer);
    Py_CLEAR(self->cancelled);
}

const coroutine_kind wait_for_task_kind = {
    .name = "wait_for",
    .qualname = "wait_for",
    .functions = {"asyncio.tasks:wait_for"},
    .size_bytes = sizeof(WaitForTask),
    .start = wait_for_start,
    .resume = wait_for_resume,
    .traverse = wait_for_traverse,
    .drop = wait_for_drop,
};
