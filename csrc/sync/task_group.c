/* task_group.c -- TaskGroup: making its tasks, and hearing from each one when it is done. */

#include "sync/task_group.h"

#include "base/check.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/context.h"
#include "core/future.h"
#include "core/report.h"
#include "core/task.h"
#include "core/waiter.h"
#include "sync/any_task.h"
#include "sync/structured.h"

#include <stdbool.h>

/* ---- errors and aborting ---- */

int
task_group_is_base_error(TaskGroup *self, PyObject *exc)
{
    if (task_group_is_exact(self)) {
        return PyErr_GivenExceptionMatches(exc, PyExc_SystemExit)
               || PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt);
    }
    PyObject *answer = PyObject_CallMethodOneArg((PyObject *)self,
                                                 self->module_state->name_is_base_error, exc);
    int is_true = answer == NULL ? -1 : PyObject_IsTrue(answer); // runs Python
    Py_XDECREF(answer);
    return is_true;
}

int
task_group_abort(TaskGroup *self)
{
    core_state *state = self->module_state;
    self->aborting = true;
    PyObject *task, *iterator = PyObject_GetIter(self->tasks);
    int status = iterator == NULL ? -1 : 0;
    while (status == 0 && (task = PyIter_Next(iterator)) != NULL) {
        int is_done = awaitable_is_done(state, task); // runs Python, as cancelling does
        status = is_done == 0 ? any_task_cancel(state, task) : is_done < 0 ? -1 : 0;
        Py_DECREF(task);
    }
    Py_XDECREF(iterator);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

int
task_group_abort_by_method(TaskGroup *self)
{
    PyObject *answer = PyObject_CallMethodNoArgs((PyObject *)self, self->module_state->name_abort);
    Py_XDECREF(answer); // runs Python
    return answer == NULL ? -1 : 0;
}

/* ---- a task is done ---- */

/* The exception that a task raised, a new reference; NULL where it has raised none or was
   cancelled, or with an exception pending. Runs Python for a task not of ours. */
static PyObject *
error_of(core_state *state, PyObject *task)
{
    if (future_is_exact(state, task) && ((Future *)task)->state == FUTURE_FINISHED
        && !((Future *)task)->has_exception) {
        return NULL;
    }
    if (awaitable_is_cancelled(state, task) != 0) { // runs Python
        return NULL;
    }
    PyObject *error = awaitable_exception(state, task); // runs Python
    if (error == Py_None) {
        Py_CLEAR(error);
    }
    return error;
}

/* Wakes __aexit__() where it waits and that was the last task. */
static int
wake_if_empty(TaskGroup *self)
{
    if (self->on_completed_fut == NULL || PySet_GET_SIZE(self->tasks) > 0) {
        return 0;
    }
    core_state *state = self->module_state;
    PyObject *future = Py_NewRef(self->on_completed_fut);
    int status = awaitable_is_done(state, future); // runs Python on other loops than ours
    if (status == 0) {
        if (future_is_exact(state, future)) {
            status = future_set_result(state, (Future *)future, Py_True);
        }
        else {
            PyObject *answer = PyObject_CallMethodOneArg(future, state->name_set_result, Py_True);
            status = answer == NULL ? -1 : 0;
            Py_XDECREF(answer);
        }
    }
    Py_DECREF(future);
    return status < 0 ? -1 : 0;
}

/* A task has raised when nobody is left to be told. Runs Python. */
static int
report_orphan(TaskGroup *self, PyObject *task, PyObject *parent, PyObject *exc)
{
    core_state *state = self->module_state;
    PyObject *message = PyUnicode_FromFormat(
        "Task %R has errored out but its parent task %S is already completed", task, parent);
    PyObject *pairs[][2] = {
        {state->name_exception, exc}, {state->name_task, task}, {NULL, NULL}};
    return report_to_handler(state, self->loop, message, pairs);
}

/* A task has raised: the group is aborted, and its parent told by a cancellation. */
static int
take_error(TaskGroup *self, PyObject *task, PyObject *exc)
{
    core_state *state = self->module_state;
    if (self->errors == NULL) {
        PyErr_SetString(PyExc_AttributeError, "'NoneType' object has no attribute 'append'");
        return -1;
    }
    if (PyList_Append(self->errors, exc) < 0) {
        return -1;
    }
    int is_base = task_group_is_base_error(self, exc); // may run Python
    if (is_base < 0) {
        return -1;
    }
    if (is_base && self->base_error == NULL) {
        self->base_error = Py_NewRef(exc);
    }
    PyObject *parent = Py_NewRef(self->parent_task == NULL ? Py_None : self->parent_task);
    int status = awaitable_is_done(state, parent); // runs Python, as all that follows
    if (status > 0) {
        status = report_orphan(self, task, parent, exc);
    }
    else if (status == 0 && !self->aborting && !self->parent_cancel_requested) {
        status = task_group_is_exact(self) ? task_group_abort(self)
                                           : task_group_abort_by_method(self);
        if (status == 0) {
            self->parent_cancel_requested = true;
            status = any_task_cancel(state, parent);
        }
    }
    Py_DECREF(parent);
    return status;
}

/* 3.14's call graph: the parent waits for a task that is not ours, or no more. Of ours the Waiter
   says so itself. */
static int
tell_awaited_by(TaskGroup *self, PyObject *function, PyObject *task)
{
    if (function == NULL || future_is_exact(self->module_state, task)) {
        return 0;
    }
    PyObject *parent = self->parent_task == NULL ? Py_None : self->parent_task;
    PyObject *answer = PyObject_CallFunctionObjArgs(function, task, parent, NULL);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

static int
task_done(core_state *state, PyObject *owner, PyObject *task)
{
    TaskGroup *self = (TaskGroup *)owner;
    if (PySet_Discard(self->tasks, task) < 0
        || tell_awaited_by(self, state->discard_from_awaited_by, task) < 0
        || wake_if_empty(self) < 0) {
        return -1;
    }
    PyObject *error = error_of(state, task); // may run Python, as take_error does
    int status = error != NULL ? take_error(self, task, error) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(error);
    return status;
}

static PyObject *
waiting_task(PyObject *owner)
{
    return ((TaskGroup *)owner)->parent_task;
}

static const waiter_kind task_done_waiter = {
    .qualname = "TaskGroup._on_task_done",
    .notify = task_done,
    .waiting_task = waiting_task,
};

static PyObject *
TaskGroup_on_task_done(PyObject *op, PyObject *task)
{
    int status = task_done(((TaskGroup *)op)->module_state, op, task);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- create_task ---- */

/* Has the group told when the task is done: 0 or -1. May run Python. */
static int
add_callback(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (task_group_is_exact(self)) {
        PyObject *context = context_take_snapshot(state);
        int status = context == NULL ? -1
                                     : waiter_add(state, task, &task_done_waiter, (PyObject *)self,
                                                  context);
        Py_XDECREF(context);
        return status;
    }
    PyObject *callback = PyObject_GetAttr((PyObject *)self, state->name_on_task_done);
    PyObject *answer = callback == NULL ? NULL
                                        : PyObject_CallMethodOneArg(
                                              task, state->name_add_done_callback, callback);
    Py_XDECREF(callback);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

/* The task is done already: what the callback does, at once. Runs Python. */
static int
hear_at_once(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (task_group_is_exact(self)) {
        return task_done(state, (PyObject *)self, task);
    }
    PyObject *answer = PyObject_CallMethodOneArg((PyObject *)self, state->name_on_task_done, task);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

/* Why no task can be made any more, or NULL. */
static const char *
refusal(const TaskGroup *self)
{
    return !self->entered                                             ? "has not been entered"
           : self->exiting && PySet_GET_SIZE(self->tasks) == 0 ? "is finished"
           : self->aborting                                           ? "is shutting down"
                                                                      : NULL;
}

/* RuntimeError; where the version does so, the coroutine is closed first. Runs Python. */
static PyObject *
refuse(TaskGroup *self, PyObject *coro, const char *reason)
{
    if (self->module_state->group_closes_refused) {
        PyObject *answer = PyObject_CallMethodNoArgs(coro, self->module_state->name_close);
        Py_XDECREF(answer);
        if (answer == NULL) {
            return NULL;
        }
    }
    return PyErr_Format(PyExc_RuntimeError, "TaskGroup %R %s", self, reason);
}

enum { PARAMETERS = 3, MAX_KEYWORDS = 8 };

/* loop.create_task(coro, ...) with what the version passes on: to 3.13 name and context, where it
   does, from 3.14 on all keywords. Runs Python on other loops than ours. */
static PyObject *
make_task(TaskGroup *self, PyObject *const *bound, PyObject *const *values, PyObject *kwnames)
{
    core_state *state = self->module_state;
    PyObject *stack[2 + MAX_KEYWORDS] = {self->loop, bound[0]};
    PyObject *name = bound[1] == NULL ? Py_None : bound[1];
    bool has_context = bound[2] != NULL && bound[2] != Py_None;
    if (state->group_passes_keywords) {
        Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
        for (Py_ssize_t i = 0; i < count; i++) {
            stack[2 + i] = values[i];
        }
    }
    else if (state->group_names_later) {
        stack[2] = bound[2];
        kwnames = has_context ? state->context_keyword : NULL;
    }
    else {
        stack[2] = name;
        stack[3] = bound[2];
        kwnames = has_context ? state->name_context_keywords : state->name_keyword;
    }
    PyObject *task = PyObject_VectorcallMethod(state->name_create_task, stack,
                                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    if (task == NULL || !state->group_names_later || name == Py_None) {
        return task;
    }
    if (Py_IS_TYPE(task, state->Task_type)) {
        if (task_set_name((Task *)task, name) < 0) { // runs Python
            Py_CLEAR(task);
        }
        return task;
    }
    PyObject *set_name = PyDict_GetItemString(state->tasks_namespace, "_set_task_name");
    PyObject *answer = set_name == NULL
                           ? PyObject_CallMethodOneArg(task, state->name_set_name, name)
                           : PyObject_CallFunctionObjArgs(set_name, task, name, NULL);
    Py_XDECREF(answer); // runs Python
    if (answer == NULL) {
        Py_CLEAR(task);
    }
    return task;
}

/* Takes a new task in: 0 or -1. Runs Python on other loops than ours. */
static int
take_task(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (tell_awaited_by(self, state->add_to_awaited_by, task) < 0) {
        return -1;
    }
    if (state->group_hears_at_once) {
        int is_done = awaitable_is_done(state, task);
        if (is_done != 0) {
            return is_done < 0 ? -1 : hear_at_once(self, task);
        }
    }
    if (PySet_Add(self->tasks, task) < 0 || add_callback(self, task) < 0) {
        return -1;
    }
    if (!state->group_cancels_late_tasks || !self->aborting) {
        return 0;
    }
    int is_done = awaitable_is_done(state, task);
    return is_done == 0 ? any_task_cancel(state, task) : is_done < 0 ? -1 : 0;
}

static PyObject *
TaskGroup_create_task(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"coro", "name", "context"}, PARAMETERS, 1, 1};
    TaskGroup *self = (TaskGroup *)op;
    core_state *state = self->module_state;
    PyObject *bound[PARAMETERS] = {nargs == 1 ? args[0] : NULL};
    bool fits = nargs == 1 && (kwnames == NULL || PyTuple_GET_SIZE(kwnames) <= MAX_KEYWORDS);
    if (fits && kwnames != NULL && !state->group_passes_keywords) {
        fits = args_bind_names(&parameters, args, nargs, kwnames, bound);
    }
    if (!fits) {
        return method_call_stock(state->stock_TaskGroup, "create_task", op, args, nargs,
                                     kwnames); // runs Python
    }
    const char *reason = refusal(self);
    if (reason != NULL) {
        return refuse(self, bound[0], reason);
    }
    PyObject *task = make_task(self, bound, args + nargs, kwnames); // runs Python
    if (task != NULL && take_task(self, task) < 0) {
        Py_CLEAR(task);
    }
    return task;
}

/* ---- what Python sees ---- */

static PyObject *
TaskGroup_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return task_group_abort((TaskGroup *)op) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
TaskGroup_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    TaskGroup *self = (TaskGroup *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->module_state = state_of_type(type);
    self->tasks = PySet_New(NULL);
    self->errors = PyList_New(0);
    if (self->tasks == NULL || self->errors == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
TaskGroup_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    (void)op;
    Py_ssize_t given = PyTuple_GET_SIZE(args) + 1;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyObject *name = NULL;
        Py_ssize_t position = 0;
        PyDict_Next(kwargs, &position, &name, NULL);
        PyErr_Format(PyExc_TypeError, "TaskGroup.__init__() got an unexpected keyword argument '%S'",
                     name);
        return -1;
    }
    if (given > 1) {
        PyErr_Format(PyExc_TypeError,
                     "TaskGroup.__init__() takes 1 positional argument but %zd were given", given);
        return -1;
    }
    return 0;
}

static int
TaskGroup_traverse(PyObject *op, visitproc visit, void *arg)
{
    TaskGroup *self = (TaskGroup *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->loop);
    Py_VISIT(self->parent_task);
    Py_VISIT(self->tasks);
    Py_VISIT(self->errors);
    Py_VISIT(self->base_error);
    Py_VISIT(self->on_completed_fut);
    return 0;
}

/* The set stays: it is never NULL, and what is in it is the set's own to clear. */
static int
TaskGroup_clear(PyObject *op)
{
    TaskGroup *self = (TaskGroup *)op;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->parent_task);
    Py_CLEAR(self->errors);
    Py_CLEAR(self->base_error);
    Py_CLEAR(self->on_completed_fut);
    return 0;
}

static void
TaskGroup_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)TaskGroup_clear(op);
    Py_CLEAR(((TaskGroup *)op)->tasks);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef TaskGroup_methods[] = {
    {"__aenter__", TaskGroup_aenter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))TaskGroup_aexit, METH_FASTCALL | METH_KEYWORDS,
     NULL},
    {"create_task", (PyCFunction)(void (*)(void))TaskGroup_create_task,
     METH_FASTCALL | METH_KEYWORDS,
     "create_task($self, /, coro, **kwargs)\n--\n\nHave the loop run a coroutine within the group; "
     "returns its Task. Raises RuntimeError outside the block, and once the group is shutting "
     "down. As asyncio.TaskGroup.create_task of the running version."},
    {"_abort", TaskGroup_abort, METH_NOARGS, NULL},
    {"_on_task_done", TaskGroup_on_task_done, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef TaskGroup_members[] = {
    {"_loop", T_OBJECT, offsetof(TaskGroup, loop), READONLY, NULL},
    {"_parent_task", T_OBJECT, offsetof(TaskGroup, parent_task), READONLY, NULL},
    {"_tasks", T_OBJECT, offsetof(TaskGroup, tasks), READONLY, NULL},
    {"_errors", T_OBJECT, offsetof(TaskGroup, errors), READONLY, NULL},
    {"_base_error", T_OBJECT, offsetof(TaskGroup, base_error), READONLY, NULL},
    {"_on_completed_fut", T_OBJECT, offsetof(TaskGroup, on_completed_fut), READONLY, NULL},
    {"_entered", T_BOOL, offsetof(TaskGroup, entered), 0, NULL},
    {"_exiting", T_BOOL, offsetof(TaskGroup, exiting), 0, NULL},
    {"_aborting", T_BOOL, offsetof(TaskGroup, aborting), 0, NULL},
    {"_parent_cancel_requested", T_BOOL, offsetof(TaskGroup, parent_cancel_requested), 0, NULL},
    {"_cancel_on_enter", T_BOOL, offsetof(TaskGroup, cancel_on_enter), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot TaskGroup_slots[] = {
    {Py_tp_doc, "TaskGroup()\n--\n\nThe C half of pyasync.TaskGroup."},
    {Py_tp_new, TaskGroup_new},
    {Py_tp_init, TaskGroup_init},
    {Py_tp_traverse, TaskGroup_traverse},
    {Py_tp_clear, TaskGroup_clear},
    {Py_tp_dealloc, TaskGroup_dealloc},
    {Py_tp_methods, TaskGroup_methods},
    {Py_tp_members, TaskGroup_members},
    {0, NULL},
};

static PyType_Spec TaskGroup_spec = {
    .name = "pyasync._core.TaskGroup",
    .basicsize = sizeof(TaskGroup),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = TaskGroup_slots,
};

/* How the running version's class goes about it. */
static int
read_version(core_state *state)
{
    PyObject *stock = state->stock_TaskGroup;
    int forgets = PyObject_HasAttrString(stock, "_aexit");
    const char *exit = forgets ? "_aexit" : "__aexit__";
    struct {
        bool *answer;
        const char *function;
        const char *name;
    } questions[] = {
        {&state->group_takes_subclasses, exit, "issubclass"},
        {&state->group_uncancels_last, exit, "cancelling"},
        {&state->group_keeps_cancellation, exit, "pending_cancellation_error"},
        {&state->group_passes_generator_exit, exit, "GeneratorExit"},
        {&state->group_closes_refused, "create_task", "close"},
        {&state->group_names_later, "create_task", "_set_task_name"},
        {&state->group_passes_keywords, "create_task", "kwargs"},
        {&state->group_hears_at_once, "create_task", "done"},
        {&state->group_cancels_late_tasks, "create_task", "cancel"},
    };
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        int answer = method_code_names(stock, questions[i].function, questions[i].name);
        if (answer < 0) {
            return -1;
        }
        *questions[i].answer = answer;
    }
    /* One that cancels late tasks asks whether they are done, too, but calls nothing then. */
    state->group_hears_at_once = state->group_hears_at_once && !state->group_cancels_late_tasks;
    state->group_forgets = forgets;
    state->group_suppresses = PyObject_HasAttrString(stock, "cancel");
    state->name_keyword = PyTuple_Pack(1, state->name_name);
    state->name_context_keywords = PyTuple_Pack(2, state->name_name, state->name_context);
    return state->name_keyword == NULL || state->name_context_keywords == NULL ? -1 : 0;
}

int
task_group_init(PyObject *module, core_state *state)
{
    if (read_version(state) < 0 || task_group_learn(state) < 0) {
        return -1;
    }
    return state_add_type(module, &state->TaskGroup_type, &TaskGroup_spec, NULL);
}
