/* handle.c -- Handle and TimerHandle: making, running and cancelling a callback, and the types. */

#include "core/handle.h"

#include "base/check.h"
#include "core/context.h"
#include "core/report.h"

#include <pythread.h>

enum {
    SMALL_CAPACITY = 1,  /* arguments in the smaller size of free Handles */
    MEDIUM_CAPACITY = 2, /* in the larger one, and in every free TimerHandle */
};

static Py_ssize_t
capacity_for(bool is_timer, Py_ssize_t nargs)
{
    if (nargs > MEDIUM_CAPACITY) {
        return nargs;
    }
    return nargs > SMALL_CAPACITY || is_timer ? MEDIUM_CAPACITY : SMALL_CAPACITY;
}

/* The free list for handles with that many arguments, or NULL. */
static free_list *
free_list_for(Loop *loop, bool is_timer, Py_ssize_t nargs)
{
    if (nargs > MEDIUM_CAPACITY) {
        return NULL;
    }
    return is_timer ? &loop->free_timer_handles : &loop->free_handles[nargs > SMALL_CAPACITY];
}

/* Memory for a handle of an exact type: untracked, fields not set but type and reference count. */
static Handle *
allocate(Loop *loop, PyTypeObject *type, bool is_timer, Py_ssize_t nargs)
{
    free_list *list = free_list_for(loop, is_timer, nargs);
    if (list != NULL && list->count > 0) {
        return (Handle *)PyObject_Init(list->items[--list->count], type);
    }
    return PyObject_GC_NewVar(Handle, type, capacity_for(is_timer, nargs));
}

static int
take_source_traceback(core_state *state, Handle *self)
{
    Py_XSETREF(self->source_traceback, PyObject_CallNoArgs(state->extract_handle_stack));
    return self->source_traceback == NULL ? -1 : 0;
}

static Handle *
make(Loop *loop, PyTypeObject *type, bool is_timer, PyObject *callback, PyObject *const *args,
     Py_ssize_t nargs, PyObject *context)
{
    context = context == NULL ? context_take_snapshot(loop->state) : Py_NewRef(context);
    if (context == NULL) {
        return NULL;
    }
    Handle *self = allocate(loop, type, is_timer, nargs);
    if (self == NULL) {
        Py_DECREF(context);
        return NULL;
    }
    LIVE_ADD(loop->state, is_timer ? LIVE_TIMER_HANDLE : LIVE_HANDLE);
    Py_SET_SIZE(self, nargs);
    self->loop = Py_NewRef((PyObject *)loop);
    self->callback = Py_NewRef(callback);
    self->context = context;
    self->source_traceback = self->repr = self->weakrefs = NULL;
    self->running = 0;
    self->is_cancelled = self->is_dropped = self->is_packed = self->is_threadsafe = false;
    self->when_is_object = self->is_scheduled = false;
    self->is_timer = is_timer;
    PyObject **own_args = handle_args(self);
    for (Py_ssize_t i = 0; i < nargs; i++) {
        own_args[i] = Py_NewRef(args[i]);
    }
    if (is_timer) {
        ((TimerHandle *)self)->node.index = TIMER_NODE_OUT;
    }
    if (!loop_debug_is_plain_off(loop)) {
        int is_debug = PyObject_IsTrue(loop->debug);
        if (is_debug < 0 || (is_debug && take_source_traceback(loop->state, self) < 0)) {
            Py_DECREF(self);
            return NULL;
        }
    }
    return self;
}

PyObject *
handle_new(Loop *loop, PyObject *callback, PyObject *const *args, Py_ssize_t nargs,
           PyObject *context)
{
    return (PyObject *)make(loop, loop->state->Handle_type, false, callback, args, nargs, context);
}

PyObject *
timer_handle_new(Loop *loop, double when, PyObject *callback, PyObject *const *args,
                 Py_ssize_t nargs, PyObject *context)
{
    Handle *self = make(loop, loop->state->TimerHandle_type, true, callback, args, nargs, context);
    if (self != NULL) {
        ((TimerHandle *)self)->when.seconds = when;
    }
    return (PyObject *)self;
}

void
timer_handle_set_when(PyObject *op, PyObject *when)
{
    TimerHandle *self = (TimerHandle *)op;
    PyObject *old = self->handle.when_is_object ? self->when.object : NULL;
    self->handle.when_is_object = !PyFloat_CheckExact(when);
    if (self->handle.when_is_object) {
        self->when.object = Py_NewRef(when);
    }
    else {
        self->when.seconds = PyFloat_AS_DOUBLE(when);
    }
    Py_XDECREF(old);
}

/* Drops callback and arguments. May run Python (destructors). */
static void
drop_callback(Handle *self)
{
    Py_ssize_t nargs = Py_SIZE(self);
    PyObject **args = handle_args(self);
    PyObject *callback = self->callback;
    self->callback = NULL;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        Py_CLEAR(args[i]);
    }
    Py_XDECREF(callback);
}

static PyObject *
args_as_tuple(Handle *self)
{
    PyObject **args = handle_args(self);
    Py_ssize_t nargs = Py_SIZE(self);
    if (self->is_packed) {
        return Py_XNewRef(args[0]);
    }
    PyObject *tuple = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; tuple != NULL && i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i] == NULL ? Py_None : args[i]));
    }
    return tuple;
}

/* context.run(callback, *args) of a context that is not contextvars' own type. */
static PyObject *
run_in_foreign_context(Handle *self, PyObject *args)
{
    PyObject *run = PyObject_GetAttrString(self->context, "run");
    PyObject *head = PyTuple_Pack(1, self->callback);
    PyObject *all = head == NULL ? NULL : PySequence_Concat(head, args);
    PyObject *answer = run == NULL || all == NULL ? NULL : PyObject_CallObject(run, all);
    Py_XDECREF(run);
    Py_XDECREF(head);
    Py_XDECREF(all);
    return answer;
}

static PyObject *
call_packed(Handle *self)
{
    PyObject *args = PySequence_Tuple(handle_args(self)[0]);
    PyObject *answer = args == NULL ? NULL : PyObject_CallObject(self->callback, args);
    Py_XDECREF(args);
    return answer;
}

static PyObject *
call_entered(Handle *self, PyObject *context)
{
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    PyObject *answer = self->is_packed ? call_packed(self)
                                       : PyObject_Vectorcall(self->callback, handle_args(self),
                                                             (size_t)Py_SIZE(self), NULL);
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(answer);
    }
    return answer;
}

static PyObject *
call(core_state *state, Handle *self)
{
    PyObject *context = self->context;
    if (context_is_snapshot(state, context)) {
        Loop *loop = (Loop *)self->loop; /* only loops of ours make handles with snapshots */
        context = context_borrow(loop, context);
        PyObject *answer = context == NULL ? NULL : call_entered(self, context);
        PyObject *variables = context == NULL ? NULL : context_give_back(loop, context);
        Py_XDECREF(variables == NULL ? context : variables);
        return answer;
    }
    if (PyContext_CheckExact(context)) {
        return call_entered(self, context);
    }
    PyObject *args = args_as_tuple(self);
    PyObject *answer = args == NULL ? NULL : run_in_foreign_context(self, args);
    Py_XDECREF(args);
    return answer;
}

/* A callback of a thread-safe handle that runs, and a thread that waits for one to return. Both
   live on the stack of their thread and are linked in the state. */
typedef struct {
    llist_node node;
    Handle *handle;
    unsigned long thread_id;
} handle_runner;

typedef struct {
    llist_node node;
    Handle *handle;
    PyThread_type_lock lock;
} handle_waiter;

static bool
runs_in_other_thread(core_state *state, Handle *self)
{
    for (llist_node *node = state->handle_runners.next; node != &state->handle_runners;
         node = node->next) {
        const handle_runner *runner = container_of(node, handle_runner, node);
        if (runner->handle == self && runner->thread_id != PyThread_get_thread_ident()) {
            return true;
        }
    }
    return false;
}

/* Waits while another thread runs the callback, as the lock of asyncio's _ThreadSafeHandle makes
   it. Gives the GIL up. */
static int
wait_for_callback(core_state *state, Handle *self)
{
    if (!THREADSAFE_HANDLE_BLOCKS || !self->is_threadsafe) {
        return 0;
    }
    while (runs_in_other_thread(state, self)) {
        handle_waiter waiter = {.handle = self, .lock = PyThread_allocate_lock()};
        if (waiter.lock == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        PyThread_acquire_lock(waiter.lock, WAIT_LOCK);
        llist_append(&state->handle_waiters, &waiter.node);
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(waiter.lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
        PyThread_release_lock(waiter.lock);
        PyThread_free_lock(waiter.lock);
    }
    return 0;
}

static void
wake_waiters(core_state *state, Handle *self)
{
    llist_node *next;
    for (llist_node *node = state->handle_waiters.next; node != &state->handle_waiters; node = next) {
        next = node->next;
        handle_waiter *waiter = container_of(node, handle_waiter, node);
        if (waiter->handle == self) {
            llist_remove(node);
            PyThread_release_lock(waiter->lock); /* the waiter is gone once it has the GIL */
        }
    }
}

/* call() of a thread-safe handle: others can find out that it runs. */
static PyObject *
call_threadsafe(core_state *state, Handle *self)
{
    handle_runner runner = {.handle = self, .thread_id = PyThread_get_thread_ident()};
    llist_append(&state->handle_runners, &runner.node);
    PyObject *answer = call(state, self); // runs Python
    llist_remove(&runner.node);
    wake_waiters(state, self);
    return answer;
}

int
handle_run(core_state *state, Handle *self)
{
    if (self->is_cancelled) {
        return 0;
    }
    self->running++;
    PyObject *answer = THREADSAFE_HANDLE_BLOCKS && self->is_threadsafe
                           ? call_threadsafe(state, self)
                           : call(state, self); // runs Python
    int status = 0;
    if (answer != NULL) {
        Py_DECREF(answer);
    }
    else {
        PyObject *pending = PyErr_GetRaisedException();
        PyObject *args = args_as_tuple(self);
        Py_XDECREF(args == NULL ? PyErr_GetRaisedException() : NULL);
        PyErr_SetRaisedException(pending);
        status = report_callback_error(state, self->loop, (PyObject *)self, self->callback,
                                       args == NULL ? Py_None : args, self->source_traceback);
        Py_XDECREF(args);
    }
    self->running--;
    if (self->is_dropped && self->running == 0) {
        drop_callback(self);
    }
    return status;
}

/* In debug mode cancel() keeps what the handle looked like. Runs Python. */
static int
keep_repr(core_state *state, Handle *self, Loop *own)
{
    if (own != NULL && loop_debug_is_plain_off(own)) {
        return 0;
    }
    PyObject *debug = PyObject_CallMethodNoArgs(self->loop, state->name_get_debug);
    int is_debug = debug == NULL ? -1 : PyObject_IsTrue(debug);
    Py_XDECREF(debug);
    if (is_debug > 0) {
        Py_XSETREF(self->repr, PyObject_Repr((PyObject *)self));
    }
    return is_debug < 0 || PyErr_Occurred() ? -1 : 0;
}

int
handle_cancel(core_state *state, Handle *self)
{
    if (self->loop == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_loop");
        return -1;
    }
    if (wait_for_callback(state, self) < 0) {
        return -1;
    }
    if (self->is_cancelled) {
        return 0;
    }
    Loop *own = loop_cast(state, self->loop);
    PyObject *released = NULL;
    if (self->is_timer) {
        timer_node *node = &((TimerHandle *)self)->node;
        if (timer_node_is_in(node)) {
            assert(own != NULL);
            timer_heap_remove(&own->timers, node);
            released = (PyObject *)self;
        }
        if (own == NULL) {
            PyObject *answer = PyObject_CallMethodOneArg(
                self->loop, state->name_timer_handle_cancelled, (PyObject *)self); // runs Python
            Py_XDECREF(answer);
            if (answer == NULL) {
                return -1;
            }
        }
    }
    self->is_cancelled = true;
    int status = keep_repr(state, self, own); // runs Python in debug mode
    self->is_dropped = true;
    if (self->running == 0) {
        drop_callback(self);
    }
    if (released != NULL) {
        handle_release_steal(released);
    }
    return status;
}

void
handle_release_steal(PyObject *self)
{
    if (Py_REFCNT(self) > 1 && PyObject_IS_GC(self) && !PyObject_GC_IsTracked(self)) {
        PyObject_GC_Track(self);
    }
    Py_DECREF(self);
}

static int
handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    Handle *self = (Handle *)op;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->source_traceback);
    if (self->when_is_object) {
        Py_VISIT(((TimerHandle *)self)->when.object);
    }
    PyObject **args = handle_args(self);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_VISIT(args[i]);
    }
    return 0;
}

static int
handle_clear(PyObject *op)
{
    Handle *self = (Handle *)op;
    drop_callback(self);
    Py_CLEAR(self->context);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->repr);
    if (self->when_is_object) {
        self->when_is_object = false;
        Py_CLEAR(((TimerHandle *)self)->when.object);
    }
    return 0;
}

int
handle_traverse_owned(core_state *state, PyObject *self, visitproc visit, void *arg)
{
    if (handle_is_exact(state, self) && Py_REFCNT(self) == 1 && !PyObject_GC_IsTracked(self)) {
        return handle_traverse(self, visit, arg);
    }
    Py_VISIT(self);
    return 0;
}

static void
handle_dealloc(PyObject *op)
{
    Handle *self = (Handle *)op;
    PyTypeObject *type = Py_TYPE(self);
    assert(!self->is_timer || !timer_node_is_in(&((TimerHandle *)self)->node));
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    handle_clear(op);
    LIVE_SUB(state_of_dying_type(type), self->is_timer ? LIVE_TIMER_HANDLE : LIVE_HANDLE);
    PyObject *loop = self->loop;
    self->loop = NULL;
    Loop *own = self->is_packed ? NULL : (Loop *)loop; /* made by one of our loops */
    free_list *list = own == NULL || own->is_closed
                          ? NULL
                          : free_list_for(own, self->is_timer, Py_SIZE(self));
    if (list == NULL || !loop_free_list_put(list, op)) {
        type->tp_free(op);
    }
    Py_DECREF(type);
    Py_XDECREF(loop);
}

/* ---- what Python sees ---- */

static PyObject *
Handle_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Handle *self = (Handle *)type->tp_alloc(type, 1);
    if (self == NULL) {
        return NULL;
    }
    core_state *state = state_of_type(type);
    self->is_packed = true;
    self->is_timer = PyType_IsSubtype(type, state->TimerHandle_type);
    LIVE_ADD(state, self->is_timer ? LIVE_TIMER_HANDLE : LIVE_HANDLE);
    if (self->is_timer) {
        ((TimerHandle *)self)->node.index = TIMER_NODE_OUT;
    }
    return (PyObject *)self;
}

static int
init_fields(Handle *self, PyObject *callback, PyObject *args, PyObject *loop, PyObject *context)
{
    core_state *state = state_of((PyObject *)self);
    if (!self->is_packed) {
        PyErr_SetString(PyExc_RuntimeError, "the handle was made by an event loop");
        return -1;
    }
    context = context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (context == NULL) {
        return -1;
    }
    Py_XSETREF(self->context, context);
    Py_XSETREF(self->loop, Py_NewRef(loop));
    Py_XSETREF(self->callback, Py_NewRef(callback));
    Py_XSETREF(handle_args(self)[0], Py_NewRef(args));
    self->is_cancelled = self->is_dropped = false;
    PyObject *debug = PyObject_CallMethodNoArgs(loop, state->name_get_debug);
    int is_debug = debug == NULL ? -1 : PyObject_IsTrue(debug);
    Py_XDECREF(debug);
    if (is_debug > 0) {
        return take_source_traceback(state, self);
    }
    return is_debug;
}

static int
Handle_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"callback", "args", "loop", "context", NULL};
    PyObject *callback, *callback_args, *loop, *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O:Handle", names, &callback,
                                     &callback_args, &loop, &context)) {
        return -1;
    }
    return init_fields((Handle *)op, callback, callback_args, loop, context);
}

static int
TimerHandle_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"when", "callback", "args", "loop", "context", NULL};
    PyObject *when, *callback, *callback_args, *loop, *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO|O:TimerHandle", names, &when, &callback,
                                     &callback_args, &loop, &context)) {
        return -1;
    }
    timer_handle_set_when(op, when);
    return init_fields((Handle *)op, callback, callback_args, loop, context);
}

static PyObject *
Handle_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_cancel(state_of(op), (Handle *)op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Handle_cancelled(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (wait_for_callback(state_of(op), (Handle *)op) < 0) {
        return NULL;
    }
    return PyBool_FromLong(((Handle *)op)->is_cancelled);
}

static PyObject *
Handle_get_context(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Handle *self = (Handle *)op;
    if (self->context == NULL) {
        Py_RETURN_NONE;
    }
    return context_materialize(state_of(op), &self->context) < 0 ? NULL : Py_NewRef(self->context);
}

static PyObject *
Handle_run(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Handle *self = (Handle *)op;
    if (self->callback == NULL && !self->is_cancelled) {
        PyErr_SetString(PyExc_AttributeError, "_callback");
        return NULL;
    }
    if (handle_run(state_of(op), self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stock_type(core_state *state, Handle *self)
{
    if (self->is_threadsafe && state->stock_ThreadSafeHandle != NULL) {
        return state->stock_ThreadSafeHandle;
    }
    return self->is_timer ? state->stock_TimerHandle : state->stock_Handle;
}

static PyObject *
Handle_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyObject_CallMethod(stock_type(state_of(op), (Handle *)op), "_repr_info", "O", op);
}

static PyObject *
Handle_repr(PyObject *op)
{
    return PyObject_CallMethod(stock_type(state_of(op), (Handle *)op), "__repr__", "O", op);
}

static PyObject *
when_object(Handle *self)
{
    const TimerHandle *timer = (const TimerHandle *)self;
    return self->when_is_object ? Py_NewRef(timer->when.object)
                                : PyFloat_FromDouble(timer->when.seconds);
}

static PyObject *
TimerHandle_when(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return when_object((Handle *)op);
}

static PyObject *
get_class(PyObject *op, void *Py_UNUSED(closure))
{
    core_state *state = state_of(op);
    if (!handle_is_exact(state, op)) {
        return Py_NewRef((PyObject *)Py_TYPE(op));
    }
    return Py_NewRef(stock_type(state, (Handle *)op));
}

static PyObject *
get_callback(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return Py_NewRef(self->callback == NULL || self->is_dropped ? Py_None : self->callback);
}

static PyObject *
get_args(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    if (self->callback == NULL || self->is_dropped) {
        Py_RETURN_NONE;
    }
    return args_as_tuple(self);
}

static PyObject *
get_repr(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *repr = ((Handle *)op)->repr;
    return Py_NewRef(repr == NULL ? Py_None : repr);
}

static PyObject *
get_source_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *traceback = ((Handle *)op)->source_traceback;
    return Py_NewRef(traceback == NULL ? Py_None : traceback);
}

static PyObject *
get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *loop = ((Handle *)op)->loop;
    return Py_NewRef(loop == NULL ? Py_None : loop);
}

static PyObject *
get_context(PyObject *op, void *Py_UNUSED(closure))
{
    return Handle_get_context(op, NULL);
}

static PyObject *
get_cancelled(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Handle *)op)->is_cancelled);
}

static PyObject *
get_when(PyObject *op, void *Py_UNUSED(closure))
{
    return when_object((Handle *)op);
}

static PyObject *
get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    TimerHandle *self = (TimerHandle *)op;
    return PyBool_FromLong(self->handle.is_scheduled || timer_node_is_in(&self->node));
}

static int
set_scheduled(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    ((Handle *)op)->is_scheduled = is_true > 0;
    return is_true < 0 ? -1 : 0;
}

/* getter(a) == getter(b): 1, 0 or -1. */
static int
attributes_equal(PyObject *a, PyObject *b, PyObject *(*getter)(PyObject *, void *))
{
    PyObject *value_a = getter(a, NULL), *value_b = getter(b, NULL);
    int equal = value_a == NULL || value_b == NULL
                    ? -1
                    : PyObject_RichCompareBool(value_a, value_b, Py_EQ);
    Py_XDECREF(value_a);
    Py_XDECREF(value_b);
    return equal;
}

static int
timers_equal(PyObject *a, PyObject *b)
{
    if (((Handle *)a)->is_cancelled != ((Handle *)b)->is_cancelled) {
        return 0;
    }
    int equal = attributes_equal(a, b, get_when);
    if (equal > 0) {
        equal = attributes_equal(a, b, get_callback);
    }
    return equal > 0 ? attributes_equal(a, b, get_args) : equal;
}

static PyObject *
TimerHandle_richcompare(PyObject *a, PyObject *b, int operation)
{
    if (!PyObject_TypeCheck(b, state_of(a)->TimerHandle_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (operation != Py_EQ && operation != Py_NE) {
        int strict = operation == Py_LT || operation == Py_LE ? Py_LT : Py_GT;
        PyObject *when_a = when_object((Handle *)a), *when_b = when_object((Handle *)b);
        int comes_first = when_a == NULL || when_b == NULL
                              ? -1
                              : PyObject_RichCompareBool(when_a, when_b, strict);
        Py_XDECREF(when_a);
        Py_XDECREF(when_b);
        if (comes_first != 0 || operation == strict) {
            return comes_first < 0 ? NULL : PyBool_FromLong(comes_first);
        }
    }
    int equal = timers_equal(a, b);
    return equal < 0 ? NULL : PyBool_FromLong(operation == Py_NE ? !equal : equal);
}

static Py_hash_t
TimerHandle_hash(PyObject *op)
{
    PyObject *when = when_object((Handle *)op);
    Py_hash_t hash = when == NULL ? -1 : PyObject_Hash(when);
    Py_XDECREF(when);
    return hash;
}

static PyMethodDef Handle_methods[] = {
    {"cancel", Handle_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nKeep the callback from being called. As asyncio.Handle.cancel."},
    {"cancelled", Handle_cancelled, METH_NOARGS,
     "cancelled($self, /)\n--\n\nWhether it was cancelled. As asyncio.Handle.cancelled."},
#if TASK_HAS_CONTEXT_AND_EAGER_START
    {"get_context", Handle_get_context, METH_NOARGS,
     "get_context($self, /)\n--\n\nThe context of the callback. As asyncio.Handle.get_context."},
#endif
    {"_run", Handle_run, METH_NOARGS,
     "_run($self, /)\n--\n\nCall the callback now. As asyncio.Handle._run."},
    {"_repr_info", Handle_repr_info, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef TimerHandle_methods[] = {
    {"when", TimerHandle_when, METH_NOARGS,
     "when($self, /)\n--\n\nThe callback's time in seconds of loop.time(). As "
     "asyncio.TimerHandle.when."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Handle_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Handle_getset[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    {"_callback", get_callback, NULL, NULL, NULL},
    {"_args", get_args, NULL, NULL, NULL},
    {"_cancelled", get_cancelled, NULL, NULL, NULL},
    {"_context", get_context, NULL, NULL, NULL},
    {"_loop", get_loop, NULL, NULL, NULL},
    {"_repr", get_repr, NULL, NULL, NULL},
    {"_source_traceback", get_source_traceback, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef TimerHandle_getset[] = {
    {"_when", get_when, NULL, NULL, NULL},
    {"_scheduled", get_scheduled, set_scheduled, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Handle_slots[] = {
    {Py_tp_doc, "Handle(callback, args, loop, context=None)\n--\n\n"
                "A callback that a loop will call once. As asyncio.Handle."},
    {Py_tp_new, Handle_new},
    {Py_tp_init, Handle_init},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_repr, Handle_repr},
    {Py_tp_methods, Handle_methods},
    {Py_tp_members, Handle_members},
    {Py_tp_getset, Handle_getset},
    {0, NULL},
};

static PyType_Spec Handle_spec = {
    .name = "pyasync._core.Handle",
    .basicsize = sizeof(Handle),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Handle_slots,
};

static PyType_Slot TimerHandle_slots[] = {
    {Py_tp_doc, "TimerHandle(when, callback, args, loop, context=None)\n--\n\n"
                "A callback that a loop will call at a time (seconds of loop.time()). As "
                "asyncio.TimerHandle."},
    {Py_tp_init, TimerHandle_init},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_richcompare, TimerHandle_richcompare},
    {Py_tp_hash, TimerHandle_hash},
    {Py_tp_methods, TimerHandle_methods},
    {Py_tp_getset, TimerHandle_getset},
    {0, NULL},
};

static PyType_Spec TimerHandle_spec = {
    .name = "pyasync._core.TimerHandle",
    .basicsize = sizeof(TimerHandle),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = TimerHandle_slots,
};

int
handle_init_types(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Handle_type, &Handle_spec, NULL) < 0) {
        return -1;
    }
    return state_add_type(module, &state->TimerHandle_type, &TimerHandle_spec,
                          (PyObject *)state->Handle_type);
}
