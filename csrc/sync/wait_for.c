/* wait_for.c -- wait_for(), and its coroutine from 3.12 on: it awaits within a Timeout of its own.

   What is no usual case (a timeout that has passed already, what C cannot await) is awaited through
   asyncio's own function as a whole.
   Invariants
   1. timeout is set while there is a deadline to take back; else what comes is passed on.
   Source: asyncio.tasks.wait_for. */

#include "sync/wait_for.h"

#include "core/args.h"
#include "core/awaitable.h"
#include "core/bridge.h"
#include "core/coroutine.h"
#include "core/function.h"
#include "core/future.h"
#include "core/stock.h"
#include "sync/timeout.h"
#include "sync/wait_for_task.h"

typedef struct {
    WaitFor head;
    Timeout *timeout;
} wait_for_call;

/* Whether the delay is none at all: 1, 0 or -1. Runs Python. */
static int
is_over(core_state *state, PyObject *delay)
{
    if (PyFloat_CheckExact(delay)) {
        return PyFloat_AS_DOUBLE(delay) <= 0.0;
    }
    return PyObject_RichCompareBool(delay, state->zero, Py_LE);
}

/* Awaits what asyncio's own function gives, with a delay in the place of the one that has been
   looked at already. */
static int
await_stock(wait_for_call *call, PyObject *delay)
{
    Coroutine *coroutine = &call->head.coroutine;
    coroutine->future = PyObject_CallFunctionObjArgs(coroutine->module_state->stock_wait_for,
                                                     call->head.awaitable, delay, NULL);
    return coroutine->future == NULL ? COROUTINE_FAILED : COROUTINE_AWAITS;
}

/* RuntimeError where no task runs, as entering a Timeout raises it: 0 or -1. */
static int
check_runs_in_task(core_state *state)
{
    PyObject *loop = awaitable_running_loop(state);
    PyObject *task = loop == NULL ? NULL : bridge_current_task(state, loop);
    Py_XDECREF(loop);
    Py_XDECREF(task);
    if (task == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "Timeout should be used inside a task");
        return -1;
    }
    return task == NULL ? -1 : 0;
}

/* What was awaited has ended, with `*result` or with the pending exception: leaves the Timeout. */
static int
resume_call(Coroutine *op, PyObject **result)
{
    wait_for_call *call = (wait_for_call *)op;
    Timeout *timeout = call->timeout;
    if (timeout == NULL) {
        return *result == NULL ? COROUTINE_FAILED : COROUTINE_RETURNS;
    }
    call->timeout = NULL;
    PyObject *exc = *result == NULL ? PyErr_GetRaisedException() : NULL;
    PyObject *exc_type = exc == NULL ? NULL : (PyObject *)Py_TYPE(exc);
    int status = timeout_exit(timeout, exc_type, exc); // runs Python
    Py_DECREF(timeout);
    if (status == 0) {
        if (exc != NULL) {
            PyErr_SetRaisedException(exc);
        }
        return exc != NULL ? COROUTINE_FAILED : COROUTINE_RETURNS;
    }
    if (exc != NULL) {
        /* Raised while `exc` was being handled. */
        PyObject *raised = PyErr_GetRaisedException();
        PyException_SetContext(raised, exc);
        PyErr_SetRaisedException(raised);
    }
    Py_CLEAR(*result);
    return COROUTINE_FAILED;
}

/* Within the Timeout: what must be awaited becomes the coroutine's future. */
static int
await_within(wait_for_call *call, PyObject **result)
{
    Coroutine *coroutine = &call->head.coroutine;
    core_state *state = coroutine->module_state;
    PyObject *awaitable = call->head.awaitable;
    if (future_is_exact(state, awaitable)) {
        coroutine->future = Py_NewRef(awaitable);
        return COROUTINE_WAITS;
    }
    coroutine->future = coroutine_awaitable_iter(state, awaitable); // runs Python
    if (coroutine->future != NULL) {
        return COROUTINE_AWAITS;
    }
    if (PyErr_Occurred()) {
        return resume_call(coroutine, result);
    }
    Timeout *timeout = call->timeout;
    call->timeout = NULL;
    int status = timeout == NULL ? 0 : timeout_exit(timeout, NULL, NULL);
    Py_XDECREF(timeout);
    return status < 0 ? COROUTINE_FAILED : await_stock(call, Py_None);
}

static int
start_call(Coroutine *op, PyObject **result)
{
    wait_for_call *call = (wait_for_call *)op;
    core_state *state = op->module_state;
    PyObject *awaitable = call->head.awaitable, *delay = call->head.delay;
    bool has_delay = delay != Py_None;
    int over = has_delay ? is_over(state, delay) : 0; // runs Python
    if (over != 0) {
        return over < 0 ? COROUTINE_FAILED : await_stock(call, state->zero);
    }
    bool is_done = future_is_exact(state, awaitable)
                   && ((Future *)awaitable)->state != FUTURE_PENDING;
    bool is_number = PyFloat_CheckExact(delay) || PyLong_CheckExact(delay);
    if (!has_delay || (is_done && is_number)) {
        if (check_runs_in_task(state) < 0) {
            return COROUTINE_FAILED;
        }
    }
    else {
        call->timeout = timeout_after(state, delay); // runs Python
        if (call->timeout == NULL || timeout_enter(call->timeout) < 0) {
            return COROUTINE_FAILED;
        }
    }
    if (!is_done) {
        return await_within(call, result);
    }
    *result = future_result(state, (Future *)awaitable);
    return resume_call(op, result);
}

static int
traverse_call(Coroutine *op, visitproc visit, void *arg)
{
    wait_for_call *call = (wait_for_call *)op;
    Py_VISIT(call->head.awaitable);
    Py_VISIT(call->head.delay);
    Py_VISIT((PyObject *)call->timeout);
    return 0;
}

static void
drop_call(Coroutine *op)
{
    wait_for_call *call = (wait_for_call *)op;
    Timeout *timeout = call->timeout;
    call->timeout = NULL;
    if (timeout != NULL && timeout_cancel_handler(timeout) < 0) { // never resumed: nothing waits
        PyErr_WriteUnraisable((PyObject *)op);
    }
    Py_XDECREF(timeout);
    Py_CLEAR(call->head.awaitable);
    Py_CLEAR(call->head.delay);
}

static const coroutine_kind wait_for_kind = {
    .name = "wait_for", .qualname = "wait_for", .size_bytes = sizeof(wait_for_call),
    .functions = {"asyncio.tasks:wait_for"},
    .start = start_call, .resume = resume_call, .traverse = traverse_call, .drop = drop_call,
};

static PyObject *
wait_for_function(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"fut", "timeout"}, 2, 2, 2};
    PyObject *bound[2];
    if (PyVectorcall_NARGS(nargsf) == 2 && kwnames == NULL) {
        bound[0] = args[0];
        bound[1] = args[1];
    }
    else if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    core_state *state = function_state(function);
    const coroutine_kind *kind = &wait_for_task_kind;
    if (!state->wait_for_makes_task) {
        bool is_number = PyFloat_CheckExact(bound[1]) || PyLong_CheckExact(bound[1]);
        int over = is_number ? is_over(state, bound[1]) : 0;
        if (over != 0) { /* asyncio's own, and nothing of ours in a call graph */
            return over < 0 ? NULL : function_call_stock(function, args, nargsf, kwnames);
        }
        kind = &wait_for_kind;
    }
    WaitFor *call = (WaitFor *)coroutine_new(state, kind);
    if (call == NULL) {
        return NULL;
    }
    call->awaitable = Py_NewRef(bound[0]);
    call->delay = Py_NewRef(bound[1]);
    return coroutine_begin(&call->coroutine);
}

static const function_definition wait_for_definition = {
    .name = "wait_for",
    .module = "pyasync.tasks",
    .call = wait_for_function,
    .doc = "A coroutine that gives what fut gives, within timeout seconds, None for no limit.\n\n"
           "Raises TimeoutError, and cancels fut then. As asyncio.wait_for.",
};

int
wait_for_init(PyObject *module, core_state *state)
{
    int awaits = stock_function_uses(state->stock_wait_for, "timeouts");
    if (awaits < 0) {
        return -1;
    }
    state->wait_for_makes_task = !awaits;
    if (coroutine_learn(state, awaits ? &wait_for_kind : &wait_for_task_kind) < 0) {
        return -1;
    }
    return function_add(module, &wait_for_definition);
}
