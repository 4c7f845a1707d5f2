/* handle.c -- making, running, cancelling and freeing a handle; its types are in handle_type.c. */

#include "core/handle.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/context.h"
#include "core/handle_threadsafe.h"
#include "core/report.h"

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

/* Puts a note beside the others; NULL with an exception puts nothing. 0 or -1. */
static int
set_note_steal(Handle *self, enum handle_note which, PyObject *note)
{
    PyObject *notes = note == NULL ? NULL : PyTuple_New(NOTE_COUNT);
    if (notes == NULL) {
        Py_XDECREF(note);
        return -1;
    }
    for (int i = 0; i < NOTE_COUNT; i++) {
        PyObject *other = handle_note(self, i);
        PyTuple_SET_ITEM(notes, i,
                         i == (int)which ? note : new_or_none(other));
    }
    Py_XSETREF(self->notes, notes);
    return 0;
}

int
handle_take_source_traceback(core_state *state, Handle *self)
{
    PyObject *stack = PyObject_CallNoArgs(state->extract_handle_stack); // runs Python
    return set_note_steal(self, NOTE_SOURCE_TRACEBACK, stack);
}

/* What debug mode keeps of a new one: 0 or -1. Runs Python. */
static SELDOM int
note_in_debug(Loop *loop, Handle *self)
{
    int is_debug = PyObject_IsTrue(loop->debug);
    return is_debug <= 0 ? is_debug : handle_take_source_traceback(loop->state, self);
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
    self->notes = self->weakrefs = NULL;
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
    if (!loop_debug_is_plain_off(loop) && note_in_debug(loop, self) < 0) {
        Py_DECREF(self);
        return NULL;
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

static bool
is_method(Handle *self)
{
    return Py_SIZE(self) == 1 && !self->is_packed && self->callback != NULL
           && self->callback == state_of((PyObject *)self)->timeout_expire;
}

PyObject *
handle_callback(Handle *self)
{
    PyObject *callback = self->callback;
    if (!is_method(self)) {
        return new_or_none(callback);
    }
    PyObject *object = handle_args(self)[0];
    return Py_TYPE(callback)->tp_descr_get(callback, object, (PyObject *)Py_TYPE(object));
}

PyObject *
handle_args_as_tuple(Handle *self)
{
    PyObject **args = handle_args(self);
    Py_ssize_t nargs = is_method(self) ? 0 : Py_SIZE(self);
    if (self->is_packed) {
        return Py_XNewRef(args[0]);
    }
    PyObject *tuple = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; tuple != NULL && i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, new_or_none(args[i]));
    }
    return tuple;
}

/* context.run(callback, *args) of a context that is not contextvars' own type. */
static SELDOM PyObject *
run_in_foreign_context(Handle *self)
{
    PyObject *args = handle_args_as_tuple(self);
    if (args == NULL) {
        return NULL;
    }
    PyObject *run = PyObject_GetAttrString(self->context, "run");
    PyObject *callback = handle_callback(self);
    PyObject *head = callback == NULL ? NULL : PyTuple_Pack(1, callback);
    PyObject *all = head == NULL ? NULL : PySequence_Concat(head, args);
    PyObject *answer = run == NULL || all == NULL ? NULL : PyObject_CallObject(run, all);
    Py_XDECREF(run);
    Py_XDECREF(callback);
    Py_XDECREF(head);
    Py_XDECREF(all);
    Py_DECREF(args);
    return answer;
}

static SELDOM PyObject *
call_packed(Handle *self)
{
    PyObject *args = PySequence_Tuple(handle_args(self)[0]);
    PyObject *answer = args == NULL ? NULL : PyObject_CallObject(self->callback, args);
    Py_XDECREF(args);
    return answer;
}

static PyObject *
call(core_state *state, Handle *self)
{
    if (!context_is_snapshot(state, self->context) && !PyContext_CheckExact(self->context)) {
        return run_in_foreign_context(self);
    }
    bool is_borrowed;
    Loop *loop = (Loop *)self->loop; /* only used for a snapshot: then it is one of ours */
    PyObject *context = context_enter(state, loop, &self->context, &is_borrowed);
    if (context == NULL) {
        return NULL;
    }
    PyObject *answer = self->is_packed ? call_packed(self)
                                       : PyObject_Vectorcall(self->callback, handle_args(self),
                                                             (size_t)Py_SIZE(self), NULL);
    if (context_leave_steal(loop, &self->context, context, is_borrowed) < 0) {
        Py_CLEAR(answer);
    }
    return answer;
}

/* call() of a thread-safe handle: others can find out that it runs. */
static PyObject *
call_threadsafe(core_state *state, Handle *self)
{
    handle_runner runner;
    handle_runner_begin(state, &runner, self);
    PyObject *answer = call(state, self); // runs Python
    handle_runner_end(state, &runner);
    return answer;
}

/* Tells the loop's exception handler what the callback raised: as handle_run. */
static SELDOM int
report_error(core_state *state, Handle *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *callback = handle_callback(self);
    PyObject *args = callback == NULL ? NULL : handle_args_as_tuple(self);
    Py_XDECREF(args == NULL ? PyErr_GetRaisedException() : NULL);
    PyErr_SetRaisedException(pending);
    int status = report_callback_error(state, self->loop, (PyObject *)self,
                                       callback == NULL ? Py_None : callback,
                                       args == NULL ? Py_None : args,
                                       handle_note(self, NOTE_SOURCE_TRACEBACK));
    Py_XDECREF(callback);
    Py_XDECREF(args);
    return status;
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
        status = report_error(state, self); // runs Python
    }
    self->running--;
    if (self->is_dropped && self->running == 0) {
        drop_callback(self);
    }
    return status;
}

/* In debug mode cancel() keeps what the handle looked like. Runs Python. */
static int
keep_repr(core_state *state, Handle *self)
{
    int is_debug = loop_is_debug(state, self->loop);
    return is_debug <= 0 ? is_debug
                         : set_note_steal(self, NOTE_REPR, PyObject_Repr((PyObject *)self));
}

int
handle_cancel(core_state *state, Handle *self)
{
    if (self->loop == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_loop");
        return -1;
    }
    if (handle_wait_for_callback(state, self) < 0) {
        return -1;
    }
    if (self->is_cancelled) {
        return 0;
    }
    Loop *own = self->is_packed ? loop_cast(state, self->loop) : (Loop *)self->loop;
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
    int status = own != NULL && loop_debug_is_plain_off(own)
                     ? 0
                     : keep_repr(state, self); // runs Python in debug mode
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

int
handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    Handle *self = (Handle *)op;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->notes);
    if (self->when_is_object) {
        Py_VISIT(((TimerHandle *)self)->when.object);
    }
    PyObject **args = handle_args(self);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_VISIT(args[i]);
    }
    return 0;
}

int
handle_clear(PyObject *op)
{
    Handle *self = (Handle *)op;
    drop_callback(self);
    Py_CLEAR(self->context);
    Py_CLEAR(self->notes);
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

void
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
