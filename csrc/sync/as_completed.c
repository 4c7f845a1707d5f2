/* as_completed.c -- making the iterator, and what a done future and a timeout do to it. */

#include "sync/as_completed.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/function.h"
#include "core/future.h"
#include "core/task.h"
#include "core/waiter.h"
#include "sync/getters.h"
#include "sync/timer.h"

/* ---- a future is done ---- */

/* There is one more to be fetched: a future, or None. */
static int
put(core_state *state, AsCompleted *self, PyObject *future)
{
    if (PyList_Append(self->completed, future) < 0) {
        return -1;
    }
    return getters_wake_next(state, self->getters); // runs Python
}

static int
as_completed_notify(core_state *state, PyObject *owner, PyObject *future)
{
    AsCompleted *self = (AsCompleted *)owner;
    if (self->unfinished == 0) {
        return 0;
    }
    self->unfinished--;
    if (awaitable_discard_awaited_by(state, future, self->waiting_task) < 0
        || put(state, self, future) < 0) {
        return -1;
    }
    return self->unfinished == 0 && self->timer != NULL ? timer_cancel(state, self->timer) : 0;
}

static PyObject *
waiting_task_of(PyObject *owner)
{
    return ((AsCompleted *)owner)->waiting_task;
}

static const waiter_kind as_completed_waiter = {
    .qualname = AS_COMPLETED_LOCALS AS_COMPLETED_CALLBACK,
    .module = AS_COMPLETED_IS_ASYNC ? NULL : "asyncio.tasks",
    .notify = as_completed_notify,
    .waiting_task = waiting_task_of,
};

/* Time is up: whoever waits for one of the others gets a TimeoutError. */
static PyObject *
AsCompleted_handle_timeout(PyObject *op, PyObject *Py_UNUSED(unused))
{
    AsCompleted *self = (AsCompleted *)op;
    core_state *state = state_of(op);
    Py_ssize_t unfinished = self->unfinished;
    self->unfinished = 0;
    if (waiter_remove_from_all(state, self->futures, &as_completed_waiter, op,
                               self->waiting_task) < 0) { // runs Python
        return NULL;
    }
    for (; unfinished > 0; unfinished--) {
        if (put(state, self, Py_None) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* ---- the call ---- */

static int
refuse_single(core_state *state, PyObject *fs)
{
    int is_single;
    if (AS_COMPLETED_IS_ASYNC) {
        is_single = truth_steal(PyObject_CallOneArg(state->isawaitable, fs)); // runs Python
    }
    else {
        is_single = awaitable_is_future(state, fs); // runs Python
        if (is_single == 0) {
            is_single = awaitable_is_coroutine(state, fs);
        }
    }
    PyObject *name = is_single <= 0 ? NULL : PyType_GetName(Py_TYPE(fs));
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, AS_COMPLETED_REFUSAL ", not %U", name);
        Py_DECREF(name);
    }
    return is_single == 0 ? 0 : -1;
}

/* A list of the different futures of what is different in `fs`. */
static PyObject *
make_futures(core_state *state, PyObject *fs, PyObject *loop)
{
    PyObject *set = PySet_New(fs); // runs Python
    PyObject *awaitables = set == NULL ? NULL : PySequence_List(set);
    int status = awaitables == NULL ? -1 : PySet_Clear(set);
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(awaitables); i++) {
        PyObject *future = awaitable_ensure_future(state, PyList_GET_ITEM(awaitables, i), loop);
        status = future == NULL ? -1 : PySet_Add(set, future); // runs Python
        Py_XDECREF(future);
    }
    PyObject *futures = status < 0 ? NULL : PySequence_List(set);
    Py_XDECREF(awaitables);
    Py_XDECREF(set);
    return futures;
}

static int
add_waiters(core_state *state, AsCompleted *self)
{
    self->unfinished = PyList_GET_SIZE(self->futures);
    return waiter_add_to_all(state, self->futures, &as_completed_waiter, (PyObject *)self,
                             self->waiting_task); // runs Python
}

static int
start_timer(core_state *state, AsCompleted *self, PyObject *loop, PyObject *timeout)
{
    PyObject *callback = PyObject_GetAttr((PyObject *)self, state->name_handle_timeout);
    if (callback == NULL) {
        return -1;
    }
    PyObject *stack[] = {loop, timeout, callback};
    self->timer = PyObject_VectorcallMethod(state->name_call_later, stack,
                                            3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(callback); // runs Python
    return self->timer == NULL ? -1 : 0;
}

static int
fill(core_state *state, AsCompleted *self, PyObject *fs, PyObject *timeout)
{
    PyObject *loop = PyObject_CallNoArgs(state->get_event_loop); // runs Python
    if (loop == NULL) {
        return -1;
    }
    int status = 0;
    if (state->add_to_awaited_by != NULL) {
        PyObject *task = PyObject_CallNoArgs(state->current_task);
        status = task == NULL ? -1 : 0;
        self->waiting_task = task == Py_None ? NULL : Py_XNewRef(task);
        Py_XDECREF(task);
    }
    if (status == 0) {
        Py_SETREF(self->futures, make_futures(state, fs, loop)); // runs Python
        status = self->futures == NULL ? -1 : add_waiters(state, self);
    }
    if (status == 0) {
        self->left = PyList_GET_SIZE(self->futures);
        status = self->left > 0 && timeout != Py_None ? start_timer(state, self, loop, timeout)
                                                      : 0;
    }
    Py_DECREF(loop);
    return status;
}

static PyObject *
as_completed_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"fs", "timeout"}, 2, 1, 1};
    PyObject *bound[2];
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    core_state *state = function_state(function);
    if (refuse_single(state, bound[0]) < 0) {
        return NULL;
    }
    PyTypeObject *type = state->AsCompleted_type;
    AsCompleted *self = (AsCompleted *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->futures = PyList_New(0);
    self->completed = PyList_New(0);
    self->getters = PyList_New(0);
    if (self->futures == NULL || self->completed == NULL || self->getters == NULL
        || fill(state, self, bound[0], bound[1] == NULL ? Py_None : bound[1]) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* ---- what Python sees ---- */

static PyObject *
AsCompleted_iternext(PyObject *op)
{
    AsCompleted *self = (AsCompleted *)op;
    if (self->left == 0) {
        return NULL;
    }
    self->left--;
    return next_completed_result(state_of(op), self);
}

static int
AsCompleted_traverse(PyObject *op, visitproc visit, void *arg)
{
    AsCompleted *self = (AsCompleted *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->futures);
    Py_VISIT(self->completed);
    Py_VISIT(self->getters);
    Py_VISIT(self->loop);
    Py_VISIT(self->timer);
    Py_VISIT(self->waiting_task);
    return 0;
}

/* The lists stay, empty: a Waiter may tell of a future still. */
static int
AsCompleted_clear(PyObject *op)
{
    AsCompleted *self = (AsCompleted *)op;
    PyObject *lists[] = {self->futures, self->completed, self->getters};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(lists); i++) {
        if (lists[i] != NULL) {
            (void)PyList_SetSlice(lists[i], 0, PyList_GET_SIZE(lists[i]), NULL);
        }
    }
    self->taken = 0;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->timer);
    Py_CLEAR(self->waiting_task);
    return 0;
}

static void
AsCompleted_dealloc(PyObject *op)
{
    AsCompleted *self = (AsCompleted *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    AsCompleted_clear(op);
    Py_CLEAR(self->futures);
    Py_CLEAR(self->completed);
    Py_CLEAR(self->getters);
    type->tp_free(op);
    Py_DECREF(type);
}

#if AS_COMPLETED_IS_ASYNC

static PyObject *
AsCompleted_anext(PyObject *op)
{
    return next_completed_future(state_of(op), (AsCompleted *)op);
}

#  define AS_COMPLETED_ASYNC_SLOTS                                                           \
      {Py_am_aiter, PyObject_SelfIter}, {Py_am_anext, AsCompleted_anext},
#else
#  define AS_COMPLETED_ASYNC_SLOTS
#endif

static PyMethodDef AsCompleted_methods[] = {
    {"_handle_timeout", AsCompleted_handle_timeout, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef AsCompleted_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(AsCompleted, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot AsCompleted_slots[] = {
    {Py_tp_doc, "What as_completed() returns."},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, AsCompleted_iternext},
    AS_COMPLETED_ASYNC_SLOTS
    {Py_tp_traverse, AsCompleted_traverse},
    {Py_tp_clear, AsCompleted_clear},
    {Py_tp_dealloc, AsCompleted_dealloc},
    {Py_tp_methods, AsCompleted_methods},
    {Py_tp_members, AsCompleted_members},
    {0, NULL},
};

static PyType_Spec AsCompleted_spec = {
    .name = "pyasync.tasks._AsCompletedIterator",
    .basicsize = sizeof(AsCompleted),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = AsCompleted_slots,
};

static const function_definition as_completed_definition = {
    .name = "as_completed",
    .module = "pyasync.tasks",
    .call = as_completed_call,
    .doc = "An iterator over coroutines, each for the result of the next future that is done.\n\n"
           "timeout in seconds: then the coroutines that are left raise TimeoutError. As\n"
           "asyncio.as_completed.",
};

int
as_completed_init_type(PyObject *module, core_state *state)
{
    if (state_make_type(module, &state->AsCompleted_type, &AsCompleted_spec, NULL) < 0
        || next_completed_init(state) < 0) {
        return -1;
    }
    return function_add(module, &as_completed_definition);
}
