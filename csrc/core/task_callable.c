/* task_callable.c -- a task's step and its wake-up as callables, for foreign loops and futures,
   debug mode and whoever looks at a future's callbacks.

   Source: TaskStepMethWrapper and task_wakeup of Modules/_asynciomodule.c. */

#include "core/task.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/awaitable.h"

static PyObject *
task_wakeup(PyObject *self, PyObject *future)
{
    core_state *state = state_of(self);
    Task *task = (Task *)self;
    if (awaitable_discard_awaited_by(state, future, self) < 0) {
        return NULL;
    }
    PyObject *exception = task_exception_of(state, future); // runs Python
    int status = task_step_entered(state, task, exception);
    Py_XDECREF(exception);
    return none_or_null(status);
}

static PyMethodDef wakeup_method = {"task_wakeup", task_wakeup, METH_O, NULL};

PyObject *
task_wakeup_callable(PyObject *task)
{
    return PyCFunction_New(&wakeup_method, task);
}

typedef struct {
    PyObject_HEAD
    Task *task;
    PyObject *exception;
} TaskStep;

PyObject *
task_step_callable(core_state *state, Task *task, PyObject *exception)
{
    TaskStep *self = PyObject_GC_New(TaskStep, state->TaskStep_type);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state, LIVE_TASK_STEP);
    self->task = (Task *)Py_NewRef((PyObject *)task);
    self->exception = Py_XNewRef(exception);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static PyObject *
TaskStep_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    TaskStep *self = (TaskStep *)op;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "function takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "function takes no positional arguments");
        return NULL;
    }
    if (task_step_entered(state_of(op), self->task, self->exception) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
TaskStep_get_self(PyObject *op, void *Py_UNUSED(closure))
{
    return new_or_none((PyObject *)((TaskStep *)op)->task);
}

static int
TaskStep_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((TaskStep *)op)->task);
    Py_VISIT(((TaskStep *)op)->exception);
    return 0;
}

static int
TaskStep_clear(PyObject *op)
{
    Py_CLEAR(((TaskStep *)op)->task);
    Py_CLEAR(((TaskStep *)op)->exception);
    return 0;
}

static void
TaskStep_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    TaskStep_clear(op);
    LIVE_SUB(state_of_dying_type(type), LIVE_TASK_STEP);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyGetSetDef TaskStep_getset[] = {
    {"__self__", TaskStep_get_self, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot TaskStep_slots[] = {
    {Py_tp_call, TaskStep_call},
    {Py_tp_traverse, TaskStep_traverse},
    {Py_tp_clear, TaskStep_clear},
    {Py_tp_dealloc, TaskStep_dealloc},
    {Py_tp_getset, TaskStep_getset},
    {0, NULL},
};

static PyType_Spec TaskStep_spec = {
    .name = "pyasync._core.TaskStepMethWrapper",
    .basicsize = sizeof(TaskStep),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = TaskStep_slots,
};

int
task_step_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->TaskStep_type, &TaskStep_spec, NULL);
}
