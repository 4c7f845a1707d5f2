/* timer.h -- a timer of any loop that calls with one argument, and its end.

   Source: loop.call_later() and TimerHandle.cancel(). */

#ifndef PYASYNC_SYNC_TIMER_H
#define PYASYNC_SYNC_TIMER_H

#include "core/answer.h"
#include "core/handle.h"
#include "core/state.h"

/* loop.call_later(delay, callback, argument): a new reference or NULL. Runs Python. */
static inline PyObject *
timer_call_later(core_state *state, PyObject *loop, PyObject *delay, PyObject *callback,
                 PyObject *argument)
{
    PyObject *stack[] = {loop, delay, callback, argument};
    return PyObject_VectorcallMethod(state->name_call_later, stack,
                                     4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* timer.cancel(): 0 or -1. Runs Python in debug mode and for a timer that is not of ours. */
static inline int
timer_cancel(core_state *state, PyObject *timer)
{
    if (handle_is_exact(state, timer)) {
        return handle_cancel(state, (Handle *)timer);
    }
    return status_steal(PyObject_CallMethodNoArgs(timer, state->name_cancel));
}

#endif
