/* loop_queues.c -- the loop's queues as Python sees them, and as code that iterates the loop itself
   (nest_asyncio) moves what is in them.

   Invariants
   1. What Python gets is a Handle: of an entry without one (a Task, a Waiter) a handle that does
      the same is made each time.
   2. A handle that is given out is tracked by the GC; one put in may be.
   Source: BaseEventLoop._ready (a deque), BaseEventLoop._scheduled (a heap). */

#include "core/loop.h"

#include "core/handle.h"
#include "core/loop_methods.h"
#include "core/task.h"
#include "core/waiter.h"

#include <stdlib.h>
#include <string.h>

PyObject *
loop_handle_of_steal(Loop *self, PyObject *entry)
{
    core_state *state = self->state;
    if (waiter_check(state, entry)) {
        Py_SETREF(entry, waiter_handle(self, (Waiter *)entry));
    }
    else if (Py_IS_TYPE(entry, state->Task_type)) {
        PyObject *step = task_step_callable(state, (Task *)entry, NULL);
        PyObject *context = task_context(state, (Task *)entry);
        PyObject *handle = step == NULL || context == NULL
                               ? NULL
                               : handle_new(self, step, NULL, 0, context);
        Py_XDECREF(step);
        Py_XDECREF(context);
        Py_SETREF(entry, handle);
    }
    return entry;
}

/* A new reference for Python to an entry, and the end of the one that is given. */
static PyObject *
give_out_steal(PyObject *handle)
{
    PyObject *given = Py_NewRef(handle);
    handle_release_steal(handle);
    return given;
}

PyObject *
loop_get_ready(PyObject *op, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < ring_count(&self->ready); i++) {
        PyObject *handle = loop_handle_of_steal(self, Py_NewRef(ring_peek(&self->ready, i)));
        if (handle == NULL || PyList_Append(list, handle) < 0) {
            Py_CLEAR(list);
        }
        if (handle != NULL) {
            handle_release_steal(handle);
        }
    }
    return list;
}

static int
compare_timers(const void *one, const void *other)
{
    const timer_entry *a = one, *b = other;
    if (a->deadline_ns != b->deadline_ns) {
        return a->deadline_ns < b->deadline_ns ? -1 : 1;
    }
    return a->node->sequence < b->node->sequence ? -1 : 1;
}

PyObject *
loop_get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    size_t count = self->timers.count;
    if (count == 0) {
        return PyList_New(0);
    }
    timer_entry *sorted = PyMem_New(timer_entry, count);
    if (sorted == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(sorted, self->timers.entries, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_timers);
    /* Making the list may run the GC, and so Python: the timers must outlive that. */
    for (size_t i = 0; i < count; i++) {
        Py_INCREF(handle_of_node(sorted[i].node));
    }
    PyObject *list = PyList_New((Py_ssize_t)count); // runs Python
    for (size_t i = 0; i < count; i++) {
        PyObject *handle = handle_of_node(sorted[i].node);
        if (list != NULL) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(handle));
        }
        handle_release_steal(handle);
    }
    PyMem_Free(sorted);
    return list;
}

PyObject *
Loop_count_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(ring_count(&((Loop *)op)->ready));
}

PyObject *
Loop_take_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    if (ring_count(&self->ready) == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from an empty deque");
        return NULL;
    }
    PyObject *handle = loop_handle_of_steal(self, ring_take(&self->ready));
    return handle == NULL ? NULL : give_out_steal(handle);
}

/* Where a timer of this loop waits in the heap, it is moved: the reference is the heap's then. */
static PyObject *
entry_to_put(Loop *self, PyObject *handle)
{
    if (Py_IS_TYPE(handle, self->state->TimerHandle_type)) {
        TimerHandle *timer = (TimerHandle *)handle;
        if (timer->handle.loop == (PyObject *)self && timer_node_is_in(&timer->node)) {
            timer_heap_remove(&self->timers, &timer->node);
            return handle;
        }
    }
    return Py_NewRef(handle);
}

PyObject *
Loop_put_ready(PyObject *op, PyObject *handle)
{
    Loop *self = (Loop *)op;
    if (loop_put_steal(self, entry_to_put(self, handle)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
Loop_put_ready_first(PyObject *op, PyObject *handle)
{
    Loop *self = (Loop *)op;
    PyObject *entry = entry_to_put(self, handle);
    if (ring_put_first(&self->ready, entry) < 0) {
        Py_DECREF(entry);
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}
