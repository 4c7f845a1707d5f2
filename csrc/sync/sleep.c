/* sleep.c -- sleep(): a turn of the loop, or a timer that gives a future its result.

   What is there to be seen is asyncio's: a future of loop.create_future(), which the task waits
   for, and a timer of loop.call_later(). For a plain number that is not above zero there is nothing
   to find out later, so such a sleep has no fields for it.
   Source: asyncio.sleep (Lib/asyncio/tasks.py). */

#include "sync/sleep.h"

#include "core/args.h"
#include "core/awaitable.h"
#include "core/coroutine.h"
#include "core/function.h"
#include "core/future.h"
#include "core/handle.h"
#include "sync/timer.h"

#include <math.h>

/* ---- a turn of the loop ---- */

typedef struct {
    Coroutine coroutine;
    PyObject *result;
} Turn;

static int
turn_start(Coroutine *self, PyObject **Py_UNUSED(result))
{
    self->future = Py_NewRef(Py_None);
    return 0;
}

static int
turn_resume(Coroutine *op, PyObject **result)
{
    if (*result == NULL) {
        return -1;
    }
    Py_SETREF(*result, Py_NewRef(((Turn *)op)->result));
    return 1;
}

static int
turn_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Py_VISIT(((Turn *)op)->result);
    return 0;
}

static void
turn_drop(Coroutine *op)
{
    Py_CLEAR(((Turn *)op)->result);
}

static const coroutine_kind turn_kind = {
    .name = "sleep",
    .qualname = "sleep",
    .functions = {"asyncio.tasks:sleep"},
    .size_bytes = sizeof(Turn),
    .start = turn_start,
    .resume = turn_resume,
    .traverse = turn_traverse,
    .drop = turn_drop,
};

/* ---- a timer ---- */

typedef struct {
    Coroutine coroutine;
    PyObject *result;
    PyObject *delay; /* until it starts; then, where marked, the timer's handle */
} Sleep;

/* What the timers of our own loops call: future, result. */
static PyObject *
wake(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    core_state *state = state_of_module(module);
    if (nargs != 2 || !Py_IS_TYPE(args[0], state->Future_type)) {
        return PyErr_Format(PyExc_TypeError, "a future and its result are expected");
    }
    Future *future = (Future *)args[0];
    if (future->state != FUTURE_CANCELLED && future_set_result(state, future, args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
call_later(core_state *state, PyObject *loop, PyObject *delay, PyObject *future, PyObject *result)
{
    bool is_ours = loop_cast(state, loop) != NULL && Py_IS_TYPE(future, state->Future_type)
                   && loop_debug_is_plain_off((Loop *)loop);
    PyObject *callback = is_ours ? state->sleep_wake : state->set_result_unless_cancelled;
    PyObject *stack[] = {loop, delay, callback, future, result};
    return PyObject_VectorcallMethod(state->name_call_later, stack,
                                     5 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL); // runs Python
}

static int
start_timer(Sleep *self, PyObject *delay)
{
    core_state *state = self->coroutine.module_state;
    PyObject *loop = awaitable_running_loop(state);
    PyObject *future = loop == NULL ? NULL : loop_create_future(state, loop);
    PyObject *timer = future == NULL ? NULL
                                     : call_later(state, loop, delay, future, self->result);
    Py_XDECREF(loop);
    if (timer == NULL) {
        Py_XDECREF(future);
        return -1;
    }
    self->delay = timer;
    self->coroutine.mark = true;
    self->coroutine.future = future;
    return 0;
}

static int
refuse_nan(PyObject *delay)
{
    double seconds = PyFloat_AsDouble(delay); // runs Python
    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "Invalid delay: NaN (not a number)");
        return -1;
    }
    return 0;
}

static int
sleep_start(Coroutine *op, PyObject **Py_UNUSED(result))
{
    Sleep *self = (Sleep *)op;
    PyObject *delay = self->delay;
    self->delay = NULL;
    int is_turn = PyObject_RichCompareBool(delay, op->module_state->zero, Py_LE); // runs Python
    int status = is_turn < 0 ? -1 : 0;
    if (is_turn > 0) {
        op->future = Py_NewRef(Py_None);
    }
    else if (status == 0) {
        status = SLEEP_REFUSES_NAN && refuse_nan(delay) < 0 ? -1 : start_timer(self, delay);
    }
    Py_DECREF(delay);
    return status;
}

/* Cancels the timer, whatever ended the sleep. Keeps the pending exception: 0 or -1. */
static int
cancel_timer(Sleep *self)
{
    core_state *state = self->coroutine.module_state;
    PyObject *timer = self->delay;
    self->delay = NULL;
    self->coroutine.mark = false;
    PyObject *pending = PyErr_GetRaisedException();
    int status = timer_cancel(state, timer); // runs Python
    Py_DECREF(timer);
    if (status == 0) {
        if (pending != NULL) {
            PyErr_SetRaisedException(pending);
        }
    }
    else if (pending != NULL) {
        PyObject *error = PyErr_GetRaisedException();
        PyException_SetContext(error, pending);
        PyErr_SetRaisedException(error);
    }
    return status;
}

static int
sleep_resume(Coroutine *op, PyObject **result)
{
    Sleep *self = (Sleep *)op;
    if (self->coroutine.mark && cancel_timer(self) < 0) {
        Py_CLEAR(*result);
    }
    else if (*result == Py_None) {
        Py_SETREF(*result, Py_NewRef(self->result)); /* of a turn; a timer's is this one already */
    }
    return *result == NULL ? -1 : 1;
}

static int
sleep_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Py_VISIT(((Sleep *)op)->result);
    Py_VISIT(((Sleep *)op)->delay);
    return 0;
}

static void
sleep_drop(Coroutine *op)
{
    Sleep *self = (Sleep *)op;
    if (self->coroutine.mark && cancel_timer(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)op);
    }
    Py_CLEAR(self->delay);
    Py_CLEAR(self->result);
}

static const coroutine_kind sleep_kind = {
    .name = "sleep",
    .qualname = "sleep",
    .functions = {"asyncio.tasks:sleep"},
    .size_bytes = sizeof(Sleep),
    .start = sleep_start,
    .resume = sleep_resume,
    .traverse = sleep_traverse,
    .drop = sleep_drop,
};

/* ---- the function ---- */

/* Whether a delay is a plain number that is not above zero. */
static bool
is_turn(PyObject *delay)
{
    if (PyLong_CheckExact(delay)) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(delay, &overflow);
        return overflow != 0 ? overflow < 0 : value <= 0;
    }
    return PyFloat_CheckExact(delay) && PyFloat_AS_DOUBLE(delay) <= 0.0;
}

static PyObject *
sleep_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"delay", "result"}, 2, 2, 1};
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyObject *bound[2] = {nargs > 0 ? args[0] : NULL, NULL};
    if ((nargs != 1 || kwnames != NULL)
        && !args_bind_names(&parameters, args, nargs, kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    core_state *state = function_state(function);
    PyObject *result = bound[1] == NULL ? Py_None : bound[1];
    if (is_turn(bound[0])) {
        Coroutine *turn = coroutine_new(state, &turn_kind);
        if (turn == NULL) {
            return NULL;
        }
        ((Turn *)turn)->result = Py_NewRef(result);
        return result == Py_None ? (PyObject *)turn : coroutine_begin(turn);
    }
    Coroutine *coroutine = coroutine_new(state, &sleep_kind);
    if (coroutine == NULL) {
        return NULL;
    }
    ((Sleep *)coroutine)->result = Py_NewRef(result);
    ((Sleep *)coroutine)->delay = Py_NewRef(bound[0]);
    return coroutine_begin(coroutine);
}

static const function_definition sleep_definition = {
    .name = "sleep",
    .module = "pyasync.tasks",
    .call = sleep_call,
    .doc = "A coroutine that ends after delay seconds, with result.\n\n"
           "A delay of zero or less gives the other tasks a turn. As asyncio.sleep.",
};

static PyMethodDef wake_def = {"_set_result_unless_cancelled", (PyCFunction)(void (*)(void))wake,
                               METH_FASTCALL, NULL};

int
sleep_init(PyObject *module, core_state *state)
{
    state->zero = PyLong_FromLong(0);
    state->sleep_wake = PyCFunction_New(&wake_def, module);
    if (state->zero == NULL || state->sleep_wake == NULL
        || coroutine_learn(state, &sleep_kind) < 0) {
        return -1;
    }
    return function_add(module, &sleep_definition);
}
