/* gather.c -- gather(): a future for each argument, and one for all of them.

   Arguments that are equal share a future. Nearly all are compared by identity: those are looked
   for in a table of pointers, at a fifth of what a dict takes; where one is not, all go into a
   dict, in the order in which asyncio asks them for their hashes.
   Source: asyncio.gather (Lib/asyncio/tasks.py). */

#include "sync/gather.h"

#include "core/awaitable.h"
#include "core/context.h"
#include "core/function.h"
#include "core/task.h"
#include "sync/gathering_future.h"

#include <stdint.h>
#include <string.h>

/* ---- which argument was there before ---- */

enum { SMALL_TABLE = 64 };

typedef struct {
    PyObject *dict;        /* {argument: future}; or NULL, then the table holds them */
    Py_ssize_t *table;     /* of numbers of arguments, from 1 */
    size_t mask;
    Py_ssize_t small[SMALL_TABLE];
} seen_arguments;

/* Whether objects of this type are equal to themselves only. */
static bool
is_compared_by_identity(const PyTypeObject *type)
{
    return type->tp_hash == PyBaseObject_Type.tp_hash
           && type->tp_richcompare == PyBaseObject_Type.tp_richcompare;
}

static int
seen_init(seen_arguments *seen, PyObject *const *args, Py_ssize_t nargs)
{
    *seen = (seen_arguments){.table = seen->small, .mask = SMALL_TABLE - 1};
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (!is_compared_by_identity(Py_TYPE(args[i]))) {
            seen->dict = PyDict_New();
            return seen->dict == NULL ? -1 : 0;
        }
    }
    size_t size = SMALL_TABLE;
    while (size < (size_t)nargs * 2) {
        size *= 2;
    }
    seen->mask = size - 1;
    if (size > SMALL_TABLE) {
        seen->table = PyMem_Calloc(size, sizeof(Py_ssize_t));
        if (seen->table == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static void
seen_fini(seen_arguments *seen)
{
    if (seen->table != seen->small) {
        PyMem_Free(seen->table);
    }
    Py_CLEAR(seen->dict);
}

/* The future of an argument that equals args[i], a new reference, or NULL: the place in the table
   is taken by i then. The children are the futures of the arguments before. 0 or -1. */
static int
seen_find(seen_arguments *seen, PyObject *const *args, Py_ssize_t i, PyObject *children,
          PyObject **future)
{
    if (seen->dict != NULL) {
        return PyDict_GetItemRef(seen->dict, args[i], future) < 0 ? -1 : 0; // runs Python
    }
    *future = NULL;
    size_t place = ((uintptr_t)args[i] >> 4) * 0x9E3779B97F4A7C15u >> 16;
    for (;; place++) {
        Py_ssize_t *entry = &seen->table[place & seen->mask];
        if (*entry == 0) {
            *entry = i + 1;
            return 0;
        }
        if (args[*entry - 1] == args[i]) {
            if (*entry - 1 < PyList_GET_SIZE(children)) {
                *future = Py_NewRef(PyList_GET_ITEM(children, *entry - 1));
            }
            return 0;
        }
    }
}

/* ---- the call ---- */

typedef struct {
    core_state *state;
    GatheringFuture *outer; /* from the first future on */
    PyObject *loop;         /* the same */
    PyObject *context;
    PyObject *done;         /* list of the futures that were done already, or NULL */
    bool returns_exceptions;
} gathering;

static int
begin_outer(gathering *self, PyObject *future)
{
    core_state *state = self->state;
    if (self->loop == NULL) {
        self->loop = awaitable_loop_of(state, future); // runs Python
    }
    self->context = self->loop == NULL ? NULL : context_take_snapshot(state);
    if (self->context == NULL) {
        return -1;
    }
    self->outer = gathering_future_new(state, self->loop, self->returns_exceptions);
    if (self->outer == NULL) {
        return -1;
    }
    if (state->add_to_awaited_by != NULL) {
        self->outer->waiting_task = awaitable_current_task(state, self->loop);
        return PyErr_Occurred() ? -1 : 0;
    }
    return 0;
}

/* A task that nobody but gather() knows: who could see to it that it does not die pending? */
static int
forget_destroy_pending(core_state *state, PyObject *task)
{
    if (Py_IS_TYPE(task, state->Task_type)) {
        ((Task *)task)->future.task_log_destroy_pending = false;
        return 0;
    }
    return PyObject_SetAttr(task, state->name_log_destroy_pending, Py_False); // runs Python
}

/* Waits for a child that is not done; the others are looked at when all are there. */
static int
wait_for_child(gathering *self, PyObject *child)
{
    core_state *state = self->state;
    int is_done = GATHER_LOOKS_AT_DONE_ONES ? awaitable_is_done(state, child) : 0; // runs Python
    if (is_done < 0) {
        return -1;
    }
    if (is_done) {
        if (self->done == NULL && (self->done = PyList_New(0)) == NULL) {
            return -1;
        }
        return PyList_Append(self->done, child);
    }
    if (awaitable_add_awaited_by(state, child, self->outer->waiting_task) < 0) {
        return -1;
    }
    return waiter_add(state, child, &gathering_waiter, (PyObject *)self->outer, self->context);
}

/* A future for an argument that was not there before, among the children. */
static PyObject *
add_child(gathering *self, PyObject *argument)
{
    PyObject *child = awaitable_ensure_future(self->state, argument, self->loop); // runs Python
    if (child == NULL) {
        return NULL;
    }
    if ((self->outer == NULL && begin_outer(self, child) < 0)
        || (child != argument && forget_destroy_pending(self->state, child) < 0)) {
        Py_DECREF(child);
        return NULL;
    }
    self->outer->count++;
    if (wait_for_child(self, child) < 0) {
        Py_DECREF(child);
        return NULL;
    }
    return child;
}

static int
add_children(gathering *self, PyObject *const *args, Py_ssize_t nargs)
{
    seen_arguments seen;
    int status = seen_init(&seen, args, nargs);
    PyObject *children = NULL; /* the outer future's */
    for (Py_ssize_t i = 0; status == 0 && i < nargs; i++) {
        PyObject *child;
        status = seen_find(&seen, args, i, children, &child); // runs Python
        if (status == 0 && child == NULL) {
            child = add_child(self, args[i]); // runs Python
            if (child == NULL
                || (seen.dict != NULL && PyDict_SetItem(seen.dict, args[i], child) < 0)) {
                Py_CLEAR(child);
                status = -1;
            }
        }
        if (status == 0) {
            children = self->outer->children;
            status = PyList_Append(children, child);
        }
        Py_XDECREF(child);
    }
    seen_fini(&seen);
    return status;
}

/* What was done before is as if it was done now. */
static int
notify_of_done(gathering *self)
{
    self->outer->is_open = true;
    for (Py_ssize_t i = 0; self->done != NULL && i < PyList_GET_SIZE(self->done); i++) {
        if (gathering_future_notify(self->state, (PyObject *)self->outer,
                                    PyList_GET_ITEM(self->done, i)) < 0) { // runs Python
            return -1;
        }
    }
    return 0;
}

static PyObject *
gather_some(core_state *state, PyObject *const *args, Py_ssize_t nargs, bool returns_exceptions)
{
    gathering self = {.state = state, .returns_exceptions = returns_exceptions};
    int status = add_children(&self, args, nargs);
    if (status == 0) {
        status = notify_of_done(&self);
    }
    Py_XDECREF(self.loop);
    Py_XDECREF(self.context);
    Py_XDECREF(self.done);
    if (status < 0) {
        Py_CLEAR(self.outer);
    }
    return (PyObject *)self.outer;
}

/* A future of the current loop that has the result already. */
static PyObject *
gather_nothing(core_state *state)
{
    PyObject *loop = PyObject_CallNoArgs(state->get_event_loop); // runs Python
    PyObject *future = loop == NULL ? NULL : loop_create_future(state, loop);
    Py_XDECREF(loop);
    PyObject *list = future == NULL ? NULL : PyList_New(0);
    if (list == NULL || awaitable_set_result(state, future, list) < 0) {
        Py_CLEAR(future);
    }
    Py_XDECREF(list);
    return future;
}

static PyObject *
gather_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    core_state *state = function_state(function);
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (keywords > 1
        || (keywords == 1
            && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "return_exceptions")
                   != 0)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    if (nargs == 0) {
        return gather_nothing(state);
    }
    int returns_exceptions = keywords == 0 ? 0 : PyObject_IsTrue(args[nargs]); // runs Python
    return returns_exceptions < 0 ? NULL : gather_some(state, args, nargs, returns_exceptions);
}

static const function_definition gather_definition = {
    .name = "gather",
    .module = "pyasync.tasks",
    .call = gather_call,
    .doc = "A future for the list of the results of all arguments, in their order.\n\n"
           "The first exception ends it, and the others go on; with return_exceptions an\n"
           "exception is a result. Cancelling it cancels them all. As asyncio.gather.",
};

int
gather_init(PyObject *module, core_state *state)
{
    if (gathering_future_init_type(module, state) < 0) {
        return -1;
    }
    return function_add(module, &gather_definition);
}
