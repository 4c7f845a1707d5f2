/* task_step.c -- one step of a task: send into the coroutine, and see to what it yields.

   The way of a step: task_run (from the ring) or a callable (from a foreign loop, or in debug mode)
   enters the task, `resume` finds out what to throw, `step` sends or throws, `finish` or
   `wait_for_yielded` deals with the answer, and the task is left.

   Invariants
   1. Whatever runs Python may finish, cancel or re-initialise the task: each field is read anew.
   Source: task_step_impl and task_step_handle_result_impl of Modules/_asynciomodule.c. */

#include "core/task.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/bridge.h"
#include "core/context.h"
#include "core/handle.h"
#include "core/report.h"

static void
task_done(Task *self)
{
    llist_remove(&self->node);
}

/* A step by a callable and call_soon(), which may be a foreign loop's. */
static SELDOM int
schedule_by_callable(core_state *state, Task *self, PyObject *exception)
{
    PyObject *callable = task_step_callable(state, self, exception);
    if (callable == NULL) {
        return -1;
    }
    PyObject *context = task_context(state, self);
    int status = context == NULL
                     ? -1
                     : future_call_soon(state, self->future.loop, callable, NULL, context);
    Py_XDECREF(context);
    Py_DECREF(callable);
    return status;
}

int
task_schedule_step(core_state *state, Task *self, PyObject *exception)
{
    Loop *own = future_own_loop(&self->future);
    if (own != NULL && loop_is_direct(own) && exception == NULL
        && Py_IS_TYPE((PyObject *)self, state->Task_type)) {
        return loop_put_steal(own, Py_NewRef((PyObject *)self));
    }
    return schedule_by_callable(state, self, exception);
}

/* Schedules a step that throws RuntimeError(format % ...); drops what was yielded. */
static SELDOM int
throw_soon(core_state *state, Task *self, PyObject *yielded_steal, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    PyObject *message = PyUnicode_FromFormatV(format, values); // runs Python (repr)
    va_end(values);
    Py_DECREF(yielded_steal);
    PyObject *error = message == NULL ? NULL : PyObject_CallOneArg(PyExc_RuntimeError, message);
    int status = error == NULL ? -1 : task_schedule_step(state, self, error);
    Py_XDECREF(message);
    Py_XDECREF(error);
    return status;
}

/* The task waits for `yielded`, whose callbacks know of it: takes it as fut_waiter and passes a
   cancellation on that came while the coroutine ran. */
static int
set_waiter_steal(core_state *state, Task *self, PyObject *yielded)
{
    Py_XSETREF(self->future.fut_waiter, yielded);
    if (!self->future.task_must_cancel) {
        return 0;
    }
    PyObject *message = new_or_none(self->future.cancel_message);
    yielded = Py_NewRef(yielded);
    // runs Python
    int is_cancelled = truth_steal(
        PyObject_CallMethodOneArg(yielded, state->name_cancel, message));
    Py_DECREF(yielded);
    Py_DECREF(message);
    if (is_cancelled > 0) {
        self->future.task_must_cancel = false;
    }
    return is_cancelled < 0 ? -1 : 0;
}

static int
wait_for_own_future(core_state *state, Task *self, PyObject *yielded)
{
    Future *future = (Future *)yielded;
    if (future->loop != self->future.loop) {
        return throw_soon(state, self, yielded,
                          "Task %R got Future %R attached to a different loop", self, yielded);
    }
    if (!future->is_blocking) {
        return throw_soon(state, self, yielded,
                          "yield was used instead of yield from in task %R with %R", self, yielded);
    }
    future->is_blocking = false;
    int status;
    if (future->state == FUTURE_PENDING && future->is_own
        && Py_IS_TYPE((PyObject *)self, state->Task_type)) {
        status = future_add_task(future, (PyObject *)self);
    }
    else {
        PyObject *wakeup = task_wakeup_callable((PyObject *)self);
        PyObject *context = wakeup == NULL ? NULL : task_context(state, self);
        status = context == NULL ? -1 : future_add_callback(state, future, wakeup, context);
        Py_XDECREF(context);
        Py_XDECREF(wakeup);
    }
    if (status < 0) {
        Py_DECREF(yielded);
        return -1;
    }
    return set_waiter_steal(state, self, yielded);
}

static int
add_wakeup_by_method(core_state *state, Task *self, PyObject *yielded)
{
    if (PyObject_SetAttr(yielded, state->name_asyncio_future_blocking, Py_False) < 0) {
        return -1;
    }
    PyObject *wakeup = task_wakeup_callable((PyObject *)self);
    PyObject *context = wakeup == NULL ? NULL : task_context(state, self);
    if (context == NULL) {
        Py_XDECREF(wakeup);
        return -1;
    }
    PyObject *stack[] = {yielded, wakeup, context};
    PyObject *answer = PyObject_VectorcallMethod(state->name_add_done_callback, stack,
                                                 2 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                 state->context_keyword); // runs Python
    Py_DECREF(wakeup);
    Py_DECREF(context);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : awaitable_add_awaited_by(state, yielded, (PyObject *)self);
}

/* `yielded` advertises _asyncio_future_blocking: any future that is not exactly ours. */
static int
wait_for_foreign_future(core_state *state, Task *self, PyObject *yielded, PyObject *blocking)
{
    int is_blocking = PyObject_IsTrue(blocking);
    PyObject *loop = is_blocking < 0 ? NULL : awaitable_loop_of(state, yielded);
    if (loop == NULL) {
        Py_DECREF(yielded);
        return -1;
    }
    bool is_other_loop = loop != self->future.loop;
    Py_DECREF(loop);
    if (is_other_loop) {
        return throw_soon(state, self, yielded,
                          "Task %R got Future %R attached to a different loop", self, yielded);
    }
    if (!is_blocking) {
        return throw_soon(state, self, yielded,
                          "yield was used instead of yield from in task %R with %R", self, yielded);
    }
    if (add_wakeup_by_method(state, self, yielded) < 0) {
        Py_DECREF(yielded);
        return -1;
    }
    return set_waiter_steal(state, self, yielded);
}

/* Takes over what is no future of ours, and perhaps nothing to wait for. Runs Python. */
static SELDOM int
wait_for_other(core_state *state, Task *self, PyObject *yielded)
{
    PyObject *blocking;
    int found = PyObject_GetOptionalAttr(yielded, state->name_asyncio_future_blocking, &blocking);
    if (found < 0) {
        Py_DECREF(yielded);
        return -1;
    }
    if (found > 0 && blocking != Py_None) {
        int status = wait_for_foreign_future(state, self, yielded, blocking);
        Py_DECREF(blocking);
        return status;
    }
    Py_XDECREF(blocking);
    int is_generator = PyObject_IsInstance(yielded, (PyObject *)&PyGen_Type);
    if (is_generator < 0) {
        Py_DECREF(yielded);
        return -1;
    }
    if (is_generator) {
        return throw_soon(state, self, yielded,
                          "yield was used instead of yield from for generator in task %R with %R",
                          self, yielded);
    }
    return throw_soon(state, self, yielded, "Task got bad yield: %R", yielded);
}

/* Takes over what the coroutine yielded. Runs Python. */
static int
wait_for_yielded(core_state *state, Task *self, PyObject *yielded)
{
    if (yielded == (PyObject *)self) {
        return throw_soon(state, self, yielded, "Task cannot await on itself: %R", self);
    }
    if (future_is_exact(state, yielded)) {
        return wait_for_own_future(state, self, yielded);
    }
    if (yielded == Py_None) {
        Py_DECREF(yielded);
        return task_schedule_step(state, self, NULL);
    }
    return wait_for_other(state, self, yielded);
}

/* The coroutine returned: `result` is its value. */
static int
finish_with_result(core_state *state, Task *self, PyObject *result)
{
    task_done(self);
    if (self->future.task_must_cancel) {
        self->future.task_must_cancel = false; /* cancelled right before it returned */
        PyObject *message = Py_XNewRef(self->future.cancel_message);
        int status = future_cancel(state, &self->future, message);
        Py_XDECREF(message);
        return status < 0 ? -1 : 0;
    }
    return future_set_result(state, &self->future, result);
}

/* The coroutine raised: the exception is pending. */
static int
finish_with_exception(core_state *state, Task *self)
{
    bool is_cancelled = PyErr_ExceptionMatches(state->CancelledError);
    PyObject *exception = PyErr_GetRaisedException();
    task_done(self);
    if (is_cancelled) {
        Py_XSETREF(self->future.detail, exception);
        return future_cancel(state, &self->future, NULL) < 0 ? -1 : 0;
    }
    if (future_set_exception(state, &self->future, exception) < 0) {
        Py_DECREF(exception);
        return -1;
    }
    if (PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt)
        || PyErr_GivenExceptionMatches(exception, PyExc_SystemExit)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    Py_DECREF(exception);
    return 0;
}

/* Throws into the coroutine. The answer is as PyIter_Send's. */
static PySendResult
throw_into(core_state *state, PyObject *coro, PyObject *exception, PyObject **result)
{
    *result = PyObject_CallMethodOneArg(coro, state->name_throw_, exception); // runs Python
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyObject *stop = PyErr_GetRaisedException();
    *result = Py_NewRef(((PyStopIterationObject *)stop)->value);
    Py_DECREF(stop);
    return PYGEN_RETURN;
}

/* The step itself, with the task entered and its context current: 0; or -1 with KeyboardInterrupt,
   SystemExit, or what went wrong outside the coroutine. `exception` may be NULL. Runs Python. */
static int
step(core_state *state, Task *self, PyObject *exception)
{
    if (self->future.state != FUTURE_PENDING) {
        PyErr_Format(state->InvalidStateError, "_step(): already done: %R %R", self,
                     exception == NULL ? Py_None : exception);
        return -1;
    }
    Py_XINCREF(exception);
    if (self->future.task_must_cancel) {
        if (exception == NULL
            || !PyErr_GivenExceptionMatches(exception, state->CancelledError)) {
            Py_XSETREF(exception, future_make_cancelled_error(state, &self->future));
            if (exception == NULL) {
                return -1;
            }
        }
        self->future.task_must_cancel = false;
    }
    Py_CLEAR(self->future.fut_waiter);
    PyObject *coro = Py_XNewRef(self->future.coro);
    if (coro == NULL) {
        Py_XDECREF(exception);
        PyErr_SetString(PyExc_RuntimeError, "uninitialized Task object");
        return -1;
    }
    PyObject *result = NULL;
    PySendResult answer = exception == NULL ? PyIter_Send(coro, Py_None, &result) // runs Python
                                            : throw_into(state, coro, exception, &result);
    Py_DECREF(coro);
    Py_XDECREF(exception);
    if (answer == PYGEN_NEXT) {
        return wait_for_yielded(state, self, result);
    }
    if (answer == PYGEN_ERROR) {
        return finish_with_exception(state, self);
    }
    int status = finish_with_result(state, self, result);
    Py_DECREF(result);
    return status;
}

PyObject *
task_exception_of(core_state *state, PyObject *future)
{
    PyObject *result = NULL;
    bool is_exact = future_is_exact(state, future);
    if (is_exact && future_succeeded((const Future *)future)) {
        return NULL;
    }
    /* To asyncio gather()'s future is one of a derived class, whose result() is called: its
       exception gets what is being handled as its context. */
    if (is_exact && !Py_IS_TYPE(future, state->GatheringFuture_type)) {
        if (future_get_result(state, (Future *)future, &result) == 1) {
            return result;
        }
    }
    else {
        result = PyObject_CallMethodNoArgs(future, state->name_result); // runs Python
    }
    Py_XDECREF(result);
    return result == NULL ? PyErr_GetRaisedException() : NULL;
}

/* Steps a task that the ring gave back: fut_waiter, if any, is one of our futures and done. */
static int
resume(core_state *state, Task *self)
{
    PyObject *waiter = self->future.fut_waiter;
    if (waiter == NULL) {
        return step(state, self, NULL);
    }
    if (future_is_exact(state, waiter) && future_succeeded((const Future *)waiter)) {
        return step(state, self, NULL);
    }
    PyObject *exception = task_exception_of(state, waiter);
    int status = step(state, self, exception);
    Py_XDECREF(exception);
    return status;
}

/* A step from the ring failed outside the coroutine: told as asyncio would of its handle. */
static int
report_step_error(Loop *loop, Task *self)
{
    if (report_must_pass()) {
        return -1;
    }
    core_state *state = loop->state;
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *callable = task_step_callable(state, self, NULL);
    PyObject *context = task_context(state, self);
    PyObject *handle = callable == NULL || context == NULL
                           ? NULL
                           : handle_new(loop, callable, NULL, 0, context);
    Py_XDECREF(context);
    PyObject *args = PyTuple_New(0);
    int status = -1;
    if (handle != NULL && args != NULL) {
        PyErr_SetRaisedException(pending);
        status = report_callback_error(state, (PyObject *)loop, handle, callable, args, NULL);
    }
    else {
        Py_DECREF(pending);
    }
    Py_XDECREF(callable);
    Py_XDECREF(args);
    if (handle != NULL) {
        handle_release_steal(handle); /* the handler may have kept it */
    }
    return status;
}

int
task_run(Loop *loop, Task *self)
{
    if (!future_is_alive(&self->future)) {
        return 0; /* a destructor has woken it, while the GC took it apart */
    }
    bool is_borrowed;
    PyObject *context = context_enter(loop->state, loop, &self->context, &is_borrowed);
    int status = context == NULL ? -1 : bridge_enter(loop, (PyObject *)self);
    if (status == 0) {
        status = resume(loop->state, self); // runs Python
        bridge_leave(loop, (PyObject *)self);
        bool is_done = self->future.state != FUTURE_PENDING;
        if (status < 0 || (is_done && bridge_is_last(loop, (PyObject *)self))) {
            bridge_flush(loop); /* what dies with the task dies in its own context, as nobody's */
        }
    }
    if (context != NULL && context_leave_steal(loop, &self->context, context, is_borrowed) < 0) {
        status = -1;
    }
    return status == 0 ? 0 : report_step_error(loop, self);
}

int
task_step_entered(core_state *state, Task *self, PyObject *exception)
{
    Loop *own = future_own_loop(&self->future);
    PyObject *loop = Py_XNewRef(self->future.loop);
    if (loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized Task object");
        return -1;
    }
    int status = own != NULL ? bridge_enter(own, (PyObject *)self)
                             : bridge_enter_any(state, loop, (PyObject *)self);
    if (status == 0) {
        status = step(state, self, exception); // runs Python
        if (own != NULL) {
            bridge_leave(own, (PyObject *)self);
            bridge_flush(own);
        }
        else {
            PyObject *pending = PyErr_GetRaisedException();
            int left = bridge_leave_any(state, loop, (PyObject *)self);
            if (pending != NULL) {
                Py_XDECREF(left < 0 ? PyErr_GetRaisedException() : NULL);
                PyErr_SetRaisedException(pending);
            }
            status = left < 0 ? -1 : status;
        }
    }
    Py_DECREF(loop);
    return status;
}

int
task_start_eagerly(core_state *state, Task *self)
{
    PyObject *loop = Py_NewRef(self->future.loop);
    int status = -1;
    PyObject *previous = bridge_swap(state, loop, (PyObject *)self);
    if (previous != NULL) {
        bool is_borrowed;
        PyObject *context = context_enter(state, (Loop *)loop, &self->context, &is_borrowed);
        if (context != NULL) {
            status = step(state, self, NULL); // runs Python
            if (context_leave_steal((Loop *)loop, &self->context, context, is_borrowed) < 0) {
                status = -1;
            }
        }
        PyObject *pending = PyErr_GetRaisedException();
        PyObject *current = bridge_swap(state, loop, previous);
        Py_XDECREF(current);
        if (pending != NULL) {
            Py_XDECREF(current == NULL ? PyErr_GetRaisedException() : NULL);
            PyErr_SetRaisedException(pending);
        }
        status = current == NULL ? -1 : status;
        Py_DECREF(previous);
    }
    if (self->future.state != FUTURE_PENDING) {
        Py_CLEAR(self->future.coro); /* done at once: as asyncio, it lets go of its coroutine */
    }
    Py_DECREF(loop);
    return status;
}
