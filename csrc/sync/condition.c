/* condition.c -- pyasync._core.Condition. */

#include "sync/condition.h"

#include "core/answer.h"
#include "sync/context_manager.h"
#include "sync/lock.h"

enum { BOUND_LOCKED, BOUND_ACQUIRE, BOUND_RELEASE, BOUND_COUNT };

struct Condition {
    SyncObject head;
    PyObject *lock;
    PyObject *waiters;
    PyObject *bound[BOUND_COUNT]; /* the lock's methods, once Python has seen or assigned them */
};

enum { STAGE_NOTIFICATION, STAGE_LOCK };

SyncObject *
condition_plain_lock(Condition *self)
{
    PyObject *lock = self->lock;
    if (lock == NULL || !sync_is_plain(&self->head)
        || !PyObject_TypeCheck(lock, self->head.state->Lock_type)
        || !sync_is_plain((SyncObject *)lock)) {
        return NULL;
    }
    return (SyncObject *)lock;
}

/* Ends a wait() that raises: the notification that may have reached it goes to another. -1. */
static int
fail(Condition *self)
{
    core_state *state = self->head.state;
    if (state->condition_passes_on) {
        PyObject *error = PyErr_GetRaisedException();
        if (waiters_wake(state, &self->waiters, 1, Py_False) < 0) { // may run Python
            waiters_chain_steal(error);
        }
        else {
            PyErr_SetRaisedException(error);
        }
    }
    return -1;
}

/* The lock is back: 1, or -1 where something is to be raised. */
static int
finish(Condition *self, Waiting *waiting)
{
    core_state *state = self->head.state;
    PyObject *error = waiting->error, *latest = waiting->latest;
    waiting->error = waiting->latest = NULL;
    if (latest != NULL) {
        if (state->condition_passes_on) {
            PyErr_SetRaisedException(latest);
        }
        else {
            Py_DECREF(latest);
            PyErr_SetNone(state->CancelledError);
        }
        waiters_chain_steal(error);
        return fail(self);
    }
    if (error != NULL) {
        PyErr_SetRaisedException(error);
        return fail(self);
    }
    return 1;
}

/* Takes the lock back, or begins to wait for it: as start and resume answer. */
static int
take_back(Condition *self, Waiting *waiting)
{
    SyncObject *lock = (SyncObject *)waiting->item;
    int status = lock_acquire_begin(lock, waiting); // runs Python
    waiting->stage = STAGE_LOCK;
    if (status < 0) {
        waiters_chain_steal(waiting->error);
        waiting->error = NULL;
        return fail(self);
    }
    return status == 0 ? 0 : finish(self, waiting);
}

int
condition_wait_begin(Condition *self, Waiting *waiting)
{
    SyncObject *lock = (SyncObject *)waiting->item;
    waiting->stage = STAGE_NOTIFICATION;
    if (!((Lock *)lock)->is_locked) {
        PyErr_SetString(PyExc_RuntimeError, "cannot wait on un-acquired lock");
        return -1;
    }
    if (self->head.state->condition_passes_on) {
        if (waiters_join(&self->waiters, waiting, &self->head) < 0) {
            return -1;
        }
        if (lock_release(lock) == 0) {
            return 0;
        }
        PyObject *error = PyErr_GetRaisedException();
        if (waiters_leave(&self->waiters, waiting) < 0) {
            PyErr_Clear(); /* another took it out: there is nothing left to undo */
        }
        PyErr_SetRaisedException(error);
        return -1;
    }
    if (lock_release(lock) < 0) {
        return -1;
    }
    if (waiters_join(&self->waiters, waiting, &self->head) < 0) {
        waiting->error = PyErr_GetRaisedException();
        return take_back(self, waiting);
    }
    return 0;
}

/* Whether what is raised, waiting for the lock, is a cancellation to be kept for later. */
static bool
keep_cancellation(core_state *state, Waiting *waiting)
{
    if (!PyErr_ExceptionMatches(state->CancelledError)) {
        return false;
    }
    waiters_chain_steal(Py_XNewRef(waiting->error));
    Py_XSETREF(waiting->latest, PyErr_GetRaisedException());
    return true;
}

int
condition_wait_end(Condition *self, Waiting *waiting, PyObject *error)
{
    if (waiting->stage == STAGE_NOTIFICATION) {
        waiting->error = error;
        if (waiters_leave(&self->waiters, waiting) < 0) {
            waiters_chain_steal(waiting->error);
            waiting->error = PyErr_GetRaisedException();
        }
        return take_back(self, waiting);
    }
    if (lock_acquire_end((SyncObject *)waiting->item, waiting, error) > 0) {
        return finish(self, waiting);
    }
    if (keep_cancellation(self->head.state, waiting)) {
        return take_back(self, waiting);
    }
    waiters_chain_steal(waiting->error);
    waiting->error = NULL;
    return fail(self);
}

static int
wait_start(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    int status = condition_wait_begin((Condition *)waiting->owner, waiting); // runs Python
    return waiting_answer(status, result, Py_True);
}

static int
wait_resume(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    PyObject *error = waiting_error(result);
    int status = condition_wait_end((Condition *)waiting->owner, waiting, error);
    return waiting_answer(status, result, Py_True);
}

static const char *const condition_methods[] = {
    "acquire", "release", "locked", "wait", "wait_for", "notify", "notify_all",
    "__aenter__", "__aexit__", "_get_loop", "_notify", NULL,
};
static const char *const condition_data[] = {"_waiters", "_lock", "_loop", NULL};

static const sync_class condition_class = {
    .index = SYNC_CONDITION,
    .stock = offsetof(core_state, stock_Condition),
    .methods = condition_methods,
    .data = condition_data,
};

static PyObject *
Condition_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &condition_class);
}

/* With a lock of ours; asyncio's own __init__ takes any other, or what is no argument of it. */
static int
Condition_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Condition *self = (Condition *)op;
    core_state *state = self->head.state;
    PyObject *lock;
    if (!sync_parse_one(args, kwargs, "lock", &lock)) {
        return sync_init_as_stock(&self->head, args, kwargs);
    }
    lock = lock == NULL || lock == Py_None ? PyObject_CallNoArgs(state->Lock_class)
                                           : Py_NewRef(lock);
    if (lock == NULL) {
        return -1;
    }
    if (!sync_is_plain(&self->head) || !PyObject_TypeCheck(lock, state->Lock_type)) {
        PyObject *with_lock = PyTuple_Pack(1, lock);
        int status = with_lock == NULL ? -1 : sync_init_as_stock(&self->head, with_lock, NULL);
        Py_XDECREF(with_lock);
        Py_DECREF(lock);
        return status;
    }
    Py_XSETREF(self->lock, lock);
    Py_CLEAR(self->waiters);
    for (int i = 0; i < BOUND_COUNT; i++) {
        Py_CLEAR(self->bound[i]);
    }
    return 0;
}

static PyObject *
Condition_wait(PyObject *op, PyObject *Py_UNUSED(unused))
{
    static const coroutine_kind wait_kind = {
        WAITING_KIND("wait", "Condition.wait"),
        .start = wait_start,
        .resume = wait_resume,
    };
    SyncObject *lock = condition_plain_lock((Condition *)op);
    return lock != NULL ? waiting_new((SyncObject *)op, &wait_kind, (PyObject *)lock)
                        : sync_call_stock_bare((SyncObject *)op, "wait");
}

int
condition_notify(Condition *self, SyncObject *lock, Py_ssize_t count)
{
    if (!((Lock *)lock)->is_locked) {
        PyErr_SetString(PyExc_RuntimeError, "cannot notify on un-acquired lock");
        return -1;
    }
    return waiters_wake(self->head.state, &self->waiters, count, Py_False); // may run Python
}

static PyObject *
Condition_notify(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Condition *self = (Condition *)op;
    SyncObject *lock = condition_plain_lock(self);
    Py_ssize_t count = 1;
    if (nargs == 1 && PyLong_CheckExact(args[0])) {
        count = PyLong_AsSsize_t(args[0]);
        if (count == -1 && PyErr_Occurred()) {
            PyErr_Clear(); /* asyncio's own can compare with it */
            lock = NULL;
        }
    }
    else if (nargs != 0) {
        lock = NULL;
    }
    if (lock == NULL || kwnames != NULL) {
        return sync_call_stock(&self->head, "notify", args, nargs, kwnames);
    }
    return none_or_null(condition_notify(self, lock, count));
}

static PyObject *
Condition_notify_all(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Condition *self = (Condition *)op;
    SyncObject *lock = condition_plain_lock(self);
    if (lock == NULL) {
        return sync_call_stock_bare(&self->head, "notify_all");
    }
    return none_or_null(condition_notify(self, lock, PY_SSIZE_T_MAX));
}

static PyObject *
Condition_aenter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SyncObject *lock = condition_plain_lock((Condition *)op);
    return lock != NULL ? context_manager_enter(lock)
                        : sync_call_stock_bare((SyncObject *)op, "__aenter__");
}

static PyObject *
Condition_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SyncObject *lock = condition_plain_lock((Condition *)op);
    if (lock == NULL || nargs != 3 || kwnames != NULL) {
        return sync_call_stock((SyncObject *)op, "__aexit__", args, nargs, kwnames);
    }
    return context_manager_exit(lock);
}

static PyObject *
bound_name(core_state *state, Py_ssize_t which)
{
    return which == BOUND_LOCKED ? state->name_locked
           : which == BOUND_ACQUIRE ? state->name_acquire : state->name_release;
}

/* Has the lock's method ready in its place: 0 or -1. */
static int
bind(Condition *self, Py_ssize_t which)
{
    if (self->bound[which] != NULL) {
        return 0;
    }
    PyObject *name = bound_name(self->head.state, which);
    if (self->lock == NULL) { /* __init__ has not been called */
        PyErr_SetObject(PyExc_AttributeError, name);
        return -1;
    }
    self->bound[which] = PyObject_GetAttr(self->lock, name);
    return self->bound[which] == NULL ? -1 : 0;
}

static PyObject *
get_bound(PyObject *op, void *which)
{
    Condition *self = (Condition *)op;
    Py_ssize_t index = (Py_ssize_t)which;
    return bind(self, index) < 0 ? NULL : Py_NewRef(self->bound[index]);
}

static int
set_bound(PyObject *op, PyObject *value, void *which)
{
    return sync_set_object(op, value, (char *)offsetof(Condition, bound)
                                          + (Py_ssize_t)which * (Py_ssize_t)sizeof(PyObject *));
}

/* As in asyncio, acquire() and the others stay those of the lock before. */
static int
set_lock(PyObject *op, PyObject *value, void *offset)
{
    Condition *self = (Condition *)op;
    for (int i = 0; self->lock != NULL && i < BOUND_COUNT; i++) {
        if (bind(self, i) < 0) {
            return -1;
        }
    }
    self->head.is_overridden = true;
    return sync_set_object(op, value, offset);
}

static int
Condition_traverse(PyObject *op, visitproc visit, void *arg)
{
    Condition *self = (Condition *)op;
    Py_VISIT(self->lock);
    Py_VISIT(self->waiters);
    for (int i = 0; i < BOUND_COUNT; i++) {
        Py_VISIT(self->bound[i]);
    }
    return sync_traverse(op, visit, arg);
}

static int
Condition_clear(PyObject *op)
{
    Condition *self = (Condition *)op;
    Py_CLEAR(self->lock);
    Py_CLEAR(self->waiters);
    for (int i = 0; i < BOUND_COUNT; i++) {
        Py_CLEAR(self->bound[i]);
    }
    sync_clear(op);
    return 0;
}

static PyMethodDef Condition_methods[] = {
    {"wait", Condition_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nGive the lock up, wait to be notified, take the lock; True. Raises "
     "RuntimeError where it is not locked. As asyncio.Condition.wait."},
    {"notify", FAST_METHOD(Condition_notify),
     "notify($self, n=1)\n--\n\nWake n of those who wait. Raises RuntimeError where the lock is not "
     "locked. As asyncio.Condition.notify."},
    {"notify_all", Condition_notify_all, METH_NOARGS,
     "notify_all($self, /)\n--\n\nWake all who wait. Raises RuntimeError where the lock is not "
     "locked. As asyncio.Condition.notify_all."},
    CONTEXT_MANAGER_METHODS(Condition_aenter, Condition_aexit),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Condition_getset[] = {
    SYNC_GETSET,
    {"_lock", attribute_get_object, set_lock, NULL, (void *)offsetof(Condition, lock)},
    {"_waiters", waiters_get, sync_set_object, NULL, (void *)offsetof(Condition, waiters)},
    {"locked", get_bound, set_bound, NULL, (void *)BOUND_LOCKED},
    {"acquire", get_bound, set_bound, NULL, (void *)BOUND_ACQUIRE},
    {"release", get_bound, set_bound, NULL, (void *)BOUND_RELEASE},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Condition_slots[] = {
    {Py_tp_doc, "Condition(lock=None)\n--\n\nWait for notifications with a lock given up. As "
                "asyncio.Condition."},
    {Py_tp_new, Condition_new},
    {Py_tp_init, Condition_init},
    {Py_tp_methods, Condition_methods},
    {Py_tp_getset, Condition_getset},
    SYNC_SLOTS(Condition_clear, Condition_traverse),
    {0, NULL},
};

static PyType_Spec Condition_spec = SYNC_SPEC("Condition", Condition, Condition_slots);

int
condition_init_type(PyObject *module, core_state *state)
{
    state->condition_passes_on = PyObject_HasAttrString(state->stock_Condition, "_notify");
    if (state_add_type(module, &state->Condition_type, &Condition_spec, NULL) < 0) {
        return -1;
    }
    return sync_class_init(state, &condition_class, state->Condition_type);
}
