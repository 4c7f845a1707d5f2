/* barrier.c -- the coroutines that visit a Barrier: who waits, who opens it, who leaves last. */

#include "sync/barrier.h"

#include "sync/lock.h"

enum visit_stage { VISIT_ENTERS, VISIT_IS_BLOCKED, VISIT_MEETS };

typedef struct Visit Visit;

struct Visit {
    Waiting waiting; /* its item is the lock */
    Condition *condition;
    /* Goes on once a wait is over: status is 1, or -1 with what ended it raised. Answers as the
       resume of a kind; runs Python. */
    int (*go_on)(Barrier *self, Visit *visit, int status);
    enum visit_stage stage;
    Py_ssize_t index; /* of its place, from VISIT_MEETS on */
};

bool
barrier_is_plain(Barrier *self)
{
    return sync_is_plain(&self->head) && self->condition != NULL
           && PyObject_TypeCheck(self->condition, self->head.state->Condition_type)
           && condition_plain_lock((Condition *)self->condition) != NULL;
}

static int
notify_all(Visit *visit)
{
    SyncObject *lock = (SyncObject *)visit->waiting.item;
    return condition_notify(visit->condition, lock, PY_SSIZE_T_MAX); // may run Python
}

static void
set_state(Barrier *self, PyObject *barrier_state)
{
    Py_XSETREF(self->barrier_state, Py_NewRef(barrier_state));
}

/* Nobody takes a place while those of the last meeting leave. */
static bool
is_closing(Barrier *self)
{
    const core_state *state = self->head.state;
    return self->barrier_state == state->barrier_DRAINING
           || self->barrier_state == state->barrier_RESETTING;
}

/* Gives the lock up, however the visit ends. Returns status, or -1. */
static int
leave_lock(Visit *visit, int status)
{
    PyObject *error = status < 0 ? PyErr_GetRaisedException() : NULL;
    if (lock_release((SyncObject *)visit->waiting.item) < 0) { // may run Python
        waiters_chain_steal(error);
        return -1;
    }
    if (error != NULL) {
        PyErr_SetRaisedException(error);
    }
    return status;
}

/* Gives its place up, and the lock. Returns status, or -1. */
static int
leave_place(Barrier *self, Visit *visit, int status)
{
    PyObject *error = status < 0 ? PyErr_GetRaisedException() : NULL;
    self->count.value--;
    if (self->count.value == 0) {
        if (is_closing(self)) {
            set_state(self, self->head.state->barrier_FILLING);
        }
        if (notify_all(visit) < 0) {
            waiters_chain_steal(error);
            return leave_lock(visit, -1);
        }
    }
    if (error != NULL) {
        PyErr_SetRaisedException(error);
    }
    return leave_lock(visit, status);
}

static int
refuse(Barrier *self, const char *why)
{
    PyErr_SetString(self->head.state->BrokenBarrierError, why);
    return -1;
}

/* Waits until no meeting drains: 1 where a place may be taken, 0 while it waits, or -1. */
static int
pass_entrance(Barrier *self, Visit *visit, int status)
{
    if (status > 0 && is_closing(self)) {
        status = condition_wait_begin(visit->condition, &visit->waiting); // runs Python
    }
    if (status > 0 && self->barrier_state == self->head.state->barrier_BROKEN) {
        return refuse(self, "Barrier aborted");
    }
    return status;
}

/* Waits until the barrier opens: 1, 0 while it waits, or -1. */
static int
pass_exit(Barrier *self, Visit *visit, int status)
{
    const core_state *state = self->head.state;
    if (status > 0 && self->barrier_state == state->barrier_FILLING) {
        status = condition_wait_begin(visit->condition, &visit->waiting); // runs Python
    }
    if (status > 0 && (self->barrier_state == state->barrier_BROKEN
                       || self->barrier_state == state->barrier_RESETTING)) {
        return refuse(self, "Abort or reset of barrier");
    }
    return status;
}

/* Takes the next place; who takes the last one opens the barrier. As pass_exit(). */
static int
take_place(Barrier *self, Visit *visit)
{
    visit->stage = VISIT_MEETS;
    visit->index = self->count.value++;
    if (visit->index + 1 == self->parties.value) {
        set_state(self, self->head.state->barrier_DRAINING);
        return notify_all(visit) < 0 ? -1 : 1;
    }
    return pass_exit(self, visit, 1);
}

static int
go_on_meeting(Barrier *self, Visit *visit, int status)
{
    if (visit->stage == VISIT_MEETS) {
        status = pass_exit(self, visit, status);
    }
    else {
        visit->stage = VISIT_IS_BLOCKED;
        status = pass_entrance(self, visit, status);
        if (status < 0) {
            return leave_lock(visit, -1);
        }
        if (status > 0) {
            status = take_place(self, visit);
        }
    }
    return status == 0 ? 0 : leave_place(self, visit, status);
}

static int
go_on_resetting(Barrier *self, Visit *visit, int Py_UNUSED(status))
{
    const core_state *state = self->head.state;
    set_state(self, self->count.value > 0 ? state->barrier_RESETTING : state->barrier_FILLING);
    return leave_lock(visit, notify_all(visit) < 0 ? -1 : 1);
}

static int
go_on_aborting(Barrier *self, Visit *visit, int Py_UNUSED(status))
{
    set_state(self, self->head.state->barrier_BROKEN);
    return leave_lock(visit, notify_all(visit) < 0 ? -1 : 1);
}

/* Goes on from a wait that ended with `status`; what failed to take the lock ends there. */
static int
visit_answer(Visit *visit, int status, PyObject **result)
{
    Barrier *self = (Barrier *)visit->waiting.owner;
    if (status > 0 || (status < 0 && visit->stage != VISIT_ENTERS)) {
        status = visit->go_on(self, visit, status); // runs Python
    }
    Py_CLEAR(*result);
    if (status > 0) {
        *result = visit->stage == VISIT_MEETS ? PyLong_FromSsize_t(visit->index)
                                              : Py_NewRef(Py_None);
        return *result == NULL ? -1 : 1;
    }
    return status;
}

static int
visit_start(Coroutine *op, PyObject **result)
{
    Visit *visit = (Visit *)op;
    int status = lock_acquire_begin((SyncObject *)visit->waiting.item, &visit->waiting);
    return visit_answer(visit, status, result);
}

/* The condition's wait() is over: as condition_wait_end(). To asyncio that is a coroutine within
   this one, and closing this one closes that first: where it waits for the lock instead of ending,
   what the interpreter says of it is raised here, and it is dropped. */
static int
end_wait(Visit *visit, PyObject *error)
{
    bool is_closed = error != NULL && PyErr_GivenExceptionMatches(error, PyExc_GeneratorExit);
    PyObject *closing = is_closed ? Py_NewRef(error) : NULL;
    int status = condition_wait_end(visit->condition, &visit->waiting, error); // runs Python
    if (status == 0 && closing != NULL) {
        status = condition_wait_end(visit->condition, &visit->waiting, Py_NewRef(closing));
        PyErr_Clear(); /* what it ended with */
        PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
    }
    Py_XDECREF(closing);
    return status;
}

static int
visit_resume(Coroutine *op, PyObject **result)
{
    Visit *visit = (Visit *)op;
    PyObject *error = waiting_error(result);
    int status = visit->stage == VISIT_ENTERS
                     ? lock_acquire_end((SyncObject *)visit->waiting.item, &visit->waiting, error)
                     : end_wait(visit, error); // runs Python
    return visit_answer(visit, status, result);
}

static int
visit_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)((Visit *)op)->condition);
    return waiting_traverse(op, visit, arg);
}

static void
visit_drop(Coroutine *op)
{
    Py_CLEAR(((Visit *)op)->condition);
    waiting_drop(op);
}

static PyObject *
visit_new(Barrier *self, const coroutine_kind *kind,
          int (*go_on)(Barrier *self, Visit *visit, int status))
{
    Visit *visit = (Visit *)coroutine_new_of(self->head.state, kind, sizeof(Visit));
    if (visit == NULL) {
        return NULL;
    }
    visit->condition = (Condition *)Py_NewRef(self->condition);
    visit->waiting.owner = (SyncObject *)Py_NewRef((PyObject *)self);
    visit->waiting.item = Py_NewRef((PyObject *)condition_plain_lock(visit->condition));
    visit->go_on = go_on;
    return coroutine_begin(&visit->waiting.coroutine);
}

#define VISIT_KIND(kind_name)                                                                \
    .name = kind_name, .qualname = "Barrier." kind_name, .size_bytes = sizeof(Visit),        \
    .start = visit_start, .resume = visit_resume, .traverse = visit_traverse,                \
    .drop = visit_drop

PyObject *
barrier_wait(Barrier *self)
{
    static const coroutine_kind wait_kind = {VISIT_KIND("wait")};
    return visit_new(self, &wait_kind, go_on_meeting);
}

PyObject *
barrier_enter(Barrier *self)
{
    static const coroutine_kind enter_kind = {VISIT_KIND("__aenter__")};
    return visit_new(self, &enter_kind, go_on_meeting);
}

PyObject *
barrier_reset(Barrier *self)
{
    static const coroutine_kind reset_kind = {VISIT_KIND("reset")};
    return visit_new(self, &reset_kind, go_on_resetting);
}

PyObject *
barrier_abort(Barrier *self)
{
    static const coroutine_kind abort_kind = {VISIT_KIND("abort")};
    return visit_new(self, &abort_kind, go_on_aborting);
}

static int
exit_start(Coroutine *Py_UNUSED(op), PyObject **result)
{
    *result = Py_NewRef(Py_None);
    return 1;
}

PyObject *
barrier_leave(Barrier *self)
{
    static const coroutine_kind exit_kind = {
        WAITING_KIND("__aexit__", "Barrier.__aexit__"),
        .start = exit_start,
    };
    return waiting_new(&self->head, &exit_kind, NULL);
}
