/* waiter.h -- a done-callback in C: tells its owner that a future is done, without a Handle.

   It is among a future's waiters (core/future.h) and, once that future is done, an entry of the
   loop's ring in the place that a Handle would have. To Python it is the callable in the future's
   _callbacks; as such it is added to futures that are not ours, and then called.

   Invariants
   1. future is set exactly while the ring has it; one Waiter is added to one future of ours.
   2. Two Waiters of the same kind and owner are equal: any of them takes the others out.
   Ownership: owner, context and future are references; kind is static.
   Source: the closures that asyncio's Python code gives to add_done_callback(). */

#ifndef PYASYNC_CORE_WAITER_H
#define PYASYNC_CORE_WAITER_H

#include "base/compat.h"

#include "core/context.h"
#include "core/future.h"
#include "core/loop.h"
#include "core/state.h"

typedef struct {
    /* Of the function in asyncio: reprs of tasks and handles show it, and where it is. module is
       NULL for a method, which these cannot find. */
    const char *qualname;
    const char *module;
    /* Whether that is shown with the owner as its argument, as a functools.partial is. */
    bool shows_owner;
    /* `future` is done: 0 or -1. Any future: where it is not of ours it runs Python. */
    int (*notify)(core_state *state, PyObject *owner, PyObject *future);
    /* The Task that waits, for 3.14's call graph: borrowed, or NULL. May be NULL. */
    PyObject *(*waiting_task)(PyObject *owner);
    /* Of a callable that is no done-callback (waiter_callable): what it does when it is called with
       the tuple args. A new reference or NULL; runs Python. Else NULL. */
    PyObject *(*call)(core_state *state, PyObject *owner, PyObject *args);
} waiter_kind;

typedef struct {
    PyObject_HEAD
    const waiter_kind *kind;
    PyObject *owner;
    PyObject *context;
    PyObject *future;
} Waiter;

static inline bool
waiter_check(const core_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->Waiter_type);
}

/* Has `kind` notify `owner` when any kind of future is done, or soon where it is: 0 or -1. Context
   is the current one, as core/context.h stores it. Runs Python for a future not of ours. */
int waiter_add(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *owner,
               PyObject *context);

/* The same, of one future that needs the context for itself alone. */
static inline int
waiter_add_here(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *owner)
{
    PyObject *context = context_take_snapshot(state);
    if (context == NULL) {
        return -1;
    }
    int status = waiter_add(state, future, kind, owner, context);
    Py_DECREF(context);
    return status;
}

/* Takes it out again, if it is there: 0 or -1. Runs Python for a future not of ours. */
int waiter_remove(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *owner);

/* The same of all futures of a list, for `task` or NULL, which 3.14's call graph is told of. The
   owner keeps both. */
int waiter_add_to_all(core_state *state, PyObject *futures, const waiter_kind *kind,
                      PyObject *owner, PyObject *task);
int waiter_remove_from_all(core_state *state, PyObject *futures, const waiter_kind *kind,
                           PyObject *owner, PyObject *task);

/* A callable by itself, of a kind with `call`: a new reference or NULL. */
PyObject *waiter_callable(core_state *state, const waiter_kind *kind, PyObject *owner);

/* Notifies, for the loop that took it out of its ring; what goes wrong is told to the exception
   handler. 0, or -1 with KeyboardInterrupt or SystemExit. May run Python. */
int waiter_run(Loop *loop, Waiter *self);

/* What stands for it where somebody looks at the ring: a new Handle. */
PyObject *waiter_handle(Loop *loop, Waiter *self);

int waiter_init_type(PyObject *module, core_state *state);

#endif
