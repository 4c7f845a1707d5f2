/* future_attributes.c -- the attributes of Future and Task that asyncio's own code and tools read.

   Source: the getters and setters of Modules/_asynciomodule.c. */

#include "core/future_methods.h"

#include "core/waiter.h"

PyObject *
future_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    if (future_ensure_alive(self) < 0) {
        return NULL;
    }
    core_state *state = future_state_of(self);
    PyObject *names[] = {state->name_pending, state->name_cancelled, state->name_finished};
    return Py_NewRef(names[self->state]);
}

PyObject *
future_get_blocking(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return PyBool_FromLong(future_is_alive(self) && self->is_blocking);
}

int
future_set_blocking(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    if (future_ensure_alive(self) < 0 || attribute_refuse_deletion(value) < 0) {
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    if (is_true >= 0) {
        self->is_blocking = is_true;
    }
    return is_true < 0 ? -1 : 0;
}

PyObject *
future_get_log_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return future_ensure_alive(self) < 0 ? NULL : PyBool_FromLong(self->log_traceback);
}

int
future_set_log_traceback(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = attribute_refuse_deletion(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (is_true > 0) {
        PyErr_SetString(PyExc_ValueError, "_log_traceback can only be set to False");
        return -1;
    }
    if (is_true == 0) {
        ((Future *)op)->log_traceback = false;
    }
    return is_true;
}

int
future_write_cancel_message(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (attribute_refuse_deletion(value) < 0) {
        return -1;
    }
    future_set_cancel_message((Future *)op, value);
    return 0;
}

PyObject *
future_get_callbacks(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return future_ensure_alive(self) < 0 ? NULL : future_callbacks(future_state_of(self), self);
}

/* The closure is NULL for the result, anything else for the exception. */
PyObject *
future_get_outcome(PyObject *op, void *exception)
{
    Future *self = (Future *)op;
    if (future_ensure_alive(self) < 0) {
        return NULL;
    }
    bool is_there = self->outcome != NULL && self->has_exception == (exception != NULL);
    return Py_NewRef(is_there ? self->outcome : Py_None);
}

#if FUTURE_HAS_AWAITED_BY

/* The task that waits by one of our waiters, borrowed, or NULL. */
static PyObject *
waiting_task(const core_state *state, PyObject *waiter)
{
    if (waiter_check(state, waiter)) {
        const waiter_kind *kind = ((Waiter *)waiter)->kind;
        return kind->waiting_task == NULL ? NULL : kind->waiting_task(((Waiter *)waiter)->owner);
    }
    return PyTuple_CheckExact(waiter) ? NULL : waiter;
}

/* Who waits: the tasks among our waiters, and who asyncio's own functions have put into the stock
   base. A frozenset, or None. */
PyObject *
future_get_awaited_by(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    core_state *state = future_state_of(self);
    descrgetfunc get_stock = Py_TYPE(state->stock_awaited_by)->tp_descr_get;
    PyObject *told = get_stock(state->stock_awaited_by, op, (PyObject *)Py_TYPE(op));
    PyObject *waiting = told == NULL ? NULL : PySet_New(told == Py_None ? NULL : told);
    Py_XDECREF(told);
    if (waiting == NULL) {
        return NULL;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < future_waiter_count(self); i++) {
        PyObject *task = Py_XNewRef(waiting_task(state, future_waiter_at(self, i)));
        status = task == NULL ? 0 : PySet_Add(waiting, task);
        Py_XDECREF(task);
    }
    PyObject *answer = status < 0 ? NULL
                       : PySet_GET_SIZE(waiting) == 0 ? Py_NewRef(Py_None)
                                                      : PyFrozenSet_New(waiting);
    Py_DECREF(waiting);
    return answer;
}

#endif
