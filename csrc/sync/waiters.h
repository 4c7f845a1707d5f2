/* waiters.h -- the one way in which a coroutine waits for a lock or a queue, and is woken.

   Who waits is a future in a collections.deque, as in asyncio, and that deque is what Python sees
   as _waiters, _getters or _putters: asyncio's methods, subclasses and tools work on the same one.
   The future's only callback is most often the waiting Task itself (core/future.h).

   A Waiting is the C coroutine of acquire(), wait(), get()... on an object, its owner. It begins to
   wait by waiters_join(), and whenever it is resumed calls waiters_leave() first.

   Invariants
   1. A deque's place is NULL as long as nobody had to wait, unless Python has put something there.
   2. waiting->future is set from waiters_join() to the next waiters_join() or the end.
   Ownership: each field of a Waiting is a reference, given back at its end.
   Source: asyncio.locks, asyncio.queues. */

#ifndef PYASYNC_SYNC_WAITERS_H
#define PYASYNC_SYNC_WAITERS_H

#include "base/compat.h"

#include "core/coroutine.h"
#include "sync/sync_object.h"

struct Waiting {
    Coroutine coroutine;
    SyncObject *owner;
    PyObject *future; /* that stands, or stood, among the waiters */
    PyObject *item;   /* what put() puts, the lock of Condition.wait() */
    PyObject *error;  /* what ended that, to be raised once the lock is back, */
    PyObject *latest; /* and the latest cancellation while waiting for the lock */
    int stage;
};

/* A new coroutine of the kind, ready to be given to Python. */
PyObject *waiting_new(SyncObject *owner, const coroutine_kind *kind, PyObject *item);

#define WAITING_KIND(kind_name, kind_qualname)                                               \
    .name = kind_name, .qualname = kind_qualname, .size_bytes = sizeof(Waiting),             \
    .traverse = waiting_traverse, .drop = waiting_drop

int waiting_traverse(Coroutine *self, visitproc visit, void *arg);
void waiting_drop(Coroutine *self);

/* What a kind's resume was given: the exception that was raised, or NULL. */
static inline PyObject *
waiting_error(PyObject *const *result)
{
    return *result == NULL ? PyErr_GetRaisedException() : NULL;
}

/* Ends a kind's start or resume: where status is 1, *result becomes `value`. Returns status. */
int waiting_answer(int status, PyObject **result, PyObject *value);

/* Makes a future of bound_to and puts it behind the others at *place; the coroutine is to wait for
   it: 0 (as start and resume answer), or -1. Runs Python. */
int waiters_join(PyObject **place, Waiting *waiting, SyncObject *bound_to);

/* Takes its future out: 0, or -1 where it was not among them (ValueError). */
int waiters_leave(PyObject **place, Waiting *waiting);

/* Gives the pending exception `earlier` as context, as if raised while that was handled; steals it,
   NULL is none. */
void waiters_chain_steal(PyObject *earlier);

static inline bool
waiters_are_none(PyObject *const *place)
{
    return *place == NULL || *place == Py_None;
}

static inline bool
is_deque(const core_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, (PyTypeObject *)state->deque);
}

/* What a method of deque does, without the way of a call; the deque's type was asked before. A new
   reference. The argument is NULL for methods without. */
static inline PyObject *
deque_call(PyObject *method, PyObject *deque, PyObject *argument)
{
    return ((PyMethodDescrObject *)method)->d_method->ml_meth(deque, argument);
}

/* Makes sure that deque_call() may be used: 0 or -1. */
int waiters_init(core_state *state);

/* How many there are, or -1. */
Py_ssize_t waiters_count(PyObject *const *place);

/* The index-th, a new reference; NULL with IndexError. */
PyObject *waiters_at(PyObject *const *place, Py_ssize_t index);

/* Whether all are cancelled: 1, 0 or -1. */
int waiters_are_cancelled_slow(core_state *state, PyObject *const *place);
static inline int
waiters_are_cancelled(core_state *state, PyObject *const *place)
{
    return waiters_are_none(place) ? 1 : waiters_are_cancelled_slow(state, place);
}

/* The first that is not done, a new reference: 1 with *future set, 0 where there is none, or -1. */
int waiters_first_pending(core_state *state, PyObject *const *place, PyObject **future);

/* Wakes up to `limit` of those that are not done; they stay where they are. 0 or -1. */
int waiters_wake(core_state *state, PyObject *const *place, Py_ssize_t limit, PyObject *value);

/* Takes the first ones out up to one that is not done, and wakes that: 0 or -1. May run Python. */
int waiters_pop_and_wake_slow(core_state *state, PyObject *const *place);
static inline int
waiters_pop_and_wake(core_state *state, PyObject *const *place)
{
    if (*place == NULL || (is_deque(state, *place) && Py_SIZE(*place) == 0)) {
        return 0;
    }
    return waiters_pop_and_wake_slow(state, place);
}

/* The deque at the closure's offset, made where there is none yet: for _waiters and its like. */
PyObject *waiters_get(PyObject *self, void *offset);

#endif
