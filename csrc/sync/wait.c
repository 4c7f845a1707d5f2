/* wait.c -- wait(): a future that is woken when enough of the others are done, or time is up.

   Invariants
   1. While is_waiting each of futures has a Waiter whose owner is the coroutine, or has told it.
   2. unfinished and return_when are good for as long as the coroutine lives: a Waiter that was in
      the ring when wait() ended still counts, and looks at an exception, as asyncio's does.
   Source: asyncio.wait and asyncio.tasks._wait (Lib/asyncio/tasks.py). */

#include "sync/wait.h"

#include "core/args.h"
#include "core/awaitable.h"
#include "core/coroutine.h"
#include "core/function.h"
#include "core/task.h"
#include "core/waiter.h"
#include "sync/timer.h"

enum return_when {
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    ALL_COMPLETED,
};

typedef struct {
    Coroutine coroutine;
    PyObject *fs;      /* as it was given; then a set of our own */
    PyObject *timeout; /* as it was given; NULL for none */
    PyObject *condition; /* return_when as it was given; NULL for the default */
    PyObject *futures; /* the set's members, as a list */
    PyObject *waiter;
    PyObject *timer;
    PyObject *waiting_task;
    Py_ssize_t unfinished;
    enum return_when return_when;
    bool is_waiting;
} Wait;

/* ---- a future is done ---- */

/* Whether that future's outcome is one to end for: 1, 0 or -1. Runs Python for one not of ours. */
static int
is_exception(core_state *state, PyObject *future)
{
    int is_cancelled = awaitable_is_cancelled(state, future);
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : 0;
    }
    PyObject *exception = awaitable_exception(state, future);
    Py_XDECREF(exception);
    return exception == NULL ? -1 : exception != Py_None;
}

static int
wait_notify(core_state *state, PyObject *owner, PyObject *future)
{
    Wait *self = (Wait *)owner;
    self->unfinished--;
    int is_enough = self->unfinished <= 0 || self->return_when == FIRST_COMPLETED;
    if (!is_enough && self->return_when == FIRST_EXCEPTION) {
        is_enough = is_exception(state, future); // runs Python
    }
    if (is_enough < 0) {
        return -1;
    }
    if (is_enough && self->waiter != NULL) {
        PyObject *waiter = Py_NewRef(self->waiter);
        int status = self->timer == NULL ? 0 : timer_cancel(state, self->timer); // runs Python
        status = status < 0 ? -1 : awaitable_wake(state, waiter);
        Py_DECREF(waiter);
        if (status < 0) {
            return -1;
        }
    }
    return awaitable_discard_awaited_by(state, future, self->waiting_task);
}

static PyObject *
waiting_task_of(PyObject *owner)
{
    return ((Wait *)owner)->waiting_task;
}

static const waiter_kind wait_waiter = {
    .qualname = "_wait.<locals>._on_completion",
    .module = "asyncio.tasks",
    .notify = wait_notify,
    .waiting_task = waiting_task_of,
};

/* ---- it begins ---- */

static int
check_arguments(core_state *state, Wait *self)
{
    int is_single = awaitable_is_future(state, self->fs); // runs Python, as all here
    if (is_single == 0) {
        is_single = awaitable_is_coroutine(state, self->fs);
    }
    if (is_single != 0) {
        PyObject *name = is_single < 0 ? NULL : PyType_GetName(Py_TYPE(self->fs));
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError, "expect a list of futures, not %U", name);
            Py_DECREF(name);
        }
        return -1;
    }
    int is_some = PyObject_IsTrue(self->fs);
    if (is_some == 0) {
        PyErr_SetString(PyExc_ValueError, "Set of Tasks/Futures is empty.");
    }
    return is_some <= 0 ? -1 : 0;
}

static int
find_condition(core_state *state, Wait *self)
{
    PyObject *names[] = {state->FIRST_COMPLETED, state->FIRST_EXCEPTION, state->ALL_COMPLETED};
    self->return_when = ALL_COMPLETED;
    for (int i = 0; self->condition != NULL; i++) {
        if (i > ALL_COMPLETED) {
            PyErr_Format(PyExc_ValueError, "Invalid return_when value: %S", self->condition);
            return -1;
        }
        int is_this = PyObject_RichCompareBool(self->condition, names[i], Py_EQ); // runs Python
        if (is_this < 0) {
            return -1;
        }
        if (is_this) {
            self->return_when = (enum return_when)i;
            return 0;
        }
    }
    return 0;
}

/* Makes a set of what was given, and a list of that. */
static int
collect(core_state *state, Wait *self)
{
    Py_SETREF(self->fs, PySet_New(self->fs)); // runs Python
    self->futures = self->fs == NULL ? NULL : PySequence_List(self->fs);
    if (self->futures == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->futures); i++) {
        PyObject *future = PyList_GET_ITEM(self->futures, i);
        int is_coroutine = future_is_exact(state, future)
                               ? 0
                               : awaitable_is_coroutine(state, future); // runs Python
        if (is_coroutine != 0) {
            if (is_coroutine > 0) {
                PyErr_SetString(PyExc_TypeError,
                                "Passing coroutines is forbidden, use tasks explicitly.");
            }
            return -1;
        }
    }
    return 0;
}

/* Makes the future to wait for, with its timer, on the running loop. */
static int
make_waiter(core_state *state, Wait *self)
{
    PyObject *loop = awaitable_running_loop(state);
    if (loop == NULL) {
        return -1;
    }
    int status = 0;
    if (PyList_GET_SIZE(self->futures) == 0) {
        PyErr_SetString(PyExc_AssertionError, "Set of Futures is empty.");
        status = -1;
    }
    if (status == 0) {
        self->waiter = loop_create_future(state, loop);
        status = self->waiter == NULL ? -1 : 0;
    }
    if (status == 0 && self->timeout != NULL) {
        self->timer = timer_call_later(state, loop, self->timeout, state->release_waiter,
                                       self->waiter); // runs Python
        status = self->timer == NULL ? -1 : 0;
    }
    if (status == 0 && state->add_to_awaited_by != NULL) {
        self->waiting_task = awaitable_current_task(state, loop);
        status = PyErr_Occurred() ? -1 : 0;
    }
    Py_DECREF(loop);
    return status;
}

static int
wait_start(Coroutine *op, PyObject **Py_UNUSED(result))
{
    Wait *self = (Wait *)op;
    core_state *state = op->module_state;
    if (check_arguments(state, self) < 0 || find_condition(state, self) < 0
        || collect(state, self) < 0 || make_waiter(state, self) < 0) {
        return -1;
    }
    self->unfinished = PyList_GET_SIZE(self->futures);
    if (waiter_add_to_all(state, self->futures, &wait_waiter, (PyObject *)self,
                          self->waiting_task) < 0) { // runs Python
        return -1;
    }
    self->is_waiting = true;
    op->future = Py_NewRef(self->waiter);
    return 0;
}

/* ---- it ends ---- */

/* Cancels the timer and takes the Waiters out: 0 or -1. Runs Python. */
static int
stop_waiting(core_state *state, Wait *self)
{
    self->is_waiting = false;
    if (self->timer != NULL && timer_cancel(state, self->timer) < 0) {
        return -1;
    }
    return waiter_remove_from_all(state, self->futures, &wait_waiter, (PyObject *)self,
                                  self->waiting_task);
}

/* The same, which must keep what is pending: an error of its own has that as its context. */
static int
stop_waiting_with(core_state *state, Wait *self, PyObject *pending)
{
    int status = stop_waiting(state, self);
    if (pending == NULL) {
        return status;
    }
    if (status < 0) {
        PyObject *error = PyErr_GetRaisedException();
        PyException_SetContext(error, pending);
        PyErr_SetRaisedException(error);
    }
    else {
        PyErr_SetRaisedException(pending);
    }
    return -1;
}

/* (done, pending). Runs Python for futures not of ours. */
static PyObject *
make_answer(core_state *state, Wait *self)
{
    PyObject *pending = PySet_New(NULL), *done = self->fs;
    self->fs = NULL; /* nobody else has seen it */
    int status = pending == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(self->futures); i++) {
        PyObject *future = PyList_GET_ITEM(self->futures, i);
        int is_done = awaitable_is_done(state, future);
        if (is_done == 0) {
            status = PySet_Add(pending, future) < 0 || PySet_Discard(done, future) < 0 ? -1 : 0;
        }
        else {
            status = is_done < 0 ? -1 : 0;
        }
    }
    PyObject *answer = status < 0 ? NULL : PyTuple_Pack(2, done, pending);
    Py_XDECREF(pending);
    Py_DECREF(done);
    return answer;
}

static int
wait_resume(Coroutine *op, PyObject **result)
{
    Wait *self = (Wait *)op;
    core_state *state = op->module_state;
    PyObject *pending = *result == NULL ? PyErr_GetRaisedException() : NULL;
    Py_CLEAR(*result);
    if (stop_waiting_with(state, self, pending) < 0) {
        return -1;
    }
    *result = make_answer(state, self);
    return *result == NULL ? -1 : 1;
}

static int
wait_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Wait *self = (Wait *)op;
    Py_VISIT(self->fs);
    Py_VISIT(self->timeout);
    Py_VISIT(self->condition);
    Py_VISIT(self->futures);
    Py_VISIT(self->waiter);
    Py_VISIT(self->timer);
    Py_VISIT(self->waiting_task);
    return 0;
}

static void
wait_drop(Coroutine *op)
{
    Wait *self = (Wait *)op;
    if (self->is_waiting && stop_waiting(op->module_state, self) < 0) {
        PyErr_WriteUnraisable((PyObject *)op);
    }
    Py_CLEAR(self->fs);
    Py_CLEAR(self->timeout);
    Py_CLEAR(self->condition);
    Py_CLEAR(self->futures);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->timer);
    Py_CLEAR(self->waiting_task);
}

static const coroutine_kind wait_kind = {
    .name = "wait",
    .qualname = "wait",
    .functions = {"asyncio.tasks:wait", "asyncio.tasks:_wait"},
    .size_bytes = sizeof(Wait),
    .start = wait_start,
    .resume = wait_resume,
    .traverse = wait_traverse,
    .drop = wait_drop,
};

static PyObject *
wait_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"fs", "timeout", "return_when"}, 3, 1, 1};
    PyObject *bound[3];
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    Wait *self = (Wait *)coroutine_new(function_state(function), &wait_kind);
    if (self == NULL) {
        return NULL;
    }
    self->fs = Py_NewRef(bound[0]);
    self->timeout = bound[1] == Py_None ? NULL : Py_XNewRef(bound[1]);
    self->condition = Py_XNewRef(bound[2]);
    return coroutine_begin(&self->coroutine);
}

static const function_definition wait_definition = {
    .name = "wait",
    .module = "pyasync.tasks",
    .call = wait_call,
    .doc = "A coroutine that ends when all futures are done, or earlier; with sets (done, "
           "pending).\n\n"
           "timeout in seconds. Raises ValueError for no futures, TypeError for coroutines. As\n"
           "asyncio.wait.",
};

int
wait_init(PyObject *module, core_state *state)
{
    return coroutine_learn(state, &wait_kind) < 0 ? -1 : function_add(module, &wait_definition);
}
