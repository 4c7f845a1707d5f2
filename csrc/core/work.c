/* work.c -- the type behind work.h, and how it comes into the executor's queue. */

#include "core/work.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/chain.h"
#include "core/future.h"
#include "core/handled.h"

enum work_state {
    WORK_PENDING,
    WORK_RUNNING,
    WORK_CANCELLED,
    WORK_NOTIFIED,
    WORK_FINISHED,
};

typedef struct {
    PyObject_HEAD
    PyObject *end; /* of its chain */
    PyObject *outcome;
    enum work_state state;
    bool has_exception;
} Work;

/* ---- what the executor does with it ---- */

static const char *
state_name(const Work *self)
{
    static const char *const names[] = {
        [WORK_PENDING] = "PENDING",
        [WORK_RUNNING] = "RUNNING",
        [WORK_CANCELLED] = "CANCELLED",
        [WORK_NOTIFIED] = "CANCELLED_AND_NOTIFIED",
        [WORK_FINISHED] = "FINISHED",
    };
    return names[self->state];
}

/* Logs an error, as a concurrent future does one of a callback: 0, or -1 for no Exception. */
static int
log_error(core_state *state, PyObject *self)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyObject *outer = handled_begin(error);
    PyObject *answer = PyObject_CallMethod(state->concurrent_LOGGER, "exception", "sO",
                                           "exception calling callback for %r", self);
    handled_end(outer);
    Py_DECREF(error);
    return status_steal(answer);
}

/* It is done: tells the future of the loop. */
static PyObject *
tell(Work *self)
{
    core_state *state = state_of((PyObject *)self);
    PyObject *end = self->end;
    self->end = NULL;
    int status = 0;
    if (end != NULL && chain_source_is_done(state, end, (PyObject *)self) < 0) { // runs Python
        status = log_error(state, (PyObject *)self);
    }
    Py_XDECREF(end);
    return none_or_null(status);
}

static PyObject *
Work_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Work *self = (Work *)op;
    if (self->state == WORK_RUNNING || self->state == WORK_FINISHED) {
        Py_RETURN_FALSE;
    }
    if (self->state == WORK_PENDING) {
        self->state = WORK_CANCELLED;
        PyObject *answer = tell(self);
        if (answer == NULL) {
            return NULL;
        }
        Py_DECREF(answer);
    }
    Py_RETURN_TRUE;
}

static PyObject *
Work_set_running_or_notify_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Work *self = (Work *)op;
    if (self->state == WORK_CANCELLED) {
        self->state = WORK_NOTIFIED;
        Py_RETURN_FALSE;
    }
    if (self->state != WORK_PENDING) {
        PyErr_SetString(PyExc_RuntimeError, "Future in unexpected state");
        return NULL;
    }
    self->state = WORK_RUNNING;
    Py_RETURN_TRUE;
}

static PyObject *
finish(Work *self, PyObject *outcome, bool has_exception)
{
    if (self->state > WORK_RUNNING) {
        core_state *state = state_of((PyObject *)self);
        PyErr_Format(state->concurrent_InvalidStateError, "%s: %R", state_name(self), self);
        return NULL;
    }
    self->outcome = Py_NewRef(outcome);
    self->has_exception = has_exception;
    self->state = WORK_FINISHED;
    return tell(self);
}

static PyObject *
Work_set_result(PyObject *op, PyObject *result)
{
    return finish((Work *)op, result, false);
}

static PyObject *
Work_set_exception(PyObject *op, PyObject *exception)
{
    return finish((Work *)op, exception, true);
}

PyObject *
work_result(PyObject *op)
{
    Work *self = (Work *)op;
    return self->state == WORK_FINISHED && !self->has_exception ? Py_NewRef(self->outcome) : NULL;
}

PyObject *
work_as_concurrent(core_state *state, PyObject *op)
{
    Work *self = (Work *)op;
    PyObject *future = PyObject_CallNoArgs(state->concurrent_Future);
    PyObject *answer = NULL;
    if (future == NULL) {
        return NULL;
    }
    if (self->state == WORK_FINISHED) {
        answer = PyObject_CallMethodOneArg(
            future, self->has_exception ? state->name_set_exception : state->name_set_result,
            self->outcome);
    }
    else {
        bool is_cancelled = self->state == WORK_CANCELLED || self->state == WORK_NOTIFIED;
        answer = is_cancelled ? PyObject_CallMethodNoArgs(future, state->name_cancel)
                              : Py_NewRef(Py_None);
        if (answer != NULL && (self->state == WORK_NOTIFIED || self->state == WORK_RUNNING)) {
            Py_SETREF(answer, PyObject_CallMethodNoArgs(
                                  future, state->name_set_running_or_notify_cancel));
        }
    }
    if (answer == NULL) {
        Py_CLEAR(future);
    }
    Py_XDECREF(answer);
    return future;
}

/* ---- how it comes into the queue ---- */

/* Whether object.name() of a lock says yes. */
static bool
is_locked(core_state *state, PyObject *lock)
{
    PyObject *answer = lock == NULL ? NULL : PyObject_CallMethodNoArgs(lock, state->name_locked);
    Py_XDECREF(answer);
    return answer != Py_False;
}

/* Whether the attribute is False. */
static bool
is_unset(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    Py_XDECREF(value);
    return value == Py_False;
}

static bool
is_method(PyObject *object, PyObject *name, PyObject *function)
{
    PyObject *method = PyObject_GetAttr(object, name);
    bool is_same = method != NULL && PyMethod_Check(method)
                   && PyMethod_GET_FUNCTION(method) == function;
    Py_XDECREF(method);
    return is_same;
}

int
work_fits(core_state *state, PyObject *executor)
{
    if (!state->pool_is_asked) {
        state->pool_is_asked = true;
        PyObject *module = PyImport_ImportModule("pyasync._thread_pool"); // runs Python
        Py_XDECREF(module);
        if (module == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
                return -1;
            }
            PyErr_Clear(); /* a program that was frozen without it */
        }
    }
    if (state->pool_type == NULL || !Py_IS_TYPE(executor, (PyTypeObject *)state->pool_type)
        || !chain_concurrent_is_plain(state)) {
        return 0;
    }
    bool fits = is_method(executor, state->name_submit, state->pool_submit)
                && is_method(executor, state->name_adjust_thread_count, state->pool_adjust);
    PyErr_Clear(); /* what is not there does not fit */
    return fits;
}

/* A thread of the executor waits for work, and nobody is about to change that: its semaphore. */
static PyObject *
idle_semaphore(core_state *state, PyObject *executor)
{
    PyObject *semaphore = PyObject_GetAttr(executor, state->name_idle_semaphore);
    if (semaphore == NULL
        || !Py_IS_TYPE(semaphore, (PyTypeObject *)state->pool_semaphore_type)) {
        Py_CLEAR(semaphore);
        return NULL;
    }
    PyObject *condition = PyObject_GetAttr(semaphore, state->name_cond);
    PyObject *lock = condition == NULL ? NULL
                                       : PyObject_GetAttr(condition, state->name_lock_attribute);
    Py_XDECREF(condition);
    if (is_locked(state, lock)) {
        Py_CLEAR(semaphore);
    }
    Py_XDECREF(lock);
    return semaphore;
}

/* Whether submit() would take more work now, without waiting for a lock. */
static bool
takes_work(core_state *state, PyObject *executor)
{
    PyObject *lock = PyObject_GetAttr(executor, state->name_shutdown_lock);
    bool is_free = !is_locked(state, lock) && is_unset(executor, state->name_broken)
                   && is_unset(executor, state->name_shutdown);
    Py_XDECREF(lock);
    PyObject *namespace = state->pool_namespace;
    return is_free
           && PyDict_GetItemWithError(namespace, state->name_shutdown) == Py_False
           && !is_locked(state, PyDict_GetItemWithError(namespace,
                                                        state->name_global_shutdown_lock));
}

/* Takes a thread that waits, and puts the item into the queue. What was found out holds until the
   end: nothing here runs Python or gives the GIL up. 1, or 0 where submit() has to do it. */
static int
put(core_state *state, PyObject *executor, PyObject *item)
{
    int is_put = 0;
    PyObject *semaphore = idle_semaphore(state, executor);
    PyObject *value = semaphore == NULL ? NULL
                                        : PyObject_GetAttr(semaphore, state->name_value);
    long count = value == NULL || !PyLong_CheckExact(value) ? -1 : PyLong_AsLong(value);
    PyObject *less = count <= 0 ? NULL : PyLong_FromLong(count - 1);
    if (less != NULL && takes_work(state, executor)) {
        PyObject *queue = PyObject_GetAttr(executor, state->name_work_queue);
        if (queue != NULL && Py_IS_TYPE(queue, (PyTypeObject *)state->pool_queue_type)
            && PyObject_SetAttr(semaphore, state->name_value, less) == 0) {
            PyObject *answer = PyObject_CallMethodOneArg(queue, state->name_put, item);
            is_put = answer != NULL;
            Py_XDECREF(answer);
            if (!is_put && PyObject_SetAttr(semaphore, state->name_value, value) < 0) {
                PyErr_Clear(); /* the failure of put() is the one to know of */
            }
        }
        Py_XDECREF(queue);
    }
    Py_XDECREF(less);
    Py_XDECREF(value);
    Py_XDECREF(semaphore);
    PyErr_Clear(); /* something is not as it was at the import: submit() will say so */
    return is_put;
}

/* Whether a thread waits for work, asked before anything is made. */
static bool
has_idle_thread(core_state *state, PyObject *executor)
{
    PyObject *semaphore = PyObject_GetAttr(executor, state->name_idle_semaphore);
    PyObject *value = semaphore == NULL ? NULL
                                        : PyObject_GetAttr(semaphore, state->name_value);
    bool has_one = value != NULL && PyLong_CheckExact(value) && PyLong_AsLong(value) > 0;
    Py_XDECREF(semaphore);
    Py_XDECREF(value);
    PyErr_Clear(); /* as above */
    return has_one;
}

/* The executor's own work item, with `work` as its future. Runs Python. */
static PyObject *
make_item(core_state *state, PyObject *executor, PyObject *work, PyObject *const *args,
          Py_ssize_t nargs)
{
    PyObject *function = args[1];
    PyObject *rest = PyTuple_New(nargs - 2), *keywords = PyDict_New(), *item = NULL;
    if (rest == NULL || keywords == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 2; i < nargs; i++) {
        PyTuple_SET_ITEM(rest, i - 2, Py_NewRef(args[i]));
    }
    PyObject *stack[] = {work, function, rest, keywords};
    if (!state->pool_resolves_tasks) {
        item = PyObject_Vectorcall(state->pool_item_type, stack, 4, NULL);
        goto done;
    }
    PyObject *resolve = PyObject_GetAttr(executor, state->name_resolve_work_item_task);
    PyObject *task = resolve == NULL ? NULL : PyObject_Vectorcall(resolve, stack + 1, 3, NULL);
    if (task != NULL) {
        stack[1] = task;
        item = PyObject_Vectorcall(state->pool_item_type, stack, 2, NULL);
    }
    Py_XDECREF(resolve);
    Py_XDECREF(task);
done:
    Py_XDECREF(rest);
    Py_XDECREF(keywords);
    return item;
}

PyObject *
work_submit(Loop *loop, PyObject *executor, PyObject *const *args, Py_ssize_t nargs)
{
    core_state *state = loop->state;
    if (!loop->create_future_is_ours || !has_idle_thread(state, executor)) {
        return NULL;
    }
    Work *work = (Work *)state->Work_type->tp_alloc(state->Work_type, 0);
    PyObject *item =
        work == NULL ? NULL : make_item(state, executor, (PyObject *)work, args, nargs);
    PyObject *future = item == NULL ? NULL : loop_create_future(state, (PyObject *)loop);
    bool is_put = false;
    if (future != NULL && Py_IS_TYPE(future, state->Future_type)) {
        work->end = chain_follow(state, (PyObject *)work, future);
        is_put = work->end != NULL && put(state, executor, item);
    }
    if (!is_put) {
        Py_CLEAR(future);
        if (work != NULL) {
            Py_CLEAR(work->end); /* the future refers to it, too */
        }
    }
    Py_XDECREF(work);
    Py_XDECREF(item);
    return future;
}

/* ---- the type ---- */

static PyObject *
Work_repr(PyObject *op)
{
    core_state *state = state_of(op);
    PyObject *future = work_as_concurrent(state, op);
    PyObject *repr = future == NULL ? NULL : PyObject_Repr(future);
    PyObject *theirs = repr == NULL ? NULL : PyUnicode_FromFormat("%p", future);
    PyObject *own = theirs == NULL ? NULL : PyUnicode_FromFormat("%p", op);
    PyObject *shown = own == NULL ? NULL : PyUnicode_Replace(repr, theirs, own, 1);
    Py_XDECREF(future);
    Py_XDECREF(repr);
    Py_XDECREF(theirs);
    Py_XDECREF(own);
    return shown;
}

static int
Work_traverse(PyObject *op, visitproc visit, void *arg)
{
    Work *self = (Work *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->end);
    Py_VISIT(self->outcome);
    return 0;
}

static int
Work_clear(PyObject *op)
{
    Work *self = (Work *)op;
    Py_CLEAR(self->end);
    Py_CLEAR(self->outcome);
    return 0;
}

static void
Work_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Work_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef Work_methods[] = {
    {"cancel", Work_cancel, METH_NOARGS, NULL},
    {"set_running_or_notify_cancel", Work_set_running_or_notify_cancel, METH_NOARGS, NULL},
    {"set_result", Work_set_result, METH_O, NULL},
    {"set_exception", Work_set_exception, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Work_slots[] = {
    {Py_tp_doc, "What an executor's work item has for a future."},
    {Py_tp_repr, Work_repr},
    {Py_tp_traverse, Work_traverse},
    {Py_tp_clear, Work_clear},
    {Py_tp_dealloc, Work_dealloc},
    {Py_tp_methods, Work_methods},
    {0, NULL},
};

static PyType_Spec Work_spec = {
    .name = "pyasync._core.Work",
    .basicsize = sizeof(Work),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Work_slots,
};

PyObject *
core_set_thread_pool(PyObject *module, PyObject *args)
{
    core_state *state = state_of_module(module);
    PyObject *pool, *item, *namespace, *semaphore, *queue;
    int resolves_tasks;
    if (!PyArg_ParseTuple(args, "OOO!OOp:_set_thread_pool", &pool, &item, &PyDict_Type, &namespace,
                          &semaphore, &queue, &resolves_tasks)) {
        return NULL;
    }
    state->pool_submit = PyObject_GetAttr(pool, state->name_submit);
    state->pool_adjust = PyObject_GetAttr(pool, state->name_adjust_thread_count);
    if (state->pool_submit == NULL || state->pool_adjust == NULL) {
        return NULL;
    }
    state->pool_item_type = Py_NewRef(item);
    state->pool_namespace = Py_NewRef(namespace);
    state->pool_semaphore_type = Py_NewRef(semaphore);
    state->pool_queue_type = Py_NewRef(queue);
    state->pool_resolves_tasks = resolves_tasks;
    state->pool_type = Py_NewRef(pool);
    Py_RETURN_NONE;
}

int
work_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->Work_type, &Work_spec, NULL);
}
