/* task_group_type.c -- the type behind pyasync.TaskGroup, and what the running version's does. */

#include "sync/task_group.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/stock.h"

#include <stddef.h>

static PyObject *
TaskGroup_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(task_group_abort((TaskGroup *)op));
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
        PyErr_Format(PyExc_TypeError,
                     "TaskGroup.__init__() got an unexpected keyword argument '%S'", name);
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
    {"__aexit__", FAST_METHOD(TaskGroup_aexit), NULL},
    {"create_task", FAST_METHOD(TaskGroup_create_task),
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
        int answer = stock_method_uses(stock, questions[i].function, questions[i].name);
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
