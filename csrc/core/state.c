/* state.c -- setting up, visiting and dropping the module state. */

#include "core/state.h"

#include "core/async_with_method.h"
#include "core/coroutine.h"

#include <string.h>

core_state *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &core_module);
    assert(module != NULL);
    return state_of_module(module);
}

core_state *
state_of_dying_type(PyTypeObject *type)
{
    PyObject *module = type->tp_mro == NULL ? NULL : PyType_GetModuleByDef(type, &core_module);
    if (module == NULL) {
        PyErr_Clear(); /* it is gone: the caller does without */
    }
    return module == NULL ? NULL : state_of_module(module);
}

static PyObject *
import_attribute(const char *module_name, const char *path)
{
    PyObject *found = PyImport_ImportModule(module_name);
    while (found != NULL && path != NULL) {
        const char *dot = strchr(path, '.');
        PyObject *name = dot == NULL ? PyUnicode_FromString(path)
                                     : PyUnicode_FromStringAndSize(path, dot - path);
        PyObject *next = name == NULL ? NULL : PyObject_GetAttr(found, name);
        Py_XDECREF(name);
        Py_SETREF(found, next);
        path = dot == NULL ? NULL : dot + 1;
    }
    return found;
}

/* The same where the running version has it; NULL where not. */
static int
import_optional(const char *module_name, const char *path, PyObject **place)
{
    *place = import_attribute(module_name, path);
    if (*place == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear(); /* an older version: that is an answer */
    }
    return 0;
}

/* What the ssl module has, or nothing of it. */
static int
import_ssl(core_state *state)
{
    PyObject *ssl = PyImport_ImportModule("ssl");
    if (ssl == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
            return -1;
        }
        PyErr_Clear(); /* an interpreter built without: asyncio does without, too */
        return 0;
    }
    Py_DECREF(ssl);
#define IMPORT(field, module, attribute)                                                     \
    if ((state->field = import_attribute(module, attribute)) == NULL) {                      \
        return -1;                                                                           \
    }
    SSL_IMPORTS(IMPORT)
#undef IMPORT
    return 0;
}

int
state_init(core_state *state)
{
    llist_init(&state->tasks);
    llist_init(&state->handle_runners);
    llist_init(&state->handle_waiters);
#define INTERN(field, string)                                                                \
    if ((state->name_##field = PyUnicode_InternFromString(string)) == NULL) {                \
        return -1;                                                                           \
    }
    CORE_NAMES(INTERN)
#undef INTERN
#define IMPORT(field, module, attribute)                                                     \
    if ((state->field = import_attribute(module, attribute)) == NULL) {                      \
        return -1;                                                                           \
    }
    CORE_IMPORTS(IMPORT)
#undef IMPORT
    if (import_optional("asyncio.tasks", "eager_task_factory", &state->stock_eager_factory) < 0
        || import_optional("asyncio.events", "_ThreadSafeHandle",
                           &state->stock_ThreadSafeHandle) < 0
        || import_optional("asyncio", "Future._asyncio_awaited_by", &state->stock_awaited_by) < 0
        || import_optional("asyncio.queues", "QueueShutDown", &state->QueueShutDown) < 0
        || import_optional("asyncio.futures", "future_add_to_awaited_by",
                           &state->add_to_awaited_by) < 0
        || import_optional("asyncio.futures", "future_discard_from_awaited_by",
                           &state->discard_from_awaited_by) < 0
        || import_ssl(state) < 0) {
        return -1;
    }
    state->context_keyword = PyTuple_Pack(1, state->name_context);
    state->msg_keyword = PyTuple_Pack(1, state->name_msg);
    state->coroutine_types = PySet_New(NULL);
    state->learnt_codes = PyDict_New();
    return state->context_keyword == NULL || state->msg_keyword == NULL
                   || state->coroutine_types == NULL || state->learnt_codes == NULL
               ? -1
               : 0;
}

#define STATE_OBJECTS(X)                                                                     \
    X(Loop_type) X(Future_type) X(Task_type) X(FutureIter_type) X(TaskStep_type)             \
    X(Handle_type) X(TimerHandle_type) X(NetLoop_type) X(Coroutine_type)                     \
    X(CoroutineFrame_type) X(learnt_codes) X(Waiter_type) X(Function_type)                   \
    X(MethodDescriptor_type) X(BoundMethod_type)                                             \
    X(GatheringFuture_type) X(msg_keyword) X(wrap_awaitable) X(sleep_wake) X(zero)           \
    X(CoroutineMethod_type) X(replaced_create_task)                                          \
    X(AsCompleted_type) X(Shield_type) X(NativeProtocol_type) X(Transport_type)              \
    X(StreamTransport_type) X(DatagramTransport_type) X(ReadPipeTransport_type)              \
    X(WritePipeTransport_type) X(TLSEngine_type) X(TLSProtocol_type)                         \
    X(TLSTransport_type) X(StreamReader_type) X(StreamProtocol_type)                         \
    X(StreamWriter_type) X(StreamReader_class) X(StreamProtocol_class)                       \
    X(StreamWriter_class) X(newline_separators) X(Timeout_type) X(Timeout_class)             \
    X(TaskGroup_type) X(TaskGroup_class) X(timeout_expire) X(name_keyword)                   \
    X(name_context_keywords) X(context_keyword) X(stock_eager_factory)                       \
    X(own_eager_factory) X(coroutine_origins) X(stock_ThreadSafeHandle)                      \
    X(stock_awaited_by) X(add_to_awaited_by) X(discard_from_awaited_by)                      \
    X(Loop_call_soon) X(Loop_call_soon_threadsafe) X(concurrent_methods)                     \
    X(Loop_is_closed) X(Loop_call_at) X(Loop_time) X(Loop_get_debug) X(sock_op_ready)        \
    X(coroutine_types) X(current_tasks) X(swap_current_task) X(enter_task) X(leave_task)     \
    X(context_vars_type) X(no_context_vars) X(Lock_type) X(Event_type) X(Condition_type)     \
    X(Work_type) X(pool_type) X(pool_submit) X(pool_adjust) X(pool_item_type)                \
    X(pool_namespace) X(pool_semaphore_type) X(pool_queue_type)                              \
    X(Semaphore_type) X(BoundedSemaphore_type) X(Barrier_type) X(Queue_type)                 \
    X(LifoQueue_type) X(PriorityQueue_type) X(Lock_class) X(Event_class)                     \
    X(Condition_class) X(Loop_create_future) X(Loop_create_task)                             \
    X(sync_attributes[SYNC_BARRIER])                                                         \
    X(stop_iteration) X(QueueShutDown) X(sync_attributes[SYNC_LOCK])                         \
    X(sync_attributes[SYNC_EVENT]) X(sync_attributes[SYNC_CONDITION])                        \
    X(sync_attributes[SYNC_SEMAPHORE]) X(sync_attributes[SYNC_BOUNDED_SEMAPHORE])            \
    X(sync_attributes[SYNC_QUEUE]) X(sync_attributes[SYNC_LIFO_QUEUE])                       \
    X(sync_attributes[SYNC_PRIORITY_QUEUE])

/* Kept memory holds a reference to its type each: to the GC they are the module's. */
static int
traverse_spare(core_state *state, visitproc visit, void *arg)
{
    for (size_t index = 0; index < SPARE_COROUTINE_SIZES; index++) {
        for (int i = 0; i < state->spare_coroutines[index].count; i++) {
            Py_VISIT(state->Coroutine_type);
        }
    }
    for (int i = 0; i < state->spare_bound_methods.count; i++) {
        Py_VISIT(state->BoundMethod_type);
    }
    return 0;
}

int
state_traverse(core_state *state, visitproc visit, void *arg)
{
#define VISIT(field) Py_VISIT(state->field);
#define VISIT_IMPORT(field, module, attribute) Py_VISIT(state->field);
    STATE_OBJECTS(VISIT)
    CORE_IMPORTS(VISIT_IMPORT)
    SSL_IMPORTS(VISIT_IMPORT)
#undef VISIT
#undef VISIT_IMPORT
    return traverse_spare(state, visit, arg);
}

void
state_clear(core_state *state)
{
    coroutine_drop_spare(state);
    async_with_method_drop_spare(state);
#define CLEAR(field) Py_CLEAR(state->field);
#define CLEAR_NAME(field, string) Py_CLEAR(state->name_##field);
#define CLEAR_IMPORT(field, module, attribute) Py_CLEAR(state->field);
    STATE_OBJECTS(CLEAR)
    CORE_IMPORTS(CLEAR_IMPORT)
    SSL_IMPORTS(CLEAR_IMPORT)
    CORE_NAMES(CLEAR_NAME)
#undef CLEAR
#undef CLEAR_NAME
#undef CLEAR_IMPORT
}

int
state_make_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec, PyObject *base)
{
    *place = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base);
    return *place == NULL ? -1 : 0;
}

int
state_add_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec, PyObject *base)
{
    return state_make_type(module, place, spec, base) < 0 ? -1 : PyModule_AddType(module, *place);
}
