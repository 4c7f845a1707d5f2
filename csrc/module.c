/* module.c -- pyasync._core: the table of contents. */

#include "base/compat.h"

#include "base/check.h"
#include "core/adopt.h"
#include "core/async_with_method.h"
#include "core/bridge.h"
#include "core/awaitable.h"
#include "core/chain.h"
#include "core/coroutine.h"
#include "core/coroutine_method.h"
#include "core/function.h"
#include "core/future.h"
#include "core/handle.h"
#include "core/handle_threadsafe.h"
#include "core/loop.h"
#include "core/state.h"
#include "core/task.h"
#include "core/waiter.h"
#include "core/work.h"
#include "net/accept.h"
#include "net/datagram_transport.h"
#include "net/native_protocol.h"
#include "net/net_loop.h"
#include "net/read_pipe_transport.h"
#include "net/sock_op.h"
#include "net/sock_sendfile.h"
#include "net/stream_protocol.h"
#include "net/stream_reader.h"
#include "net/stream_transport.h"
#include "net/stream_writer.h"
#include "net/streams.h"
#include "net/tls_engine.h"
#include "net/tls_protocol.h"
#include "net/tls_transport.h"
#include "net/transport.h"
#include "net/write_pipe_transport.h"
#include "sync/barrier.h"
#include "sync/condition.h"
#include "sync/create_task.h"
#include "sync/event.h"
#include "sync/lock.h"
#include "sync/queue.h"
#include "sync/semaphore.h"
#include "sync/waiters.h"
#include "sync/as_completed.h"
#include "sync/ensure_future.h"
#include "sync/gather.h"
#include "sync/shield.h"
#include "sync/sleep.h"
#include "sync/structured.h"
#include "sync/task_group.h"
#include "sync/threads.h"
#include "sync/timeout.h"
#include "sync/wait.h"
#include "sync/wait_for.h"

#ifndef PYASYNC_VERSION /* setup.py reads it from the package */
#  define PYASYNC_VERSION "unknown"
#endif

/* Every Task that is not done, of any loop of this interpreter. */
static PyObject *
core_tasks(PyObject *module, PyObject *Py_UNUSED(unused))
{
    core_state *state = state_of_module(module);
    PyObject *list = PyList_New(0);
    for (llist_node *node = state->tasks.next; list != NULL && node != &state->tasks;
         node = node->next) {
        PyObject *task = (PyObject *)container_of(node, Task, node);
        if (Py_REFCNT(task) > 0 && PyList_Append(list, task) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The package gives the types that stand for asyncio's own a metaclass, once, at its import. */
static PyObject *
core_set_metaclass(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *type, *metaclass;
    if (!PyArg_ParseTuple(args, "OO:_set_metaclass", &type, &metaclass)
        || bridge_set_metaclass(type, metaclass) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Whether it is a class over that type. */
static bool
is_class_over(PyObject *object, PyTypeObject *type)
{
    return PyType_Check(object) && PyType_IsSubtype((PyTypeObject *)object, type);
}

/* The package tells which classes a Condition, a Queue and a Barrier make their parts of. */
static PyObject *
core_set_lock_classes(PyObject *module, PyObject *args)
{
    core_state *state = state_of_module(module);
    PyObject *lock, *event, *condition;
    if (!PyArg_ParseTuple(args, "OOO:_set_lock_classes", &lock, &event, &condition)) {
        return NULL;
    }
    if (!is_class_over(lock, state->Lock_type) || !is_class_over(event, state->Event_type)
        || !is_class_over(condition, state->Condition_type)) {
        PyErr_SetString(PyExc_TypeError, "subclasses of Lock, Event and Condition were expected");
        return NULL;
    }
    Py_XSETREF(state->Lock_class, Py_NewRef(lock));
    Py_XSETREF(state->Event_class, Py_NewRef(event));
    Py_XSETREF(state->Condition_class, Py_NewRef(condition));
    Py_RETURN_NONE;
}

static PyObject *
core_set_eager_factory(PyObject *module, PyObject *factory)
{
    Py_XSETREF(state_of_module(module)->own_eager_factory, Py_NewRef(factory));
    Py_RETURN_NONE;
}

/* The package tells of each class that it makes over a type whose methods are called often. */
static PyObject *
core_adopt(PyObject *module, PyObject *type)
{
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "a class was expected");
        return NULL;
    }
    core_state *state = state_of_module(module);
    if (adopt_methods(state, (PyTypeObject *)type) < 0
        || sync_measure_by(state, (PyTypeObject *)type) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#ifdef PYASYNC_DEBUG

static PyObject *
core_live_objects(PyObject *module, PyObject *Py_UNUSED(unused))
{
    static const char *const names[LIVE_TYPE_COUNT] = {
        [LIVE_LOOP] = "Loop",
        [LIVE_FUTURE] = "Future",
        [LIVE_TASK] = "Task",
        [LIVE_FUTURE_ITER] = "FutureIter",
        [LIVE_WAITER] = "Waiter",
        [LIVE_TASK_STEP] = "TaskStep",
        [LIVE_HANDLE] = "Handle",
        [LIVE_TIMER_HANDLE] = "TimerHandle",
        [LIVE_COROUTINE] = "Coroutine",
        [LIVE_TRANSPORT] = "Transport",
        [LIVE_TLS_PROTOCOL] = "TLSProtocol",
        [LIVE_STREAM] = "Stream",
        [LIVE_SYNC] = "SyncObject",
    };
    PyObject *counts = PyDict_New();
    for (int i = 0; counts != NULL && i < LIVE_TYPE_COUNT; i++) {
        PyObject *count = PyLong_FromSsize_t(state_of_module(module)->live[i]);
        if (count == NULL || PyDict_SetItemString(counts, names[i], count) < 0) {
            Py_CLEAR(counts);
        }
        Py_XDECREF(count);
    }
    return counts;
}

#endif

static PyObject *
core_after_fork_in_child(PyObject *module, PyObject *Py_UNUSED(unused))
{
    handle_forget_other_threads(state_of_module(module));
    Py_RETURN_NONE;
}

static PyMethodDef core_methods[] = {
    {"_tasks", core_tasks, METH_NOARGS,
     "_tasks()\n--\n\nA list of this interpreter's tasks that are not done, of any loop."},
    {"_set_metaclass", core_set_metaclass, METH_VARARGS, NULL},
    {"_set_stream_types", streams_set_types, METH_VARARGS, NULL},
    {"_set_lock_classes", core_set_lock_classes, METH_VARARGS, NULL},
    {"_set_structured", core_set_structured, METH_VARARGS, NULL},
    {"_set_eager_factory", core_set_eager_factory, METH_O, NULL},
    {"_set_thread_pool", core_set_thread_pool, METH_VARARGS, NULL},
    {"_adopt", core_adopt, METH_O, NULL},
    {"_after_fork_in_child", core_after_fork_in_child, METH_NOARGS, NULL},
#ifdef PYASYNC_DEBUG
    {"_live_objects", core_live_objects, METH_NOARGS,
     "_live_objects()\n--\n\n{type name: living objects}; debug builds only."},
#endif
    {NULL, NULL, 0, NULL},
};

static int
core_exec(PyObject *module)
{
    core_state *state = state_of_module(module);
    if (PyModule_AddStringConstant(module, "__version__", PYASYNC_VERSION) < 0
        || state_init(state) < 0 || bridge_init(state) < 0
        || loop_init_type(module, state) < 0
        || handle_init_types(module, state) < 0
        || future_init_type(module, state) < 0
        || future_iter_init_type(module, state) < 0
        || task_init_type(module, state) < 0
        || task_step_init_type(module, state) < 0
        || waiter_init_type(module, state) < 0
        || coroutine_init_type(module, state) < 0
        || function_init_type(module, state) < 0
        || async_with_method_init_types(module, state) < 0
        || coroutine_method_init_type(module, state) < 0
        || awaitable_init(state) < 0
        || chain_init(state) < 0
        || work_init_type(module, state) < 0
        || net_loop_init_type(module, state) < 0
        || accept_init(state) < 0
        || sock_op_init(state) < 0
        || native_protocol_init_type(module, state) < 0
        || sock_sendfile_init(state) < 0
        || transport_init_type(module, state) < 0
        || stream_transport_init_type(module, state) < 0
        || datagram_transport_init_type(module, state) < 0
        || read_pipe_transport_init_type(module, state) < 0
        || write_pipe_transport_init_type(module, state) < 0
        || tls_engine_init_type(module, state) < 0
        || tls_protocol_init_type(module, state) < 0
        || tls_transport_init_type(module, state) < 0
        || stream_reader_init_type(module, state) < 0
        || stream_protocol_init_type(module, state) < 0
        || stream_writer_init_type(module, state) < 0
        || waiters_init(state) < 0
        || lock_init_type(module, state) < 0
        || event_init_type(module, state) < 0
        || condition_init_type(module, state) < 0
        || semaphore_init_types(module, state) < 0
        || barrier_init_type(module, state) < 0
        || queue_init_types(module, state) < 0
        || sleep_init(module, state) < 0
        || gather_init(module, state) < 0
        || ensure_future_init(module) < 0
        || create_task_init(module) < 0
        || shield_init(module, state) < 0
        || wait_init(module, state) < 0
        || as_completed_init_type(module, state) < 0
        || timeout_init(module, state) < 0
        || wait_for_init(module, state) < 0
        || task_group_init(module, state) < 0
        || threads_init(module, state) < 0) {
        return -1;
    }
    return 0;
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    return state_traverse(state_of_module(module), visit, arg);
}

static int
core_clear(PyObject *module)
{
    state_clear(state_of_module(module));
    return 0;
}

static void
core_free(void *module)
{
    state_clear(state_of_module(module));
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    MODULE_INTERPRETERS_SLOT
    MODULE_GIL_SLOT
    {0, NULL},
};

struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyasync._core",
    .m_doc = "asyncio's event loop, futures and tasks in C.",
    .m_size = sizeof(core_state),
    .m_methods = core_methods,
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
