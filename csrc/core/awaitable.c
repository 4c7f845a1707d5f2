/* awaitable.c -- asking awaitables and futures of any kind, by the shortest way for ours. */

#include "core/awaitable.h"

#include "core/answer.h"
#include "core/function.h"
#include "core/future.h"
#include "core/loop.h"
#include "core/task.h"

int
awaitable_is_coroutine_slow(core_state *state, PyObject *object)
{
    int is_known = PySet_Contains(state->coroutine_types, (PyObject *)Py_TYPE(object));
    if (is_known != 0) {
        return is_known;
    }
    int is_true = truth_steal(PyObject_CallOneArg(state->iscoroutine, object)); // runs Python
    if (is_true > 0 && PySet_GET_SIZE(state->coroutine_types) < 100
        && PySet_Add(state->coroutine_types, (PyObject *)Py_TYPE(object)) < 0) {
        return -1;
    }
    return is_true;
}

/* What an object's method answers to an argument-less question: 1, 0 or -1. Runs Python. */
static int
ask(PyObject *object, PyObject *method)
{
    return truth_steal(PyObject_CallMethodNoArgs(object, method));
}

int
awaitable_is_future(core_state *state, PyObject *object)
{
    if (future_is_exact(state, object)) {
        return 1;
    }
    if (PyCoro_CheckExact(object)) {
        return 0;
    }
    return truth_steal(PyObject_CallOneArg(state->isfuture, object)); // runs Python
}

PyObject *
awaitable_loop_of(core_state *state, PyObject *future)
{
    if (future_is_exact(state, future) && future_is_alive((Future *)future)) {
        return Py_NewRef(((Future *)future)->loop);
    }
    PyObject *get_loop;
    int found = PyObject_GetOptionalAttr(future, state->name_get_loop, &get_loop);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        return PyObject_GetAttr(future, state->name_loop_attribute);
    }
    PyObject *loop = PyObject_CallNoArgs(get_loop); // runs Python
    Py_DECREF(get_loop);
    return loop;
}

PyObject *
awaitable_running_loop(core_state *state)
{
    return PyObject_CallNoArgs(state->get_running_loop);
}

PyObject *
awaitable_current_task(core_state *state, PyObject *loop)
{
    PyObject *task = PyObject_CallOneArg(state->current_task, loop);
    if (task == Py_None) {
        Py_CLEAR(task);
    }
    return task;
}

/* The coroutine to make a task of, a new reference; asyncio's own wraps what is awaitable only. */
static PyObject *
as_coroutine(core_state *state, PyObject *object, bool *is_wrapped)
{
    int is_coroutine = awaitable_is_coroutine(state, object); // runs Python
    *is_wrapped = is_coroutine == 0;
    if (is_coroutine != 0) {
        return is_coroutine < 0 ? NULL : Py_NewRef(object);
    }
    int is_awaitable = truth_steal(
        PyObject_CallOneArg(state->isawaitable, object)); // runs Python
    if (is_awaitable == 0) {
        PyErr_SetString(PyExc_TypeError,
                        "An asyncio.Future, a coroutine or an awaitable is required");
    }
    return is_awaitable <= 0 ? NULL : PyObject_CallOneArg(state->wrap_awaitable, object);
}

/* loop.create_task(coro); a RuntimeError closes the coroutine, but for one that we made. */
static PyObject *
create_task(core_state *state, PyObject *loop, PyObject *coro, bool is_wrapped)
{
    Loop *own = loop_cast(state, loop);
    PyObject *task = own != NULL && loop_makes_plain_tasks(own)
                         ? loop_create_plain_task(own, coro) // runs Python
                         : PyObject_CallMethodOneArg(loop, state->name_create_task, coro);
    if (task != NULL || is_wrapped || !PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        return task;
    }
    PyObject *refusal = PyErr_GetRaisedException();
    PyObject *answer = PyObject_CallMethodNoArgs(coro, state->name_close); // runs Python
    if (answer != NULL) {
        Py_DECREF(answer);
        PyErr_SetRaisedException(refusal);
        return NULL;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyException_SetContext(error, refusal);
    PyErr_SetRaisedException(error);
    return NULL;
}

PyObject *
awaitable_ensure_future(core_state *state, PyObject *object, PyObject *loop)
{
    int is_future = awaitable_is_future(state, object); // runs Python
    if (is_future < 0) {
        return NULL;
    }
    if (is_future) {
        PyObject *own = loop == NULL ? Py_NewRef(Py_None) : awaitable_loop_of(state, object);
        Py_XDECREF(own);
        if (own != NULL && loop != NULL && own != loop) {
            PyErr_SetString(PyExc_ValueError, "The future belongs to a different loop than the one "
                                              "specified as the loop argument");
            return NULL;
        }
        return own == NULL ? NULL : Py_NewRef(object);
    }
    bool is_wrapped;
    PyObject *coro = as_coroutine(state, object, &is_wrapped); // runs Python
    if (coro == NULL) {
        return NULL;
    }
    loop = loop == NULL ? PyObject_CallNoArgs(state->get_event_loop) : Py_NewRef(loop);
    PyObject *task = loop == NULL ? NULL : create_task(state, loop, coro, is_wrapped);
    Py_XDECREF(loop);
    Py_DECREF(coro);
    return task;
}

int
awaitable_is_done(core_state *state, PyObject *future)
{
    return future_is_exact(state, future) ? ((Future *)future)->state != FUTURE_PENDING
                                          : ask(future, state->name_done);
}

int
awaitable_is_cancelled(core_state *state, PyObject *future)
{
    return future_is_exact(state, future) ? ((Future *)future)->state == FUTURE_CANCELLED
                                          : ask(future, state->name_cancelled_method);
}

PyObject *
awaitable_exception(core_state *state, PyObject *future)
{
    return future_is_exact(state, future)
               ? future_exception(state, (Future *)future)
               : PyObject_CallMethodNoArgs(future, state->name_exception);
}

PyObject *
awaitable_result(core_state *state, PyObject *future)
{
    return future_is_exact(state, future) ? future_result(state, (Future *)future)
                                          : PyObject_CallMethodNoArgs(future, state->name_result);
}

int
awaitable_set_result(core_state *state, PyObject *future, PyObject *value)
{
    if (Py_IS_TYPE(future, state->Future_type)) {
        return future_set_result(state, (Future *)future, value);
    }
    return status_steal(
        PyObject_CallMethodOneArg(future, state->name_set_result, value)); // runs Python
}

int
awaitable_set_exception(core_state *state, PyObject *future, PyObject *exception)
{
    if (Py_IS_TYPE(future, state->Future_type)) {
        return future_set_exception(state, (Future *)future, exception);
    }
    return status_steal(
        PyObject_CallMethodOneArg(future, state->name_set_exception, exception)); // runs Python
}

int
awaitable_wake(core_state *state, PyObject *future)
{
    int is_done = awaitable_is_done(state, future); // runs Python
    if (is_done != 0) {
        return is_done < 0 ? -1 : 0;
    }
    return awaitable_set_result(state, future, Py_None);
}

int
awaitable_cancel(core_state *state, PyObject *future, PyObject *message)
{
    if (Py_IS_TYPE(future, state->Task_type)) {
        return task_cancel(state, (Task *)future, message == NULL ? Py_None : message);
    }
    if (Py_IS_TYPE(future, state->Future_type)) {
        return future_cancel(state, (Future *)future, message == NULL ? Py_None : message);
    }
    if (message == NULL) {
        return ask(future, state->name_cancel);
    }
    PyObject *stack[] = {future, message};
    return truth_steal(PyObject_VectorcallMethod(state->name_cancel, stack,
                                                 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                 state->msg_keyword)); // runs Python
}

static int
tell_awaited_by(core_state *state, PyObject *function, PyObject *future, PyObject *task)
{
    if (function == NULL || task == NULL || future_is_exact(state, future)) {
        return 0;
    }
    return status_steal(PyObject_CallFunctionObjArgs(function, future, task, NULL)); // runs Python
}

int
awaitable_add_awaited_by(core_state *state, PyObject *future, PyObject *task)
{
    return tell_awaited_by(state, state->add_to_awaited_by, future, task);
}

int
awaitable_discard_awaited_by(core_state *state, PyObject *future, PyObject *task)
{
    return tell_awaited_by(state, state->discard_from_awaited_by, future, task);
}

int
awaitable_init(core_state *state)
{
    PyObject *code = function_find_code("asyncio.tasks:ensure_future.<locals>._wrap_awaitable");
    if (code == Py_None) { /* before 3.12, and in need of its decorator */
        Py_DECREF(code);
        state->wrap_awaitable = Py_XNewRef(
            PyDict_GetItemString(state->tasks_namespace, "_wrap_awaitable"));
    }
    else if (code != NULL) {
        state->wrap_awaitable = PyFunction_New(code, state->tasks_namespace);
        Py_DECREF(code);
    }
    if (state->wrap_awaitable == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ImportError, "asyncio.ensure_future has no _wrap_awaitable");
    }
    return state->wrap_awaitable == NULL ? -1 : 0;
}
