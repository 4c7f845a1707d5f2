/* state.h -- what one interpreter's copy of the module holds: types, names, imports, all tasks.

   Nothing in the extension is global and mutable: two interpreters share only code.

   Invariants
   1. Every field but lists, counts and places is set once, by module init, and dropped by module
      clear; what was imported is an owned reference.
   2. tasks links every Task that is not done and not freed, of whatever loop.
   3. task_count is the number of the last task that got its number as name.
   Threads: as everything here, under the interpreter's GIL. */

#ifndef PYASYNC_CORE_STATE_H
#define PYASYNC_CORE_STATE_H

#include "base/compat.h"

#include "base/llist.h"
#include "core/names.h"

#include <stdbool.h>

/* Types by their place in core_state.live (debug builds count their objects). */
enum live_type {
    LIVE_LOOP,
    LIVE_FUTURE,
    LIVE_TASK,
    LIVE_FUTURE_ITER,
    LIVE_WAITER,
    LIVE_TASK_STEP,
    LIVE_HANDLE,
    LIVE_TIMER_HANDLE,
    LIVE_COROUTINE,
    LIVE_TRANSPORT,
    LIVE_TLS_PROTOCOL,
    LIVE_STREAM,
    LIVE_SYNC,
    LIVE_TYPE_COUNT,
};

/* The classes of csrc/sync whose methods Python may override, by their place in core_state. */
enum sync_class_index {
    SYNC_LOCK,
    SYNC_EVENT,
    SYNC_CONDITION,
    SYNC_SEMAPHORE,
    SYNC_BOUNDED_SEMAPHORE,
    SYNC_BARRIER,
    SYNC_QUEUE,
    SYNC_LIFO_QUEUE,
    SYNC_PRIORITY_QUEUE,
    SYNC_CLASS_COUNT,
};

enum { SPARE_COROUTINE_SIZES = 12, SPARE_COROUTINES = 64, SPARE_BOUND_METHODS = 64 };

/* What was found out about a Python class, by its version tag. */
enum { VERDICT_COUNT = 4 };

typedef struct {
    unsigned version;
    bool is_plain; /* nothing is overridden that C code would call */
} class_verdict;
typedef struct {
    PyTypeObject *Loop_type;
    PyTypeObject *Future_type;
    PyTypeObject *Task_type;
    PyTypeObject *FutureIter_type;
    PyTypeObject *TaskStep_type;
    PyTypeObject *Waiter_type;
    PyTypeObject *CoroutineFrame_type;
    PyTypeObject *Function_type;
    PyTypeObject *MethodDescriptor_type; /* NULL where the version has no use for it, */
    PyTypeObject *BoundMethod_type;      /* and so is this one */
    PyTypeObject *CoroutineMethod_type;
    PyTypeObject *GatheringFuture_type;
    PyTypeObject *AsCompleted_type;
    PyTypeObject *Shield_type;
    PyTypeObject *Work_type;
    PyTypeObject *Handle_type;
    PyTypeObject *TimerHandle_type;
    PyTypeObject *NetLoop_type;
    PyTypeObject *Coroutine_type;
    PyTypeObject *NativeProtocol_type;
    PyTypeObject *Transport_type;
    PyTypeObject *StreamTransport_type;
    PyTypeObject *DatagramTransport_type;
    PyTypeObject *ReadPipeTransport_type;
    PyTypeObject *WritePipeTransport_type;
    PyTypeObject *TLSEngine_type;
    PyTypeObject *TLSProtocol_type;
    PyTypeObject *TLSTransport_type;
    PyTypeObject *StreamReader_type;
    PyTypeObject *StreamProtocol_type;
    PyTypeObject *StreamWriter_type;
    PyTypeObject *Lock_type;
    PyTypeObject *Event_type;
    PyTypeObject *Condition_type;
    PyTypeObject *Semaphore_type;
    PyTypeObject *BoundedSemaphore_type;
    PyTypeObject *Barrier_type;
    PyTypeObject *Queue_type;
    PyTypeObject *LifoQueue_type;
    PyTypeObject *PriorityQueue_type;
    PyTypeObject *Timeout_type;
    PyTypeObject *Timeout_class;  /* the package's class over it, set at the package's import, */
    PyTypeObject *TaskGroup_type;
    PyTypeObject *TaskGroup_class; /* and so is this one */

#define DECLARE_NAME(field, string) PyObject *name_##field;
    CORE_NAMES(DECLARE_NAME)
#undef DECLARE_NAME
#define DECLARE_IMPORT(field, module, attribute) PyObject *field;
    CORE_IMPORTS(DECLARE_IMPORT)
    SSL_IMPORTS(DECLARE_IMPORT)
#undef DECLARE_IMPORT

    PyObject *context_keyword;    /* ("context",) */
    PyObject *msg_keyword;        /* ("msg",) */
    PyObject *wrap_awaitable;     /* asyncio's coroutine function around what is awaitable only */
    PyObject *stock_eager_factory; /* asyncio.eager_task_factory, NULL before 3.12 */
    PyObject *coroutine_origins;   /* {address: cr_origin}, NULL before the first */
    PyObject *own_eager_factory;   /* the namespace's, once it is there */
    PyObject *stock_ThreadSafeHandle; /* asyncio.events._ThreadSafeHandle, NULL before 3.14 */
    PyObject *stock_awaited_by;   /* asyncio's own, NULL before 3.14 */
    PyObject *add_to_awaited_by;
    PyObject *discard_from_awaited_by;
    PyObject *Loop_call_soon;     /* our own attributes, to tell an override from them */
    PyObject *Loop_call_at;
    PyObject *Loop_time;
    PyObject *Loop_get_debug;
    PyObject *Loop_create_future;
    PyObject *Loop_create_task;
    PyObject *Loop_call_soon_threadsafe;
    PyObject *Loop_is_closed;
    PyObject *sock_op_ready;      /* net/sock_op.c: what the loop calls for a sock_*() that waits */
    PyObject *StreamReader_class; /* the package's, made of the types: net/streams.c */
    PyObject *StreamProtocol_class;
    PyObject *StreamWriter_class;
    PyObject *newline_separators; /* (b'\n',) */
    PyObject *sleep_wake;         /* sync/sleep.c: what a timer of ours calls */
    PyObject *learnt_codes;       /* {"module:qualified.name": the code of asyncio's function} */
    PyObject *zero;               /* 0 */
    PyObject *coroutine_types;    /* set of types that iscoroutine() has said yes to */

    PyObject *stop_iteration; /* core/stop_iteration.c */
    bool stop_iteration_has_value;

    /* core/coroutine.c: memory of dead ones, by what they have beyond the head. */
    struct {
        void *first; /* linked by its field `future` */
        int count;
    } spare_coroutines[SPARE_COROUTINE_SIZES];

    /* core/async_with_method.c: the same. */
    struct {
        void *first; /* linked by its field `self` */
        int count;
    } spare_bound_methods;

    /* core/chain.c */
    bool chain_asks_running_loop; /* whether it is the loop's own thread: 3.14 on */
    PyObject *concurrent_methods; /* (name, what concurrent.futures.Future had under it), ... */
    class_verdict concurrent_verdict;

    /* core/work.c: what pyasync/_thread_pool.py knows of thread pools; NULL before it was asked, and
       where it does not know them. */
    bool pool_is_asked;
    bool pool_resolves_tasks;     /* an executor has _resolve_work_item_task(): 3.14 on */
    PyObject *pool_type;          /* ThreadPoolExecutor */
    PyObject *pool_submit;        /* its functions at that time */
    PyObject *pool_adjust;
    PyObject *pool_item_type;     /* concurrent.futures.thread._WorkItem, and its module's names */
    PyObject *pool_namespace;
    PyObject *pool_semaphore_type;
    PyObject *pool_queue_type;

    /* csrc/sync: Python's classes over our types, what each has under the names that matter
       (sync/sync_object.h), and how the running version does it. */
    PyObject *Lock_class;
    PyObject *Event_class;
    PyObject *Condition_class;
    PyObject *QueueShutDown; /* NULL before 3.13 */
    PyObject *sync_attributes[SYNC_CLASS_COUNT];
    class_verdict sync_verdicts[SYNC_CLASS_COUNT][VERDICT_COUNT];
    bool condition_passes_on; /* a notify() that met a cancellation, from 3.13 on */
    bool semaphore_wakes_all; /* that its value allows for, from 3.13 on */

    /* core/bridge.c: where the running interpreter keeps the current task. */
    PyObject *current_tasks;      /* {loop: task}, to 3.13; else NULL */
    Py_ssize_t running_task_offset; /* of the field in the thread state; 0 where not known */
    PyObject *swap_current_task;  /* _asyncio's functions, 3.12 on for swap */
    PyObject *enter_task;
    PyObject *leave_task;

    /* core/bridge.c: where a Context keeps its variables; 0 where that was not found. */
    Py_ssize_t context_vars_offset;
    PyTypeObject *context_vars_type;
    PyObject *no_context_vars;

    llist_node handle_runners;    /* core/handle_threadsafe.c: callbacks of thread-safe handles that run, */
    llist_node handle_waiters;    /* and threads that wait for one to return */
    bool create_task_takes_more;  /* this version's create_task has **kwargs for Task */
    bool server_counts_transports; /* Server._attach() takes no transport, before 3.13 */
    bool sendfile_always_seeks;   /* where nothing was sent, too: from 3.14 on */
    bool protocol_keeps_writer;   /* what StreamReaderProtocol of this version does: to 3.12 */
    bool protocol_checks_cancelled; /* 3.12 on */
    bool protocol_catches_errors; /* 3.14 on */
    bool create_task_names_all;   /* 3.13.0: it calls set_name(None) on a factory's task */
    PyObject *timeout_expire;     /* the method Timeout._on_timeout, see core/handle.h */
    bool wait_for_makes_task;     /* to 3.11 */
    bool timeout_takes_subclasses; /* of CancelledError, and */
    bool timeout_inserts_errors;  /* TimeoutError into other exceptions' contexts: since 3.13 */

    /* sync/task_group.c: how the running version's TaskGroup goes about it. */
    bool group_takes_subclasses;  /* of CancelledError, as such */
    bool group_uncancels_last;    /* the parent, when the tasks are done; and cancels it again */
    bool group_keeps_cancellation; /* that is not its own, and came while it waited */
    bool group_passes_generator_exit; /* alone, not in a group of exceptions */
    bool group_suppresses;        /* what is left of a cancellation */
    bool group_forgets;           /* its parent and all errors, once it is left */
    bool group_closes_refused;    /* coroutines */
    bool group_names_later;       /* its tasks, when they are there */
    bool group_passes_keywords;   /* all of them, to loop.create_task() */
    bool group_hears_at_once;     /* of a task that is done when it is made */
    bool group_cancels_late_tasks; /* made while an eager one cancelled the group */
    PyObject *name_keyword;       /* ("name",) */
    PyObject *name_context_keywords; /* ("name", "context") */

    Py_ssize_t Future_place;      /* where these names were in their modules when they */
    Py_ssize_t Task_place;        /* were last looked for (core/namespace.h) */
    Py_ssize_t monotonic_place;
    bool handle_run_is_replaced;  /* core/loop_run.c: asyncio.Handle._run, when that class had this */
    unsigned handle_version;      /* version */
    PyObject *replaced_create_task; /* core/loop_schedule.c: the same of BaseEventLoop.create_task */
    unsigned base_loop_version;

    llist_node tasks;
    unsigned long long task_count;
#ifdef PYASYNC_DEBUG
    Py_ssize_t live[LIVE_TYPE_COUNT];
#endif
} core_state;

#ifdef PYASYNC_DEBUG
#  define LIVE_ADD(state, which) ((state)->live[which]++)
#  define LIVE_SUB(state, which) ((void)((state) != NULL && (state)->live[which]--))
#else
#  define LIVE_ADD(state, which) ((void)0)
#  define LIVE_SUB(state, which) ((void)0)
#endif

extern struct PyModuleDef core_module;

static inline core_state *
state_of_module(PyObject *module)
{
    return (core_state *)PyModule_GetState(module);
}

/* The state behind an object of one of our types or of a subclass; never NULL for these. */
core_state *state_of_type(PyTypeObject *type);

/* The same for tp_dealloc, where the GC may have taken the type and the module apart before their
   last instance: then NULL. */
core_state *state_of_dying_type(PyTypeObject *type);

static inline core_state *
state_of(PyObject *self)
{
    return state_of_type(Py_TYPE(self));
}

/* Interns the names and does the imports: 0 or -1. */
int state_init(core_state *state);
int state_traverse(core_state *state, visitproc visit, void *arg);
void state_clear(core_state *state);

/* Makes a type of the module from its spec, with one base or none: 0 or -1. The second gives it the
   module's name of it, too. */
int state_make_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec, PyObject *base);
int state_add_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec, PyObject *base);

#endif
