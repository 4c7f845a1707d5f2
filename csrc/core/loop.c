/* loop.c -- pyasync._core.Loop: its life, and the state that asyncio's inherited methods see.

   The Python class pyasync.EventLoop derives from it first and from asyncio.SelectorEventLoop
   second; the attributes that BaseEventLoop assigns and C code needs are descriptors here, so that
   both halves see one value. */

#include "core/loop.h"

#include "base/check.h"
#include "core/adopt.h"
#include "core/bridge.h"
#include "core/future.h"
#include "core/handle.h"
#include "core/loop_methods.h"
#include "core/task.h"
#include "core/waiter.h"

#include <errno.h>

static void
refresh_is_direct(Loop *self)
{
    self->is_direct =
        !self->is_closed && loop_debug_is_plain_off(self) && self->call_soon_is_ours;
}

int
loop_is_debug(core_state *state, PyObject *loop)
{
    Loop *own = loop_cast(state, loop);
    if (own != NULL && loop_debug_is_plain_off(own)) {
        return 0;
    }
    PyObject *debug = PyObject_CallMethodNoArgs(loop, state->name_get_debug);
    int is_debug = debug == NULL ? -1 : PyObject_IsTrue(debug);
    Py_XDECREF(debug);
    return is_debug;
}

/* 1 where neither type nor instance puts another attribute in the place of ours, 0 or -1. */
static int
is_ours(Loop *self, PyObject *dict, PyObject *name, PyObject *ours)
{
    PyObject *found = PyObject_GetAttr((PyObject *)Py_TYPE(self), name);
    if (found == NULL) {
        return -1;
    }
    bool is_same = adopt_is_same(found, ours);
    Py_DECREF(found);
    if (!is_same) {
        return 0;
    }
    if (dict == NULL) {
        return 1;
    }
    int is_on_instance = PyDict_Contains(dict, name);
    return is_on_instance < 0 ? -1 : !is_on_instance;
}

int
loop_refresh_overrides(Loop *self)
{
    core_state *state = self->state;
    PyObject *dict = Py_XNewRef(bridge_instance_dict((PyObject *)self));
    int call_soon = is_ours(self, dict, state->name_call_soon, state->Loop_call_soon);
    int call_at = is_ours(self, dict, state->name_call_at, state->Loop_call_at);
    int time = is_ours(self, dict, state->name_time, state->Loop_time);
    int get_debug = is_ours(self, dict, state->name_get_debug, state->Loop_get_debug);
    int create_future =
        is_ours(self, dict, state->name_create_future, state->Loop_create_future);
    Py_XDECREF(dict);
    if (create_future < 0 || call_soon < 0 || call_at < 0 || time < 0 || get_debug < 0) {
        return -1;
    }
    self->call_soon_is_ours = call_soon;
    self->call_at_is_ours = call_at;
    self->time_is_ours = time;
    self->get_debug_is_ours = get_debug;
    self->create_future_is_ours = create_future;
    self->type_version = Py_TYPE(self)->tp_version_tag;
    refresh_is_direct(self);
    return 0;
}

/* Drops everything that waits to run. Runs Python (destructors). */
static void
drop_queues(Loop *self)
{
    ring ready = self->ready;
    timer_heap timers = self->timers;
    self->ready = (ring){0};
    self->timers = (timer_heap){.next_sequence = timers.next_sequence};
    for (size_t i = 0; i < timers.count; i++) {
        timers.entries[i].node->index = TIMER_NODE_OUT;
    }
    for (size_t i = 0; i < timers.count; i++) {
        handle_release_steal((PyObject *)container_of(timers.entries[i].node, TimerHandle, node));
    }
    while (ring_count(&ready) > 0) {
        handle_release_steal(ring_take(&ready));
    }
    timer_heap_fini(&timers);
    ring_fini(&ready);
}

static void
free_list_drop(free_list *list)
{
    while (list->count > 0) {
        PyObject_GC_Del(list->items[--list->count]);
    }
}

static void
drop_free_lists(Loop *self)
{
    free_list_drop(&self->free_futures);
    free_list_drop(&self->free_tasks);
    free_list_drop(&self->free_iters);
    free_list_drop(&self->free_waiters);
    free_list_drop(&self->free_handles[0]);
    free_list_drop(&self->free_handles[1]);
    free_list_drop(&self->free_timer_handles);
}

static int
open_poller(Loop *self, const char *name)
{
    const poller_backend *backend = poller_find(name);
    if (backend == NULL) {
        PyErr_Format(PyExc_ValueError, "no poller named '%s' on this platform", name);
        return -1;
    }
    poller *opened;
    int error = backend->open(&opened);
    if (error == 0) {
        error = backend->add(opened, self->wakeup.read_fd, POLLER_READ);
        if (error < 0) {
            backend->close(opened);
        }
    }
    if (error < 0) {
        errno = -error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (self->poller != NULL) {
        self->backend->close(self->poller);
    }
    self->backend = backend;
    self->poller = opened;
    return 0;
}

static void
close_poller(Loop *self)
{
    if (self->poller != NULL) {
        self->backend->close(self->poller);
        self->poller = NULL;
    }
    wakeup_fini(&self->wakeup);
}

PyObject *
Loop_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Loop *self = (Loop *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state_of_type(type);
    self->module = Py_NewRef(PyType_GetModuleByDef(type, &core_module));
    LIVE_ADD(self->state, LIVE_LOOP);
    self->wakeup.read_fd = self->wakeup.write_fd = -1;
    self->debug = Py_NewRef(Py_False);
    self->thread_id_object = Py_NewRef(Py_None);
    self->task_factory = Py_NewRef(Py_None);
    self->current_handle = Py_NewRef(Py_None);
    int error = wakeup_init(&self->wakeup);
    if (error < 0) {
        errno = -error;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    if (open_poller(self, NULL) < 0 || loop_refresh_overrides(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The handle of the i-th timer in the heap. Borrowed. */
static PyObject *
timer_at(Loop *self, size_t i)
{
    return (PyObject *)container_of(self->timers.entries[i].node, TimerHandle, node);
}

int
Loop_traverse(PyObject *op, visitproc visit, void *arg)
{
    Loop *self = (Loop *)op;
    Py_VISIT(Py_TYPE(op));
    /* The module is not visited: so it, and the state and the types that it holds, stay whole as
       long as a loop lives, whatever else the GC takes apart. It does not refer to loops. */
    for (size_t i = 0; i < ring_count(&self->ready); i++) {
        int status = handle_traverse_owned(self->state, ring_peek(&self->ready, i), visit, arg);
        if (status != 0) {
            return status;
        }
    }
    for (size_t i = 0; i < self->timers.count; i++) {
        PyObject *handle = timer_at(self, i);
        int status = handle_traverse_owned(self->state, handle, visit, arg);
        if (status != 0) {
            return status;
        }
    }
    for (int fd = 0; fd < self->watchers.size; fd++) {
        const watcher *entry = &self->watchers.entries[fd];
        PyObject *handles[] = {entry->reader, entry->writer};
        for (int i = 0; i < 2; i++) {
            int status = handles[i] == NULL
                             ? 0
                             : handle_traverse_owned(self->state, handles[i], visit, arg);
            if (status != 0) {
                return status;
            }
        }
        Py_VISIT(entry->fileobj);
    }
    Py_VISIT(self->debug);
    Py_VISIT(self->thread_id_object);
    Py_VISIT(self->task_factory);
    Py_VISIT(self->current_handle);
    Py_VISIT(self->spare_context);
    return 0;
}

int
Loop_clear(PyObject *op)
{
    Loop *self = (Loop *)op;
    drop_queues(self);
    watcher_clear(&self->watchers);
    Py_XSETREF(self->debug, Py_NewRef(Py_False));
    Py_CLEAR(self->thread_id_object);
    Py_CLEAR(self->task_factory);
    Py_CLEAR(self->current_handle);
    Py_CLEAR(self->spare_context);
    return 0;
}

void
Loop_dealloc(PyObject *op)
{
    Loop *self = (Loop *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Loop_clear(op);
    self->is_closed = true;
    drop_free_lists(self);
    close_poller(self);
    Py_CLEAR(self->debug);
    LIVE_SUB(self->state, LIVE_LOOP);
    PyObject *module = self->module;
    type->tp_free(op);
    Py_DECREF(type);
    Py_XDECREF(module);
}

/* Attributes set on an instance can put another call_soon, say, in the way of ours. */
static int
Loop_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    Loop *self = (Loop *)op;
    core_state *state = self->state;
    if (PyObject_GenericSetAttr(op, name, value) < 0) {
        return -1;
    }
    if (PyUnicode_Compare(name, state->name_call_soon) == 0
        || PyUnicode_Compare(name, state->name_call_at) == 0
        || PyUnicode_Compare(name, state->name_time) == 0
        || PyUnicode_Compare(name, state->name_get_debug) == 0
        || PyUnicode_Compare(name, state->name_create_future) == 0) {
        return loop_refresh_overrides(self);
    }
    return 0;
}

/* ---- methods ---- */

static PyObject *
Loop_is_running(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Loop *)op)->is_running);
}

static PyObject *
Loop_is_closed(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Loop *)op)->is_closed);
}

static PyObject *
Loop_stop(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((Loop *)op)->is_stopping = true;
    Py_RETURN_NONE;
}

static PyObject *
Loop_get_debug(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(((Loop *)op)->debug);
}

static PyObject *
Loop_close_poller(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    self->is_closed = true;
    refresh_is_direct(self);
    watcher_clear(&self->watchers);
    drop_free_lists(self);
    Py_CLEAR(self->spare_context);
    close_poller(self);
    Py_RETURN_NONE;
}

static PyObject *
Loop_use_poller(PyObject *op, PyObject *name)
{
    Loop *self = (Loop *)op;
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL || loop_check_closed(self) < 0) {
        return NULL;
    }
    if (self->watchers.fd_count > 0) {
        PyErr_SetString(PyExc_RuntimeError, "the loop watches file descriptors already");
        return NULL;
    }
    return open_poller(self, text) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- attributes ---- */

static PyObject *
get_object(PyObject *op, void *offset)
{
    PyObject *value = *(PyObject **)((char *)op + (Py_ssize_t)(intptr_t)offset);
    return Py_NewRef(value == NULL ? Py_None : value);
}

static int
set_object(PyObject *op, PyObject *value, void *offset)
{
    PyObject **place = (PyObject **)((char *)op + (Py_ssize_t)(intptr_t)offset);
    PyObject *old = *place;
    *place = Py_NewRef(value == NULL ? Py_None : value);
    Py_XDECREF(old);
    return 0;
}

static int
set_debug(PyObject *op, PyObject *value, void *offset)
{
    if (set_object(op, value, offset) < 0) {
        return -1;
    }
    refresh_is_direct((Loop *)op);
    return 0;
}

static int
set_thread_id(PyObject *op, PyObject *value, void *offset)
{
    if (set_object(op, value, offset) < 0) {
        return -1;
    }
    ((Loop *)op)->is_running = value != NULL && value != Py_None;
    return 0;
}

static PyObject *
get_bool(PyObject *op, void *offset)
{
    return PyBool_FromLong(*(bool *)((char *)op + (Py_ssize_t)(intptr_t)offset));
}

static int
set_stopping(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    ((Loop *)op)->is_stopping = is_true > 0;
    return is_true < 0 ? -1 : 0;
}

/* BaseEventLoop.close() sets it and then clears its queues: here that is one step. */
static int
set_closed(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    self->is_closed = is_true || self->poller == NULL;
    refresh_is_direct(self);
    if (self->is_closed) {
        drop_queues(self);
    }
    return 0;
}

/* A copy of the ring as a list of handles; a task appears as the handle of its step. */
static PyObject *
get_ready(PyObject *op, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < ring_count(&self->ready); i++) {
        PyObject *entry = Py_NewRef(ring_peek(&self->ready, i));
        if (waiter_check(self->state, entry)) {
            Py_SETREF(entry, waiter_handle(self, (Waiter *)entry));
        }
        else if (Py_IS_TYPE(entry, self->state->Task_type)) {
            PyObject *step = task_step_callable(self->state, (Task *)entry, NULL);
            PyObject *context = task_context(self->state, (Task *)entry);
            PyObject *handle = step == NULL || context == NULL
                                   ? NULL
                                   : handle_new(self, step, NULL, 0, context);
            Py_XDECREF(step);
            Py_XDECREF(context);
            Py_SETREF(entry, handle);
        }
        if (entry == NULL || PyList_Append(list, entry) < 0) {
            Py_CLEAR(list);
        }
        if (entry != NULL) {
            handle_release_steal(entry); /* one that was made for this is held by nobody else */
        }
    }
    return list;
}

static PyObject *
get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < self->timers.count; i++) {
        PyObject *handle = timer_at(self, i);
        if (PyList_Append(list, handle) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
get_zero(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    return PyLong_FromLong(0);
}

/* BaseEventLoop.__init__ assigns its own queues: they are not used. */
static int
set_ignored(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    return 0;
}

static PyObject *
get_poller_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Loop *)op)->backend->name);
}

static PyGetSetDef Loop_getset[] = {
    {"_debug", get_object, set_debug, NULL, (void *)offsetof(Loop, debug)},
    {"_thread_id", get_object, set_thread_id, NULL, (void *)offsetof(Loop, thread_id_object)},
    {"_task_factory", get_object, set_object, NULL, (void *)offsetof(Loop, task_factory)},
    {"_current_handle", get_object, set_object, NULL, (void *)offsetof(Loop, current_handle)},
    {"_stopping", get_bool, set_stopping, NULL, (void *)offsetof(Loop, is_stopping)},
    {"_closed", get_bool, set_closed, NULL, (void *)offsetof(Loop, is_closed)},
    {"_ready", get_ready, set_ignored, "A copy of the callbacks that are ready.", NULL},
    {"_scheduled", get_scheduled, set_ignored, "A copy of the timers.", NULL},
    {"_timer_cancelled_count", get_zero, set_ignored, NULL, NULL},
    {"_poller", get_poller_name, NULL, "The name of the poller: epoll, kqueue or poll.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef Loop_methods[] = {
    LOOP_SCHEDULE_METHODS,
    LOOP_WATCH_METHODS,
    LOOP_RUN_METHODS,
    {"is_running", Loop_is_running, METH_NOARGS,
     "is_running($self, /)\n--\n\nAs asyncio.loop.is_running."},
    {"is_closed", Loop_is_closed, METH_NOARGS,
     "is_closed($self, /)\n--\n\nAs asyncio.loop.is_closed."},
    {"stop", Loop_stop, METH_NOARGS,
     "stop($self, /)\n--\n\nEnd run_forever() after this iteration. As asyncio.loop.stop."},
    {"get_debug", Loop_get_debug, METH_NOARGS,
     "get_debug($self, /)\n--\n\nAs asyncio.loop.get_debug."},
    {"_close_poller", Loop_close_poller, METH_NOARGS, NULL},
    {"_use_poller", Loop_use_poller, METH_O,
     "_use_poller($self, name, /)\n--\n\nWait by another poller: 'epoll', 'kqueue' or 'poll'.\n\n"
     "Raises ValueError where the platform has none of that name."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Loop_slots[] = {
    {Py_tp_doc, "The C half of pyasync.EventLoop."},
    {Py_tp_new, Loop_new},
    {Py_tp_traverse, Loop_traverse},
    {Py_tp_clear, Loop_clear},
    {Py_tp_dealloc, Loop_dealloc},
    {Py_tp_setattro, Loop_setattro},
    {Py_tp_methods, Loop_methods},
    {Py_tp_getset, Loop_getset},
    {0, NULL},
};

static PyType_Spec Loop_spec = {
    .name = "pyasync._core.Loop",
    .basicsize = sizeof(Loop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Loop_slots,
};

/* What this version's create_task does: see the two fields of core_state. */
static int
find_create_task_behaviour(core_state *state)
{
    PyObject *code = PyObject_GetAttrString(state->stock_create_task, "__code__");
    PyObject *flags = code == NULL ? NULL : PyObject_GetAttrString(code, "co_flags");
    PyObject *names = code == NULL ? NULL : PyObject_GetAttrString(code, "co_names");
    PyObject *set_name = PyUnicode_FromString("set_name");
    long flag_bits = flags == NULL ? -1 : PyLong_AsLong(flags);
    int names_all = names == NULL || set_name == NULL ? -1 : PySequence_Contains(names, set_name);
    Py_XDECREF(code);
    Py_XDECREF(flags);
    Py_XDECREF(names);
    Py_XDECREF(set_name);
    state->create_task_takes_more = flag_bits >= 0 && (flag_bits & CO_VARKEYWORDS);
    state->create_task_names_all = names_all > 0;
    return flag_bits < 0 || names_all < 0 ? -1 : 0;
}

int
loop_init_type(PyObject *module, core_state *state)
{
    if (find_create_task_behaviour(state) < 0
        || state_add_type(module, &state->Loop_type, &Loop_spec, NULL) < 0) {
        return -1;
    }
    PyObject *type = (PyObject *)state->Loop_type;
    state->Loop_call_soon = PyObject_GetAttr(type, state->name_call_soon);
    state->Loop_call_at = PyObject_GetAttr(type, state->name_call_at);
    state->Loop_time = PyObject_GetAttr(type, state->name_time);
    state->Loop_get_debug = PyObject_GetAttr(type, state->name_get_debug);
    state->Loop_create_future = PyObject_GetAttr(type, state->name_create_future);
    return state->Loop_call_soon == NULL || state->Loop_call_at == NULL || state->Loop_time == NULL
                   || state->Loop_get_debug == NULL || state->Loop_create_future == NULL
               ? -1
               : 0;
}
