/* loop.c -- pyasync._core.Loop: its life, and what of it is overridden.

   The Python class pyasync.EventLoop derives from it first and from asyncio.SelectorEventLoop
   second. */

#include "core/loop.h"

#include "base/check.h"
#include "core/adopt.h"
#include "core/answer.h"
#include "core/bridge.h"
#include "core/handle.h"
#include "core/loop_methods.h"

#include <errno.h>
#include <limits.h>

void
loop_refresh_is_direct(Loop *self)
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
    return truth_steal(PyObject_CallMethodNoArgs(loop, state->name_get_debug));
}

int
loop_is_closed(core_state *state, PyObject *loop)
{
    Loop *own = loop_cast(state, loop);
    if (own != NULL && loop_is_direct(own) && own->threadsafe_is_ours) {
        return 0;
    }
    return truth_steal(PyObject_CallMethodNoArgs(loop, state->name_is_closed));
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
    int create_task = is_ours(self, dict, state->name_create_task, state->Loop_create_task);
    int threadsafe =
        is_ours(self, dict, state->name_call_soon_threadsafe, state->Loop_call_soon_threadsafe);
    int is_closed = is_ours(self, dict, state->name_is_closed, state->Loop_is_closed);
    Py_XDECREF(dict);
    if (is_closed < 0 || threadsafe < 0 || create_task < 0 || create_future < 0 || call_soon < 0
        || call_at < 0 || time < 0
        || get_debug < 0) {
        return -1;
    }
    self->call_soon_is_ours = call_soon;
    self->call_at_is_ours = call_at;
    self->time_is_ours = time;
    self->get_debug_is_ours = get_debug;
    self->create_future_is_ours = create_future;
    self->create_task_is_ours = create_task && loop_replaced_create_task(state) == NULL;
    self->threadsafe_is_ours = threadsafe && is_closed;
    unsigned version = Py_TYPE(self)->tp_version_tag;
    self->type_version = version == 0 ? UINT_MAX : version; /* 0: the interpreter has none left */
    loop_refresh_is_direct(self);
    return 0;
}

void
loop_drop_queues(Loop *self)
{
    ring ready = self->ready;
    timer_heap timers = self->timers;
    self->ready = (ring){0};
    self->timers = (timer_heap){.next_sequence = timers.next_sequence};
    for (size_t i = 0; i < timers.count; i++) {
        timers.entries[i].node->index = TIMER_NODE_OUT;
    }
    for (size_t i = 0; i < timers.count; i++) {
        handle_release_steal(handle_of_node(timers.entries[i].node));
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
        PyObject *handle = handle_of_node(self->timers.entries[i].node);
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
    loop_drop_queues(self);
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
        || PyUnicode_Compare(name, state->name_create_future) == 0
        || PyUnicode_Compare(name, state->name_create_task) == 0
        || PyUnicode_Compare(name, state->name_call_soon_threadsafe) == 0
        || PyUnicode_Compare(name, state->name_is_closed) == 0) {
        return loop_refresh_overrides(self);
    }
    return 0;
}

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
    loop_refresh_is_direct(self);
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
    return none_or_null(open_poller(self, text));
}

static PyMethodDef Loop_methods[] = {
    LOOP_SCHEDULE_METHODS,
    LOOP_WATCH_METHODS,
    LOOP_RUN_METHODS,
    LOOP_QUEUE_METHODS,
    LOOP_EXECUTOR_METHODS,
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
    {Py_tp_getset, loop_attributes},
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
    state->Loop_create_task = PyObject_GetAttr(type, state->name_create_task);
    state->Loop_call_soon_threadsafe = PyObject_GetAttr(type, state->name_call_soon_threadsafe);
    state->Loop_is_closed = PyObject_GetAttr(type, state->name_is_closed);
    return state->Loop_call_soon == NULL || state->Loop_call_at == NULL || state->Loop_time == NULL
                   || state->Loop_get_debug == NULL || state->Loop_create_future == NULL
                   || state->Loop_create_task == NULL || state->Loop_call_soon_threadsafe == NULL
                   || state->Loop_is_closed == NULL
               ? -1
               : 0;
}
