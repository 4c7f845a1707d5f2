/* context.c -- taking snapshots, lending the spare Context, making real ones. */

#include "core/context.h"

#include "core/bridge.h"

PyObject *
context_take_snapshot(core_state *state)
{
    PyObject *current = PyThreadState_Get()->context;
    if (state->context_vars_offset == 0 || current == NULL) {
        return PyContext_CopyCurrent(); /* also makes the thread's first context */
    }
    return Py_NewRef(*bridge_context_vars(state, current));
}

/* A new Context with these variables. */
static SELDOM PyObject *
new_context(core_state *state, PyObject *snapshot)
{
    PyObject *context = PyContext_New();
    if (context != NULL) {
        Py_SETREF(*bridge_context_vars(state, context), Py_NewRef(snapshot));
    }
    return context;
}

/* Puts a Context with the variables of the snapshot at *stored in its place, which the snapshot's
   reference moves into: the loop's spare, or a new one. 0 or -1. */
static inline int
borrow(Loop *loop, PyObject **stored)
{
    core_state *state = loop->state;
    PyObject *context = loop->spare_context;
    if (context == NULL) {
        context = new_context(state, *stored);
        if (context == NULL) {
            return -1;
        }
        Py_SETREF(*stored, context);
        return 0;
    }
    loop->spare_context = NULL;
    PyObject **place = bridge_context_vars(state, context);
    PyObject *none = *place;
    *place = *stored;
    *stored = context;
    Py_DECREF(none);
    return 0;
}

/* Gives a borrowed Context back, steals it, and returns its variables as a new snapshot; or NULL,
   stealing nothing, where somebody else refers to it. */
static PyObject *
give_back(Loop *loop, PyObject *context)
{
    core_state *state = loop->state;
    if (Py_REFCNT(context) > 1) {
        return NULL;
    }
    PyObject **place = bridge_context_vars(state, context);
    PyObject *variables = *place;
    *place = Py_NewRef(state->no_context_vars);
    if (loop->spare_context == NULL && !loop->is_closed) {
        loop->spare_context = context;
    }
    else {
        Py_DECREF(context);
    }
    return variables;
}

PyObject *
context_enter(core_state *state, Loop *loop, PyObject **stored, bool *is_borrowed)
{
    *is_borrowed = context_is_snapshot(state, *stored);
    if (*is_borrowed && borrow(loop, stored) < 0) {
        return NULL;
    }
    PyObject *context = Py_NewRef(*stored);
    if (PyContext_Enter(context) < 0) {
        Py_CLEAR(context);
    }
    return context;
}

int
context_leave_steal(Loop *loop, PyObject **stored, PyObject *context, bool is_borrowed)
{
    int status = PyContext_Exit(context);
    bool is_stored = *stored == context;
    Py_DECREF(context);
    if (is_borrowed && is_stored) {
        PyObject *variables = give_back(loop, context);
        if (variables != NULL) {
            *stored = variables;
        }
    }
    return status;
}

int
context_materialize(core_state *state, PyObject **stored)
{
    if (!context_is_snapshot(state, *stored)) {
        return 0;
    }
    PyObject *context = new_context(state, *stored);
    if (context == NULL) {
        return -1;
    }
    Py_SETREF(*stored, context);
    return 0;
}
