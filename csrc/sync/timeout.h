/* timeout.h -- a deadline for what the running task does within `async with`.

   Invariants
   1. CREATED, ENTERED by its task, then EXITED, or EXPIRING when the deadline has passed and
      EXPIRED once it is left; never back.
   2. handler is set while it is ENTERED with a deadline, until that has passed.
   Ownership: each field is a reference of ours; handler's callback refers back until it is
   cancelled.
   Source: asyncio.timeouts.Timeout; what differs by version is read from that class at import. */

#ifndef PYASYNC_SYNC_TIMEOUT_H
#define PYASYNC_SYNC_TIMEOUT_H

#include "base/compat.h"

#include "core/state.h"

enum timeout_state {
    TIMEOUT_CREATED,
    TIMEOUT_ENTERED,
    TIMEOUT_EXPIRING,
    TIMEOUT_EXPIRED,
    TIMEOUT_EXITED,
};

typedef struct {
    PyObject_HEAD
    core_state *module_state;
    PyObject *when; /* as it was given */
    PyObject *handler;
    PyObject *task;
    long cancelling; /* the task's count when it was entered */
    enum timeout_state state;
} Timeout;

/* As timeout(delay): one that has not been entered, or NULL. Runs Python on other loops than
   ours. */
Timeout *timeout_after(core_state *state, PyObject *delay);

/* The same of a given type and deadline. */
Timeout *timeout_new(core_state *state, PyTypeObject *type, PyObject *when);

/* Has the running loop, which is `loop`, call us at `when` (None: never) instead of when it was to
   before. 0 or -1. Runs Python on other loops than ours. */
int timeout_set_deadline(Timeout *self, PyObject *loop, PyObject *when);

/* The deadline has passed: 0, or -1 where it is not ENTERED. Runs Python. */
int timeout_expire(Timeout *self);

/* As __aenter__: 0 or -1. */
int timeout_enter(Timeout *self);

/* As __aexit__; both are None, or NULL, where nothing was raised. 0, or -1 with TimeoutError or
   what went wrong. Runs Python. */
int timeout_exit(Timeout *self, PyObject *exc_type, PyObject *exc);

/* Lets go of the timer. 0 or -1. */
int timeout_cancel_handler(Timeout *self);

/* Makes the type, and the functions timeout() and timeout_at(). */
int timeout_init(PyObject *module, core_state *state);

#endif
