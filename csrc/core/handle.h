/* handle.h -- a callback with its arguments, to be run once (Handle) or at a time (TimerHandle).

   The arguments lie in the object itself, after the fixed fields; a Handle that Python code made
   holds its argument tuple as the one "argument" instead (is_packed).

   A handle has the GC's header but is not tracked while the loop holds it (tracking costs as
   much as the handle): it is tracked once it has run, was cancelled or outlived its loop and
   somebody still holds it. The loop's traverse looks through the untracked ones it alone holds.

   Invariants
   1. is_dropped, which follows is_cancelled: Python sees no callback and no arguments any more;
      they are freed at once or, while the callback runs (running > 0), when it returns. The
      context stays until the handle dies.
   2. A TimerHandle whose node is in a heap: that heap's loop owns a reference to it.
   Threads: under the GIL. Since 3.14 cancel() and cancelled() of a handle made by
   call_soon_threadsafe wait, in another thread than the loop's, while the callback runs.
   Ownership: loop, callback, context, notes and arguments are references.
   Source: asyncio.Handle, asyncio.TimerHandle (Lib/asyncio/events.py). */

#ifndef PYASYNC_CORE_HANDLE_H
#define PYASYNC_CORE_HANDLE_H

#include "base/compat.h"

#include "base/check.h"
#include "base/timer_heap.h"
#include "core/loop.h"

#include <stdbool.h>

/* What debug mode keeps of a handle, in one field: with an argument it has 96 bytes then, else 112. */
enum handle_note {
    NOTE_SOURCE_TRACEBACK, /* the stack of who made it */
    NOTE_REPR,             /* what cancel() saw of it */
    NOTE_COUNT,
};

typedef struct {
    PyObject_VAR_HEAD
    PyObject *loop;
    PyObject *callback;
    PyObject *context;
    PyObject *notes; /* debug mode: a tuple by enum handle_note, or NULL */
    PyObject *weakrefs;
    uint8_t running;
    bool is_cancelled;
    bool is_dropped;
    bool is_packed;
    bool is_threadsafe; /* by call_soon_threadsafe: since 3.14 cancel() waits for the callback */
    bool is_timer;
    bool when_is_object; /* call_at() was given no plain float: when() gives the same back */
    bool is_scheduled; /* TimerHandle._scheduled as Python code set it */
} Handle;

typedef struct {
    Handle handle;
    union {
        double seconds;
        PyObject *object; /* owned, where when_is_object */
    } when;
    timer_node node;
} TimerHandle;

/* The TimerHandle of a node in a heap. Borrowed. */
static inline PyObject *
handle_of_node(timer_node *node)
{
    return (PyObject *)container_of(node, TimerHandle, node);
}

static inline PyObject **
handle_args(Handle *self)
{
    size_t offset = self->is_timer ? sizeof(TimerHandle) : sizeof(Handle);
    return (PyObject **)((char *)self + offset);
}

/* Borrowed, or NULL. */
static inline PyObject *
handle_note(const Handle *self, enum handle_note which)
{
    PyObject *note = self->notes == NULL ? Py_None : PyTuple_GET_ITEM(self->notes, which);
    return note == Py_None ? NULL : note;
}

/* Of our own exact types: what loops put into their ring. */
static inline bool
handle_is_exact(const core_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->Handle_type) || Py_IS_TYPE(object, state->TimerHandle_type);
}

/* A Handle to run `callback` in `context`, or in a copy of the current one where that is NULL. In
   debug mode it takes the caller's stack. */
PyObject *handle_new(Loop *loop, PyObject *callback, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *context);

/* The same with a time, in no heap yet. */
PyObject *timer_handle_new(Loop *loop, double when, PyObject *callback, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *context);

/* Has when() give `when` itself back, a number of another type than float. */
void timer_handle_set_when(PyObject *handle, PyObject *when);

/* Runs the callback in its context, unless cancelled; an exception goes to the loop's handler.
   0, or -1 with KeyboardInterrupt or SystemExit. Runs Python. */
int handle_run(core_state *state, Handle *self);

/* As Handle.cancel(). Runs Python in debug mode and on foreign loops. */
int handle_cancel(core_state *state, Handle *self);

/* For a handle that its loop lets go of while others may hold it: the GC looks after it now. */
void handle_release_steal(PyObject *self);

/* For the loop's traverse: visits a handle, or what it refers to where the loop alone has it. */
int handle_traverse_owned(core_state *state, PyObject *self, visitproc visit, void *arg);

/* The callback and the arguments as Python sees them: new references, the arguments a tuple (or what
   the maker gave instead). Of core_state.timeout_expire, whose argument is the object that it is a
   method of, Python sees the bound method: to make that for each timer costs as much as the rest. */
PyObject *handle_callback(Handle *self);
PyObject *handle_args_as_tuple(Handle *self);

/* Debug mode: keeps the stack of the caller. 0 or -1. Runs Python. */
int handle_take_source_traceback(core_state *state, Handle *self);

/* tp_traverse, tp_clear and tp_dealloc of both types. */
int handle_traverse(PyObject *self, visitproc visit, void *arg);
int handle_clear(PyObject *self);
void handle_dealloc(PyObject *self);

int handle_init_types(PyObject *module, core_state *state);

#endif
