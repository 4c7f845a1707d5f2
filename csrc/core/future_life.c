/* future_life.c -- how a Future or a Task comes to be, what it refers to, and how it ends.

   Invariants
   1. asyncio's part of the object is made, visited and cleared by asyncio's own type
      (stock_base_of); what of it is ours, too, we clear, and asyncio's tp_traverse visits it.
   2. Memory goes to the loop's free lists only where asyncio's part is zero, and what of ours
      future_new() and task_new() do not set.
   Source: FutureObj_traverse, FutureObj_clear and FutureObj_dealloc of Modules/_asynciomodule.c. */

#include "core/future.h"

#include "base/check.h"
#include "core/report.h"
#include "core/task.h"

#include <string.h>

/* Takes the traceback of the caller where the loop is in debug mode. Runs Python. */
static int
init_source_traceback(core_state *state, Future *self)
{
    if (self->is_own && loop_debug_is_plain_off(future_own_loop(self))) {
        return 0;
    }
    int is_debug = loop_is_debug(state, self->loop);
    if (is_debug <= 0 || interpreter_is_finalizing()) {
        return is_debug < 0 ? -1 : 0;
    }
    PyObject *stack = PyObject_CallNoArgs(state->extract_stack);
    if (stack == NULL) {
        return -1;
    }
    Py_XSETREF(self->source_traceback, stack);
    return 0;
}

int
future_refuse_second_init(const Future *self, const char *type_name)
{
    if (FUTURE_REFUSES_SECOND_INIT && future_is_alive(self)) {
        PyErr_Format(PyExc_RuntimeError, "%s object is already initialized", type_name);
        return -1;
    }
    return 0;
}

int
future_init(core_state *state, Future *self, PyObject *loop)
{
    Py_CLEAR(self->waiters);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->cancel_message);
    self->state = FUTURE_PENDING;
    self->has_exception = self->log_traceback = false;
    self->is_blocking = false;
    loop = loop == Py_None ? PyObject_CallNoArgs(state->get_event_loop) : Py_NewRef(loop);
    if (loop == NULL) {
        return -1;
    }
    self->is_own = loop_cast(state, loop) != NULL;
    Py_XSETREF(self->loop, loop);
    return init_source_traceback(state, self);
}

PyObject *
future_new(Loop *loop)
{
    core_state *state = loop->state;
    Future *self = (Future *)loop_free_list_take(&loop->free_futures, state->Future_type);
    if (self == NULL) {
        self = (Future *)state->Future_type->tp_alloc(state->Future_type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    LIVE_ADD(state, LIVE_FUTURE);
    self->is_own = true;
    self->loop = Py_NewRef((PyObject *)loop);
    if (init_source_traceback(state, self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

void
future_finalize(Future *self)
{
    if (!self->log_traceback || !future_failed(self)) {
        return;
    }
    self->log_traceback = false;
    report_unretrieved(future_state_of(self), self->loop, (PyObject *)self, self->outcome,
                       self->source_traceback);
}

/* asyncio's own type under ours, for an object of ours or of a subclass. */
static PyTypeObject *
stock_base_of(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    while (type->tp_dealloc != future_dealloc) {
        type = type->tp_base;
    }
    while (type->tp_dealloc == future_dealloc) {
        type = type->tp_base;
    }
    return type;
}

int
future_traverse(PyObject *op, visitproc visit, void *arg)
{
    Future *self = (Future *)op;
    PyTypeObject *stock = stock_base_of(op);
    int status = stock->tp_traverse(op, visit, arg);
    if (status != 0) {
        return status;
    }
    if (!PyType_HasFeature(stock, Py_TPFLAGS_HEAPTYPE)) {
        Py_VISIT(Py_TYPE(op)); /* asyncio's static types, to 3.11, do not visit it */
    }
    Py_VISIT(self->loop);
    Py_VISIT(self->waiters);
    return 0;
}

int
future_clear(PyObject *op)
{
    Future *self = (Future *)op;
    PyObject *waiters = self->waiters, *loop = self->loop;
    self->waiters = self->loop = NULL;
    self->is_own = false;
    Py_XDECREF(waiters);
    Py_XDECREF(loop);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->cancel_message);
    return stock_base_of(op)->tp_clear(op);
}

/* Whether the stock base holds nothing but what is ours, as it does but for 3.14's awaited-by set
   and a task that was registered by asyncio's own _register_task. */
static bool
stock_part_is_zero(const Future *self)
{
    Future others;
    memcpy(others.stock_words, self->stock_words, sizeof(others.stock_words));
    others.outcome = others.source_traceback = others.cancel_message = others.detail = NULL;
    others.fut_waiter = others.coro = NULL;
    uintptr_t any = 0;
    for (size_t i = 0; i < sizeof(others.stock_words) / sizeof(others.stock_words[0]); i++) {
        any |= (uintptr_t)others.stock_words[i];
    }
    return any == 0;
}

/* Whether there is something to tell of its end. */
static bool
needs_finalizer(const Future *self)
{
    return self->log_traceback
           || (self->is_task && self->state == FUTURE_PENDING && self->task_log_destroy_pending);
}

/* asyncio's own _register_task links, since 3.14, the stock base of a task into a list: it has to
   leave that before it dies. Its reference count is 0: for the call it is lent one. */
static void
unregister_from_stock(core_state *state, PyObject *op)
{
    PyObject *pending = PyErr_GetRaisedException();
    Py_SET_REFCNT(op, 1);
    PyObject *answer = PyObject_CallOneArg(state->unregister_task, op);
    if (answer == NULL) {
        PyErr_WriteUnraisable(NULL);
    }
    Py_XDECREF(answer);
    Py_SET_REFCNT(op, 0);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

/* Whether the loop takes the memory of a dead object, for the next one of its type. */
static bool
give_memory_to(core_state *state, Loop *own, PyObject *op)
{
    Future *self = (Future *)op;
    bool is_task = Py_IS_TYPE(op, state->Task_type);
    bool is_ours = is_task || Py_IS_TYPE(op, state->Future_type); /* of no subclass */
    if (!is_ours || own->is_closed || PyObject_GC_IsFinalized(op) || !stock_part_is_zero(self)) {
        return false;
    }
    self->state = FUTURE_PENDING;
    self->has_exception = false;
    self->is_blocking = false;
    return loop_free_list_put(is_task ? &own->free_tasks : &own->free_futures, op);
}

void
future_dealloc(PyObject *op)
{
    Future *self = (Future *)op;
    PyTypeObject *type = Py_TYPE(op);
    core_state *state = self->is_own ? future_state_of(self) : state_of_dying_type(type);
    bool is_exact = type->tp_dealloc == future_dealloc; /* a subclass has subtype_dealloc */
    bool is_task = self->is_task;
    if ((!is_exact || needs_finalizer(self))
        && PyObject_CallFinalizerFromDealloc(op) < 0) { // runs Python
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(op);
    if (is_task) {
        llist_remove(&((Task *)op)->node); /* before a weak reference's callback can look for it */
    }
    PyObject_ClearWeakRefs(op); // runs Python
    if (FUTURE_HAS_AWAITED_BY && is_task && state != NULL && !stock_part_is_zero(self)) {
        unregister_from_stock(state, op);
    }
    LIVE_SUB(state, is_task ? LIVE_TASK : LIVE_FUTURE);
    Loop *own = (Loop *)Py_XNewRef((PyObject *)future_own_loop(self));
    if (is_exact) {
        type->tp_clear(op);
    }
    else {
        is_task ? task_clear(op) : future_clear(op);
    }
    if (own == NULL || !give_memory_to(state, own, op)) {
        type->tp_free(op);
    }
    Py_DECREF(type);
    Py_XDECREF(own);
}
