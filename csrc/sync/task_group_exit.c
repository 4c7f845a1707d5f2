/* task_group_exit.c -- __aenter__() and __aexit__(): waiting for the tasks, and what comes of it.

   Source: TaskGroup.__aenter__, __aexit__ and, since 3.14, _aexit of asyncio.taskgroups. */

#include "sync/task_group.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/bridge.h"
#include "core/coroutine.h"
#include "sync/any_task.h"

typedef struct {
    Coroutine coroutine;
    TaskGroup *group;
    PyObject *exc_type;       /* what __aexit__ was given, NULL for None */
    PyObject *exc;
    PyObject *cancellation;   /* the CancelledError to pass on, or NULL */
    PyObject *last_cancellation; /* that came while it waited */
    bool is_cancelled;        /* exc_type is CancelledError */
} group_call;

/* ---- __aenter__ ---- */

static PyObject *
find_parent(TaskGroup *self)
{
    core_state *state = self->module_state;
    if (self->loop != NULL) { /* entering has failed before */
        return PyObject_CallOneArg(state->current_task, self->loop);
    }
    self->loop = awaitable_running_loop(state);
    return self->loop == NULL ? NULL : bridge_current_task(state, self->loop);
}

static int
start_enter(Coroutine *op, PyObject **result)
{
    TaskGroup *group = ((group_call *)op)->group;
    if (group->entered) {
        PyErr_Format(PyExc_RuntimeError, "TaskGroup %R has already been entered", group);
        return COROUTINE_FAILED;
    }
    PyObject *parent = find_parent(group); // may run Python
    if (parent == NULL) {
        return COROUTINE_FAILED;
    }
    Py_XSETREF(group->parent_task, parent == Py_None ? NULL : Py_NewRef(parent));
    Py_DECREF(parent);
    if (group->parent_task == NULL) {
        PyErr_Format(PyExc_RuntimeError, "TaskGroup %R cannot determine the parent task", group);
        return COROUTINE_FAILED;
    }
    group->entered = true;
    if (group->cancel_on_enter) {
        PyObject *cancel = op->module_state->name_cancel;
        PyObject *answer = PyObject_CallMethodNoArgs((PyObject *)group, cancel); // runs Python
        Py_XDECREF(answer);
        if (answer == NULL) {
            return COROUTINE_FAILED;
        }
    }
    *result = Py_NewRef((PyObject *)group);
    return COROUTINE_RETURNS;
}

/* ---- __aexit__ ---- */

static int
abort_group(TaskGroup *group)
{
    return task_group_is_exact(group) ? task_group_abort(group) : task_group_abort_by_method(group);
}

/* The group's parent: a new reference to the task or None. */
static PyObject *
parent_of(TaskGroup *group)
{
    return new_or_none(group->parent_task);
}

/* Takes our own cancellation of the parent back: if none is left there is nothing to pass on. */
static int
uncancel_parent(group_call *call)
{
    core_state *state = call->coroutine.module_state;
    if (!call->group->parent_cancel_requested) {
        return 0;
    }
    PyObject *parent = parent_of(call->group);
    long left = any_task_uncancel(state, parent); // runs Python
    Py_DECREF(parent);
    if (left == 0) {
        Py_CLEAR(call->cancellation);
    }
    else if (left < 0 && PyErr_Occurred()) {
        return -1;
    }
    else if (state->group_keeps_cancellation && call->cancellation == NULL) {
        call->cancellation = Py_XNewRef(call->last_cancellation);
    }
    return 0;
}

/* Has a cancellation from outside hit the parent once more, its count staying the same. */
static int
cancel_parent_again(group_call *call)
{
    core_state *state = call->coroutine.module_state;
    PyObject *parent = parent_of(call->group);
    long count = any_task_cancelling(state, parent); // runs Python, as these do
    int status = count == -1 && PyErr_Occurred() ? -1 : 0;
    if (status == 0 && count != 0) {
        long left = any_task_uncancel(state, parent);
        status = left == -1 && PyErr_Occurred() ? -1 : any_task_cancel(state, parent);
    }
    Py_DECREF(parent);
    return status;
}

static void
raise(PyObject *exc)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
}

/* Raises what the tasks and the block have raised, as one group. */
static void
raise_errors(group_call *call)
{
    core_state *state = call->coroutine.module_state;
    PyObject *errors = Py_NewRef(call->group->errors);
    int is_closing = 0;
    if (state->group_passes_generator_exit && call->exc_type != NULL
        && PyList_GET_SIZE(errors) == 1) {
        is_closing = PyObject_IsSubclass(call->exc_type, PyExc_GeneratorExit);
    }
    if (is_closing > 0) {
        raise(call->exc);
    }
    else if (is_closing == 0) {
        PyObject *group = PyObject_CallFunction(PyExc_BaseExceptionGroup, "sO",
                                                "unhandled errors in a TaskGroup", errors);
        if (group != NULL) {
            PyException_SetCause(group, NULL);
            raise(group);
            Py_DECREF(group);
        }
    }
    Py_CLEAR(call->group->errors);
    Py_DECREF(errors);
}

/* No task is left. */
static int
finish(group_call *call, PyObject **result)
{
    TaskGroup *group = call->group;
    core_state *state = group->module_state;
    if (group->base_error != NULL) {
        raise(group->base_error);
        return COROUTINE_FAILED;
    }
    if (state->group_uncancels_last && uncancel_parent(call) < 0) { // runs Python
        return COROUTINE_FAILED;
    }
    bool has_errors = group->errors != NULL && PyList_GET_SIZE(group->errors) > 0;
    if (call->cancellation != NULL && !has_errors) {
        raise(call->cancellation);
        return COROUTINE_FAILED;
    }
    if (call->exc_type != NULL && !call->is_cancelled) {
        PyObject *exc = call->exc == NULL ? Py_None : call->exc;
        if (group->errors == NULL) {
            PyErr_SetString(PyExc_AttributeError, "'NoneType' object has no attribute 'append'");
            return COROUTINE_FAILED;
        }
        if (PyList_Append(group->errors, exc) < 0) {
            return COROUTINE_FAILED;
        }
        has_errors = true;
    }
    if (!has_errors) {
        *result = Py_NewRef(state->group_suppresses ? Py_True : Py_None);
        return COROUTINE_RETURNS;
    }
    if (!state->group_uncancels_last || cancel_parent_again(call) == 0) { // runs Python
        raise_errors(call);
    }
    return COROUTINE_FAILED;
}

/* It is over: what the version does not keep is dropped. Keeps the pending exception. */
static int
leave(group_call *call, int answer)
{
    TaskGroup *group = call->group;
    PyObject *pending = PyErr_GetRaisedException();
    if (group->module_state->group_forgets) {
        Py_CLEAR(group->parent_task);
        Py_CLEAR(group->errors);
        Py_CLEAR(group->base_error);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return answer;
}

/* Waits until the last task is done, or finishes where it is. */
static int
wait_or_finish(group_call *call, PyObject **result)
{
    TaskGroup *group = call->group;
    if (PySet_GET_SIZE(group->tasks) == 0) {
        return leave(call, finish(call, result));
    }
    if (group->on_completed_fut == NULL) {
        group->on_completed_fut = loop_create_future(group->module_state, group->loop);
        if (group->on_completed_fut == NULL) {
            return leave(call, COROUTINE_FAILED);
        }
    }
    call->coroutine.future = Py_NewRef(group->on_completed_fut);
    return COROUTINE_WAITS;
}

/* Whether what was raised is a CancelledError: 1, 0 or -1. */
static int
is_cancellation(const group_call *call)
{
    core_state *state = call->coroutine.module_state;
    if (call->exc_type == state->CancelledError) {
        return 1;
    }
    if (call->exc_type == NULL || !state->group_takes_subclasses) {
        return 0;
    }
    return PyObject_IsSubclass(call->exc_type, state->CancelledError);
}

/* What comes before the waiting. */
static int
begin_exit(group_call *call)
{
    TaskGroup *group = call->group;
    group->exiting = true;
    if (call->exc != NULL) {
        int is_base = task_group_is_base_error(group, call->exc); // may run Python
        if (is_base < 0) {
            return -1;
        }
        if (is_base && group->base_error == NULL) {
            group->base_error = Py_NewRef(call->exc);
        }
    }
    int is_cancelled = is_cancellation(call);
    if (is_cancelled < 0) {
        return -1;
    }
    if (is_cancelled) {
        call->is_cancelled = true;
        call->cancellation = Py_XNewRef(call->exc);
    }
    if (!group->module_state->group_uncancels_last && uncancel_parent(call) < 0) {
        return -1;
    }
    return call->exc_type != NULL && !group->aborting ? abort_group(group) : 0;
}

static int
start_exit(Coroutine *op, PyObject **result)
{
    group_call *call = (group_call *)op;
    if (begin_exit(call) < 0) { // runs Python
        return leave(call, COROUTINE_FAILED);
    }
    return wait_or_finish(call, result);
}

static int
resume_exit(Coroutine *op, PyObject **result)
{
    group_call *call = (group_call *)op;
    TaskGroup *group = call->group;
    if (*result == NULL) {
        if (!PyErr_ExceptionMatches(op->module_state->CancelledError)) {
            return leave(call, COROUTINE_FAILED);
        }
        Py_XSETREF(call->last_cancellation, PyErr_GetRaisedException());
        if (!group->aborting) {
            Py_XSETREF(call->cancellation, Py_NewRef(call->last_cancellation));
            if (abort_group(group) < 0) { // runs Python
                return leave(call, COROUTINE_FAILED);
            }
        }
    }
    Py_CLEAR(*result);
    Py_CLEAR(group->on_completed_fut);
    return wait_or_finish(call, result);
}

static int
traverse_call(Coroutine *op, visitproc visit, void *arg)
{
    group_call *call = (group_call *)op;
    Py_VISIT((PyObject *)call->group);
    Py_VISIT(call->exc_type);
    Py_VISIT(call->exc);
    Py_VISIT(call->cancellation);
    Py_VISIT(call->last_cancellation);
    return 0;
}

static void
drop_call(Coroutine *op)
{
    group_call *call = (group_call *)op;
    Py_CLEAR(call->group);
    Py_CLEAR(call->exc_type);
    Py_CLEAR(call->exc);
    Py_CLEAR(call->cancellation);
    Py_CLEAR(call->last_cancellation);
}

static const coroutine_kind enter_kind = {
    .name = "__aenter__", .qualname = "TaskGroup.__aenter__", .size_bytes = sizeof(group_call),
    .functions = {"asyncio.taskgroups:TaskGroup.__aenter__"},
    .start = start_enter, .traverse = traverse_call, .drop = drop_call,
};

/* Versions whose work is not in a method of its own have no _aexit: tools see one function less. */
static const coroutine_kind exit_kind = {
    .name = "__aexit__", .qualname = "TaskGroup.__aexit__", .size_bytes = sizeof(group_call),
    .functions = {"asyncio.taskgroups:TaskGroup.__aexit__", "asyncio.taskgroups:TaskGroup._aexit"},
    .start = start_exit, .resume = resume_exit, .traverse = traverse_call, .drop = drop_call,
};

static PyObject *
new_call(PyObject *op, const coroutine_kind *kind, PyObject *exc_type, PyObject *exc)
{
    group_call *call = (group_call *)coroutine_new(((TaskGroup *)op)->module_state, kind);
    if (call == NULL) {
        return NULL;
    }
    call->group = (TaskGroup *)Py_NewRef(op);
    call->exc_type = exc_type == Py_None ? NULL : Py_XNewRef(exc_type);
    call->exc = exc == Py_None ? NULL : Py_XNewRef(exc);
    return coroutine_begin(&call->coroutine);
}

PyObject *
TaskGroup_aenter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return new_call(self, &enter_kind, NULL, NULL);
}

PyObject *
TaskGroup_aexit(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"et", "exc", "tb"}, 3, 3, 3};
    PyObject *bound[3];
    if (!args_bind_names(&parameters, args, nargs, kwnames, bound)) {
        PyErr_SetString(PyExc_TypeError, "TaskGroup.__aexit__() takes et, exc and tb");
        return NULL;
    }
    return new_call(self, &exit_kind, bound[0], bound[1]);
}

int
task_group_learn(core_state *state)
{
    return coroutine_learn(state, &enter_kind) < 0 ? -1 : coroutine_learn(state, &exit_kind);
}
