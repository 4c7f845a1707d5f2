/* loop_clock.c -- what time it is for a loop: our clock, or whatever a program has put in its place.

   asyncio's loop.time() calls `time.monotonic()`, by its name. Who replaces that (a frozen clock in
   tests) changes the time of every loop, of ours as well: looking costs 4 ns of the 120 of a timer.
   Source: BaseEventLoop.time. */

#include "core/loop.h"

#include "base/clock.h"
#include "core/loop_methods.h"
#include "core/namespace.h"

/* Whether time.monotonic is what it was. Keeps the pending exception. */
static bool
clock_is_plain(core_state *state)
{
    return namespace_get(state->time_namespace, &state->monotonic_place, state->name_monotonic)
           == state->monotonic;
}

static bool
clock_is_ours(Loop *self)
{
    return self->time_is_ours && clock_is_plain(self->state);
}

int
loop_time(Loop *self, double *seconds)
{
    if (clock_is_ours(self)) {
        *seconds = clock_seconds(clock_now_ns());
        return 0;
    }
    PyObject *time = PyObject_CallMethodNoArgs((PyObject *)self, self->state->name_time);
    *seconds = time == NULL ? -1.0 : PyFloat_AsDouble(time); // runs Python
    Py_XDECREF(time);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

int
loop_now_ns(Loop *self, int64_t *now)
{
    if (clock_is_ours(self)) {
        *now = clock_now_ns();
        return 0;
    }
    double seconds;
    if (loop_time(self, &seconds) < 0) { // runs Python
        return -1;
    }
    *now = clock_deadline_ns(seconds);
    return 0;
}

PyObject *
Loop_time(PyObject *op, PyObject *Py_UNUSED(unused))
{
    core_state *state = ((Loop *)op)->state;
    if (clock_is_plain(state)) {
        return PyFloat_FromDouble(clock_seconds(clock_now_ns()));
    }
    return PyObject_CallMethodNoArgs(state->time_module, state->name_monotonic); // runs Python
}
