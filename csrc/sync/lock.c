/* lock.c -- pyasync._core.Lock: acquire, release and who is next. */

#include "sync/lock.h"

#include "core/awaitable.h"
#include "sync/context_manager.h"

/* The first in line may take it, if it is not about to do so already: 0 or -1. May run Python. */
static int
wake_first(Lock *self)
{
    Py_ssize_t count = waiters_count(&self->waiters);
    if (count <= 0) {
        return count < 0 ? -1 : 0;
    }
    core_state *state = self->head.state;
    PyObject *first = waiters_at(&self->waiters, 0);
    int is_done = first == NULL ? -1 : awaitable_is_done(state, first);
    if (is_done == 0 && awaitable_set_result(state, first, Py_True) < 0) {
        is_done = -1;
    }
    Py_XDECREF(first);
    return is_done < 0 ? -1 : 0;
}

int
lock_acquire_begin(SyncObject *op, Waiting *waiting)
{
    Lock *self = (Lock *)op;
    if (!self->is_locked) {
        int is_free = waiters_are_cancelled(op->state, &self->waiters);
        if (is_free != 0) {
            self->is_locked = is_free > 0;
            return is_free;
        }
    }
    return waiters_join(&self->waiters, waiting, op);
}

int
lock_acquire_end(SyncObject *op, Waiting *waiting, PyObject *error)
{
    Lock *self = (Lock *)op;
    if (waiters_leave(&self->waiters, waiting) < 0) {
        waiters_chain_steal(error);
        return -1;
    }
    if (error == NULL) {
        self->is_locked = true;
        return 1;
    }
    /* It may have been woken in the same iteration in which it was cancelled. */
    if (!self->is_locked && PyErr_GivenExceptionMatches(error, op->state->CancelledError)
        && wake_first(self) < 0) {
        waiters_chain_steal(error);
        return -1;
    }
    PyErr_SetRaisedException(error);
    return -1;
}

int
lock_release(SyncObject *op)
{
    Lock *self = (Lock *)op;
    if (!self->is_locked) {
        PyErr_SetString(PyExc_RuntimeError, "Lock is not acquired.");
        return -1;
    }
    self->is_locked = false;
    return wake_first(self);
}

static const char *const lock_methods[] = {
    "acquire", "release", "_get_loop", "_wake_up_first", NULL,
};
static const char *const lock_data[] = {"_waiters", "_locked", "_loop", NULL};

static const coroutine_kind acquire_kind = {
    WAITING_KIND("acquire", "Lock.acquire"),
    .start = acquire_start,
    .resume = acquire_resume,
};

static const acquirable lock_acquirable = {
    .begin = lock_acquire_begin,
    .end = lock_acquire_end,
    .release = lock_release,
    .acquire = &acquire_kind,
};

static const sync_class lock_class = {
    .index = SYNC_LOCK,
    .stock = offsetof(core_state, stock_Lock),
    .methods = lock_methods,
    .data = lock_data,
    .acquirable = &lock_acquirable,
};

static PyObject *
Lock_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &lock_class);
}

static int
Lock_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Lock *self = (Lock *)op;
    if (PyTuple_GET_SIZE(args) != 0 || kwargs != NULL || !sync_is_plain(&self->head)) {
        return sync_init_as_stock(&self->head, args, kwargs);
    }
    Py_CLEAR(self->waiters);
    self->is_locked = false;
    return 0;
}

static PyObject *
Lock_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return sync_is_plain((SyncObject *)op) ? PyBool_FromLong(((Lock *)op)->is_locked)
                                           : sync_call_stock_bare((SyncObject *)op, "locked");
}

static int
Lock_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((Lock *)op)->waiters);
    return sync_traverse(op, visit, arg);
}

static int
Lock_clear(PyObject *op)
{
    Py_CLEAR(((Lock *)op)->waiters);
    sync_clear(op);
    return 0;
}

static PyMethodDef Lock_methods[] = {
    {"locked", Lock_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nWhether somebody has it. As asyncio.Lock.locked."},
    {"acquire", Acquirable_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait until it is free and take it; True. As asyncio.Lock.acquire."},
    {"release", Acquirable_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive it up, to who has waited longest. Raises RuntimeError where it "
     "is not locked. As asyncio.Lock.release."},
    CONTEXT_MANAGER_METHODS(Acquirable_aenter, Acquirable_aexit),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Lock_getset[] = {
    SYNC_GETSET,
    {"_waiters", attribute_get_object, sync_set_object, NULL, (void *)offsetof(Lock, waiters)},
    {"_locked", attribute_get_bool, sync_set_bool, NULL, (void *)offsetof(Lock, is_locked)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Lock_slots[] = {
    {Py_tp_doc, "Lock()\n--\n\nOne task at a time has it. As asyncio.Lock."},
    {Py_tp_new, Lock_new},
    {Py_tp_init, Lock_init},
    {Py_tp_methods, Lock_methods},
    {Py_tp_getset, Lock_getset},
    SYNC_SLOTS(Lock_clear, Lock_traverse),
    {0, NULL},
};

static PyType_Spec Lock_spec = SYNC_SPEC("Lock", Lock, Lock_slots);

int
lock_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Lock_type, &Lock_spec, NULL) < 0) {
        return -1;
    }
    return sync_class_init(state, &lock_class, state->Lock_type);
}
