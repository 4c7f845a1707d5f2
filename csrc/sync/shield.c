/* shield.c -- shield(): an outer future that follows an inner one, and can be cancelled alone.

   Invariants
   1. The inner future has a Waiter of ours until it is done, or the outer one is.
   Source: asyncio.shield (Lib/asyncio/tasks.py). */

#include "sync/shield.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/args.h"
#include "core/context.h"
#include "core/function.h"
#include "core/future.h"
#include "core/task.h"
#include "core/waiter.h"

typedef struct {
    PyObject_HEAD
    PyObject *inner;
    PyObject *outer;
    PyObject *waiting_task; /* who called shield(), for 3.14's call graph; else NULL */
} Shield;

/* ---- one of the two is done ---- */

/* outer.set_result(value) or outer.set_exception(value). Steals value, which may be NULL. */
static int
tell_outer_steal(core_state *state, PyObject *outer, PyObject *value, bool is_exception)
{
    if (value == NULL) {
        return -1;
    }
    int status = is_exception ? awaitable_set_exception(state, outer, value)
                              : awaitable_set_result(state, outer, value);
    Py_DECREF(value);
    return status;
}

/* Nobody hears of the inner future any more: before 3.14 its exception counts as retrieved. */
static int
forget_outcome(core_state *state, PyObject *inner)
{
    int is_cancelled = SHIELD_LOGS_LATE_EXCEPTIONS ? 1 : awaitable_is_cancelled(state, inner);
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : 0;
    }
    return status_steal(awaitable_exception(state, inner)); // runs Python
}

static int
inner_is_done(core_state *state, PyObject *owner, PyObject *inner)
{
    Shield *self = (Shield *)owner;
    PyObject *outer = self->outer;
    if (outer == NULL) {
        return 0;
    }
    int is_cancelled = awaitable_discard_awaited_by(state, self->inner, self->waiting_task) < 0
                           ? -1
                           : awaitable_is_cancelled(state, outer); // runs Python, as all here
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : forget_outcome(state, inner);
    }
    is_cancelled = awaitable_is_cancelled(state, inner);
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : (awaitable_cancel(state, outer, NULL) < 0 ? -1 : 0);
    }
    PyObject *exception = awaitable_exception(state, inner);
    if (exception != Py_None) {
        return tell_outer_steal(state, outer, exception, true);
    }
    Py_DECREF(exception);
    return tell_outer_steal(state, outer, awaitable_result(state, inner), false);
}

static PyObject *
waiting_task_of(PyObject *owner)
{
    return ((Shield *)owner)->waiting_task;
}

static const waiter_kind inner_waiter = {
    .qualname = "shield.<locals>._inner_done_callback",
    .module = "asyncio.tasks",
    .notify = inner_is_done,
    .waiting_task = waiting_task_of,
};

static int
outer_is_done(core_state *state, PyObject *owner, PyObject *Py_UNUSED(outer))
{
    Shield *self = (Shield *)owner;
    int is_done = self->inner == NULL ? 1 : awaitable_is_done(state, self->inner); // runs Python
    if (is_done != 0) {
        return is_done < 0 ? -1 : 0;
    }
    if (waiter_remove(state, self->inner, &inner_waiter, owner) < 0) {
        return -1;
    }
    return awaitable_discard_awaited_by(state, self->inner, self->waiting_task);
}

static const waiter_kind outer_waiter = {
    .qualname = "shield.<locals>._outer_done_callback",
    .module = "asyncio.tasks",
    .notify = outer_is_done,
};

/* ---- the call ---- */

static int
add_waiters(core_state *state, Shield *self)
{
    if (awaitable_add_awaited_by(state, self->inner, self->waiting_task) < 0) {
        return -1;
    }
    PyObject *context = context_take_snapshot(state);
    int status = -1;
    if (context != NULL) {
        status = waiter_add(state, self->inner, &inner_waiter, (PyObject *)self, context);
    }
    if (status == 0) {
        status = waiter_add(state, self->outer, &outer_waiter, (PyObject *)self, context);
    }
    Py_XDECREF(context);
    return status;
}

/* The outer future of an inner one that is not done. */
static PyObject *
make_outer(core_state *state, PyObject *inner)
{
    Shield *self = (Shield *)state->Shield_type->tp_alloc(state->Shield_type, 0);
    PyObject *loop = self == NULL ? NULL : awaitable_loop_of(state, inner); // runs Python
    PyObject *outer = NULL;
    if (loop != NULL) {
        self->inner = Py_NewRef(inner);
        self->outer = loop_create_future(state, loop);
        if (self->outer != NULL && state->add_to_awaited_by != NULL) {
            self->waiting_task = awaitable_current_task(state, loop);
        }
        if (self->outer != NULL && !PyErr_Occurred() && add_waiters(state, self) == 0) {
            outer = Py_NewRef(self->outer);
        }
        Py_DECREF(loop);
    }
    Py_XDECREF(self);
    return outer;
}

static PyObject *
shield_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"arg"}, 1, 1, 1};
    PyObject *bound[1];
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    core_state *state = function_state(function);
    PyObject *inner = awaitable_ensure_future(state, bound[0], NULL); // runs Python
    int is_done = inner == NULL ? -1 : awaitable_is_done(state, inner);
    if (is_done > 0) {
        return inner;
    }
    PyObject *outer = is_done < 0 ? NULL : make_outer(state, inner);
    Py_XDECREF(inner);
    return outer;
}

/* ---- the type, which Python never sees ---- */

static int
Shield_traverse(PyObject *op, visitproc visit, void *arg)
{
    Shield *self = (Shield *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->inner);
    Py_VISIT(self->outer);
    Py_VISIT(self->waiting_task);
    return 0;
}

static int
Shield_clear(PyObject *op)
{
    Shield *self = (Shield *)op;
    Py_CLEAR(self->inner);
    Py_CLEAR(self->outer);
    Py_CLEAR(self->waiting_task);
    return 0;
}

static void
Shield_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Shield_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot Shield_slots[] = {
    {Py_tp_doc, "What shield() keeps of its two futures."},
    {Py_tp_traverse, Shield_traverse},
    {Py_tp_clear, Shield_clear},
    {Py_tp_dealloc, Shield_dealloc},
    {0, NULL},
};

static PyType_Spec Shield_spec = {
    .name = "pyasync._core.Shield",
    .basicsize = sizeof(Shield),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Shield_slots,
};

static const function_definition shield_definition = {
    .name = "shield",
    .module = "pyasync.tasks",
    .call = shield_call,
    .doc = "A future that follows arg, and does not cancel it when it is cancelled itself.\n\n"
           "Keep a reference to arg: the loop does not. As asyncio.shield.",
};

int
shield_init(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->Shield_type, &Shield_spec, NULL) < 0
               ? -1
               : function_add(module, &shield_definition);
}
