/* semaphore.c -- pyasync._core.Semaphore and BoundedSemaphore. */

#include "sync/semaphore.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "sync/context_manager.h"

typedef struct {
    SyncObject head;
    PyObject *waiters;
    sync_number value;
    sync_number bound; /* of a BoundedSemaphore */
} Semaphore;

/* The first who is not woken yet may have it: 1, 0 where there is nobody, or -1. May run Python. */
static int
wake_next(Semaphore *self)
{
    PyObject *future;
    int status = waiters_first_pending(self->head.state, &self->waiters, &future);
    if (status > 0) {
        self->value.value--;
        status = awaitable_set_result(self->head.state, future, Py_True) < 0 ? -1 : 1;
        Py_DECREF(future);
    }
    return status;
}

/* Whether acquire() would have to wait, for the number or for its turn: 1, 0 or -1. */
static int
is_locked(Semaphore *self)
{
    if (self->value.value == 0) {
        return 1;
    }
    int all_cancelled = waiters_are_cancelled(self->head.state, &self->waiters);
    return all_cancelled < 0 ? -1 : !all_cancelled;
}

static int
acquire_begin(SyncObject *op, Waiting *waiting)
{
    Semaphore *self = (Semaphore *)op;
    int must_wait = is_locked(self);
    if (must_wait == 0) {
        self->value.value--;
        return 1;
    }
    return must_wait < 0 ? -1 : waiters_join(&self->waiters, waiting, op);
}

/* The waiter was cancelled: what it was given goes back. 0 or -1. */
static int
give_back(Semaphore *self, PyObject *future)
{
    core_state *state = self->head.state;
    int was_cancelled = awaitable_is_cancelled(state, future);
    int was_done = 1;
    if (was_cancelled == 0 && state->semaphore_wakes_all) {
        was_done = awaitable_is_done(state, future);
    }
    if (was_cancelled < 0 || was_done < 0) {
        return -1;
    }
    if (was_done && !was_cancelled) {
        self->value.value++;
        return state->semaphore_wakes_all || wake_next(self) >= 0 ? 0 : -1;
    }
    return 0;
}

/* Wakes as many as the value allows for, before 3.13 one: 0 or -1. */
static int
wake_allowed(Semaphore *self)
{
    int status = 1;
    while (status > 0 && self->value.value > 0) {
        status = wake_next(self);
        if (!self->head.state->semaphore_wakes_all) {
            break;
        }
    }
    return status < 0 ? -1 : 0;
}

static int
acquire_end(SyncObject *op, Waiting *waiting, PyObject *error)
{
    Semaphore *self = (Semaphore *)op;
    core_state *state = op->state;
    int status = 0;
    if (waiters_leave(&self->waiters, waiting) < 0) {
        waiters_chain_steal(error);
        error = PyErr_GetRaisedException();
    }
    else if (error != NULL && PyErr_GivenExceptionMatches(error, state->CancelledError)) {
        status = give_back(self, waiting->future); // may run Python
    }
    if (status == 0 && (error == NULL || state->semaphore_wakes_all)) {
        status = wake_allowed(self); // may run Python
    }
    if (status < 0) {
        waiters_chain_steal(error);
        return -1;
    }
    if (error != NULL) {
        PyErr_SetRaisedException(error);
        return -1;
    }
    return 1;
}

static int
semaphore_release(SyncObject *op)
{
    Semaphore *self = (Semaphore *)op;
    self->value.value++;
    return wake_next(self) < 0 ? -1 : 0;
}

static int
bounded_release(SyncObject *op)
{
    Semaphore *self = (Semaphore *)op;
    if (self->value.value >= self->bound.value) {
        PyErr_SetString(PyExc_ValueError, "BoundedSemaphore released too many times");
        return -1;
    }
    return semaphore_release(op);
}

static const char *const semaphore_methods[] = {
    "acquire", "release", "locked", "_get_loop", "_wake_up_next", NULL,
};
static const char *const semaphore_data[] = {"_waiters", "_value", "_loop", NULL};
static const char *const bounded_data[] = {"_waiters", "_value", "_bound_value", "_loop", NULL};

static const coroutine_kind acquire_kind = {
    WAITING_KIND("acquire", "Semaphore.acquire"),
    .start = acquire_start,
    .resume = acquire_resume,
};

static const acquirable semaphore_acquirable = {
    .begin = acquire_begin,
    .end = acquire_end,
    .release = semaphore_release,
    .acquire = &acquire_kind,
};

static const acquirable bounded_acquirable = {
    .begin = acquire_begin,
    .end = acquire_end,
    .release = bounded_release,
    .acquire = &acquire_kind,
};

static const sync_class semaphore_class = {
    .index = SYNC_SEMAPHORE,
    .stock = offsetof(core_state, stock_Semaphore),
    .methods = semaphore_methods,
    .data = semaphore_data,
    .acquirable = &semaphore_acquirable,
};

static const sync_class bounded_class = {
    .index = SYNC_BOUNDED_SEMAPHORE,
    .stock = offsetof(core_state, stock_BoundedSemaphore),
    .methods = semaphore_methods,
    .data = bounded_data,
    .acquirable = &bounded_acquirable,
};

static PyObject *
Semaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Semaphore *self = (Semaphore *)sync_new(type, &semaphore_class);
    if (self != NULL) {
        self->value.value = 1;
    }
    return (PyObject *)self;
}

static PyObject *
BoundedSemaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Semaphore *self = (Semaphore *)sync_new(type, &bounded_class);
    if (self != NULL) {
        self->value.value = self->bound.value = 1;
    }
    return (PyObject *)self;
}

/* What __init__() was given, as asyncio's own takes it over: 0 or -1. */
static int
Semaphore_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Semaphore *self = (Semaphore *)op;
    PyObject *value;
    Py_ssize_t number = sync_parse_one(args, kwargs, "value", &value) ? 1 : -1;
    if (number > 0 && value != NULL) {
        number = PyLong_CheckExact(value) ? PyLong_AsSsize_t(value) : -1;
        if (number == -1 && PyErr_Occurred()) {
            PyErr_Clear(); /* too large: as any odd value */
        }
    }
    if (number < 0 || !sync_is_plain(&self->head)) {
        return sync_init_as_stock(&self->head, args, kwargs);
    }
    Py_CLEAR(self->waiters);
    Py_CLEAR(self->value.odd);
    Py_CLEAR(self->bound.odd);
    self->value.value = self->bound.value = number;
    return 0;
}

static PyObject *
Semaphore_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Semaphore *self = (Semaphore *)op;
    if (!sync_is_plain(&self->head)) {
        return sync_call_stock_bare(&self->head, "locked");
    }
    int locked = is_locked(self);
    return locked < 0 ? NULL : PyBool_FromLong(locked);
}

static int
Semaphore_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((Semaphore *)op)->waiters);
    Py_VISIT(((Semaphore *)op)->value.odd);
    Py_VISIT(((Semaphore *)op)->bound.odd);
    return sync_traverse(op, visit, arg);
}

static int
Semaphore_clear(PyObject *op)
{
    Py_CLEAR(((Semaphore *)op)->waiters);
    Py_CLEAR(((Semaphore *)op)->value.odd);
    Py_CLEAR(((Semaphore *)op)->bound.odd);
    sync_clear(op);
    return 0;
}

static PyMethodDef Semaphore_methods[] = {
    {"locked", Semaphore_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nWhether acquire() would wait. As asyncio.Semaphore.locked."},
    {"acquire", Acquirable_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait for one's turn and count down by one; True. As "
     "asyncio.Semaphore.acquire."},
    {"release", Acquirable_release, METH_NOARGS,
     "release($self, /)\n--\n\nCount up by one, and wake who has waited longest. As "
     "asyncio.Semaphore.release."},
    CONTEXT_MANAGER_METHODS(Acquirable_aenter, Acquirable_aexit),
    {NULL, NULL, 0, NULL},
};

static PyMethodDef BoundedSemaphore_methods[] = {
    {"release", Acquirable_release, METH_NOARGS,
     "release($self, /)\n--\n\nCount up by one, and wake who has waited longest. Raises ValueError "
     "where it would count further than it began. As asyncio.BoundedSemaphore.release."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Semaphore_getset[] = {
    SYNC_GETSET,
    {"_waiters", attribute_get_object, sync_set_object, NULL, (void *)offsetof(Semaphore, waiters)},
    {"_value", sync_get_number, sync_set_number, NULL, (void *)offsetof(Semaphore, value)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef BoundedSemaphore_getset[] = {
    {"_bound_value", sync_get_number, sync_set_number, NULL, (void *)offsetof(Semaphore, bound)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Semaphore_slots[] = {
    {Py_tp_doc, "Semaphore(value=1)\n--\n\nSo many tasks have it at a time. As asyncio.Semaphore."},
    {Py_tp_new, Semaphore_new},
    {Py_tp_init, Semaphore_init},
    {Py_tp_methods, Semaphore_methods},
    {Py_tp_getset, Semaphore_getset},
    SYNC_SLOTS(Semaphore_clear, Semaphore_traverse),
    {0, NULL},
};

static PyType_Slot BoundedSemaphore_slots[] = {
    {Py_tp_doc, "BoundedSemaphore(value=1)\n--\n\nA Semaphore that refuses to be released more "
                "often than it was acquired. As asyncio.BoundedSemaphore."},
    {Py_tp_new, BoundedSemaphore_new},
    {Py_tp_init, Semaphore_init},
    {Py_tp_methods, BoundedSemaphore_methods},
    {Py_tp_getset, BoundedSemaphore_getset},
    SYNC_SLOTS(Semaphore_clear, Semaphore_traverse),
    {0, NULL},
};

static PyType_Spec Semaphore_spec = SYNC_SPEC("Semaphore", Semaphore, Semaphore_slots);
static PyType_Spec BoundedSemaphore_spec =
    SYNC_SPEC("BoundedSemaphore", Semaphore, BoundedSemaphore_slots);

/* Whether this version wakes all that may go on: then waking tells whether there was anybody. */
static int
find_out_how(core_state *state)
{
    PyObject *semaphore = PyObject_CallNoArgs(state->stock_Semaphore);
    PyObject *answer = NULL;
    if (semaphore != NULL) {
        answer = PyObject_CallMethod(semaphore, "_wake_up_next", NULL);
    }
    state->semaphore_wakes_all = answer == Py_False;
    Py_XDECREF(semaphore);
    return status_steal(answer);
}

int
semaphore_init_types(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Semaphore_type, &Semaphore_spec, NULL) < 0
        || state_add_type(module, &state->BoundedSemaphore_type, &BoundedSemaphore_spec,
                          (PyObject *)state->Semaphore_type) < 0
        || sync_class_init(state, &semaphore_class, state->Semaphore_type) < 0
        || sync_class_init(state, &bounded_class, state->BoundedSemaphore_type) < 0) {
        return -1;
    }
    return find_out_how(state);
}
