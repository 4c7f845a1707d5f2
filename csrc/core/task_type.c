/* task_type.c -- pyasync.Task: its methods and attributes, and the type.

   Source: asyncio.Task (Modules/_asynciomodule.c). */

#include "core/task.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/bridge.h"
#include "core/future_methods.h"
#include "core/report.h"

static PyObject *
Task_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        ((Task *)self)->future.is_task = true;
        LIVE_ADD(state_of_type(type), LIVE_TASK);
    }
    return self;
}

static int
Task_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Task *self = (Task *)op;
    core_state *state = state_of(op);
    PyObject *coro, *loop = Py_None, *name = Py_None, *context = Py_None;
    int eager_start = 0;
#if TASK_HAS_CONTEXT_AND_EAGER_START
    static char *names[] = {"coro", "loop", "name", "context", "eager_start", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOp:Task", names, &coro, &loop, &name,
                                     &context, &eager_start)) {
        return -1;
    }
#else
    static char *names[] = {"coro", "loop", "name", "context", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOO:Task", names, &coro, &loop, &name,
                                     &context)) {
        return -1;
    }
#endif
    if (future_refuse_second_init(&self->future, "_asyncio.Task") < 0
        || future_init(state, &self->future, loop) < 0) {
        return -1;
    }
    if (eager_start) {
        eager_start = truth_steal(
            PyObject_CallMethodNoArgs(self->future.loop, state->name_is_running));
        if (eager_start < 0) {
            return -1;
        }
    }
    return task_init(state, self, coro, name, context, eager_start);
}

static PyObject *
Task_cancel(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *message = nargs > 0 ? args[0] : Py_None;
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (keywords == 1 && nargs == 0
        && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "msg") == 0) {
        message = args[0];
    }
    else if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "cancel() takes at most 1 argument (%zd given)",
                     nargs + keywords);
        return NULL;
    }
    else if (keywords > 0) {
        PyErr_Format(PyExc_TypeError, "cancel() got an unexpected keyword argument '%U'",
                     PyTuple_GET_ITEM(kwnames, 0));
        return NULL;
    }
    int is_cancelled = task_cancel(future_state_of((Future *)op), (Task *)op, message);
    return is_cancelled < 0 ? NULL : PyBool_FromLong(is_cancelled);
}

static PyObject *
Task_cancelling(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(((Task *)op)->future.task_cancels_requested);
}

static PyObject *
Task_uncancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(task_uncancel((Task *)op));
}

static PyObject *
Task_get_stack(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", NULL};
    PyObject *limit = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:get_stack", names, &limit)) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(state_of(op)->task_get_stack, op, limit, NULL);
}

static PyObject *
Task_print_stack(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "file", NULL};
    PyObject *limit = Py_None, *file = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO:print_stack", names, &limit, &file)) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(state_of(op)->task_print_stack, op, limit, file, NULL);
}

static PyObject *
Task_set_result(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(result))
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_result operation");
    return NULL;
}

static PyObject *
Task_set_exception(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(exception))
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_exception operation");
    return NULL;
}

static PyObject *
Task_get_coro(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return new_or_none(((Future *)op)->coro);
}

#if TASK_HAS_CONTEXT_AND_EAGER_START

static PyObject *
Task_get_context(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Task *self = (Task *)op;
    if (self->context == NULL) {
        Py_RETURN_NONE;
    }
    return task_context(state_of(op), self);
}

#endif

static PyObject *
Task_get_name(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Task *self = (Task *)op;
    if (!self->future.task_has_name) {
        if (self->label.number == 0) { /* never initialised */
            Py_RETURN_NONE;
        }
        PyObject *name = PyUnicode_FromFormat("Task-%llu", self->label.number);
        if (name == NULL) {
            return NULL;
        }
        self->label.name = name;
        self->future.task_has_name = true;
    }
    return Py_NewRef(self->label.name);
}

static PyObject *
Task_set_name(PyObject *op, PyObject *value)
{
    return none_or_null(task_set_name((Task *)op, value));
}

static PyObject *
get_log_destroy_pending(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Task *)op)->future.task_log_destroy_pending);
}

static int
set_log_destroy_pending(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = attribute_refuse_deletion(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (is_true >= 0) {
        ((Task *)op)->future.task_log_destroy_pending = is_true;
    }
    return is_true < 0 ? -1 : 0;
}

static PyObject *
get_must_cancel(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Task *)op)->future.task_must_cancel);
}

static PyObject *
Task_repr(PyObject *op)
{
    return PyObject_CallOneArg(state_of(op)->task_repr, op);
}

static void
Task_finalize(PyObject *op)
{
    Task *self = (Task *)op;
    if (self->future.state == FUTURE_PENDING && self->future.task_log_destroy_pending
        && future_is_alive(&self->future)) {
        report_destroyed_pending(future_state_of(&self->future), self->future.loop, op,
                                 self->future.source_traceback);
        llist_remove(&self->node); /* whoever resurrects it: asyncio has forgotten it, too */
    }
    future_finalize(&self->future);
}

static PyMethodDef Task_methods[] = {
    FUTURE_SHARED_METHODS,
    {"set_result", Task_set_result, METH_O,
     "set_result($self, result, /)\n--\n\nRaises RuntimeError. As asyncio.Task.set_result."},
    {"set_exception", Task_set_exception, METH_O,
     "set_exception($self, exception, /)\n--\n\nRaises RuntimeError. As "
     "asyncio.Task.set_exception."},
    {"cancel", FAST_METHOD(Task_cancel),
     "cancel($self, /, msg=None)\n--\n\nHave CancelledError thrown into the coroutine; False where "
     "the task is done. As asyncio.Task.cancel."},
    {"cancelling", Task_cancelling, METH_NOARGS,
     "cancelling($self, /)\n--\n\nThe number of cancellation requests not taken back. As "
     "asyncio.Task.cancelling."},
    {"uncancel", Task_uncancel, METH_NOARGS,
     "uncancel($self, /)\n--\n\nTake one cancellation request back; returns how many are left. As "
     "asyncio.Task.uncancel."},
    {"get_stack", (PyCFunction)(void (*)(void))Task_get_stack, METH_VARARGS | METH_KEYWORDS,
     "get_stack($self, /, *, limit=None)\n--\n\nThe frames of the coroutine, or of the traceback "
     "it ended with. As asyncio.Task.get_stack."},
    {"print_stack", (PyCFunction)(void (*)(void))Task_print_stack, METH_VARARGS | METH_KEYWORDS,
     "print_stack($self, /, *, limit=None, file=None)\n--\n\nPrint what get_stack() gives. As "
     "asyncio.Task.print_stack."},
    {"get_coro", Task_get_coro, METH_NOARGS,
     "get_coro($self, /)\n--\n\nThe coroutine. As asyncio.Task.get_coro."},
#if TASK_HAS_CONTEXT_AND_EAGER_START
    {"get_context", Task_get_context, METH_NOARGS,
     "get_context($self, /)\n--\n\nThe context the coroutine runs in. As "
     "asyncio.Task.get_context."},
#endif
    {"get_name", Task_get_name, METH_NOARGS,
     "get_name($self, /)\n--\n\nThe name. As asyncio.Task.get_name."},
    {"set_name", Task_set_name, METH_O,
     "set_name($self, value, /)\n--\n\nSet the name to str(value). As asyncio.Task.set_name."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Task_getset[] = {
    FUTURE_SHARED_GETSET,
    {"_log_destroy_pending", get_log_destroy_pending, set_log_destroy_pending, NULL, NULL},
    {"_must_cancel", get_must_cancel, NULL, NULL, NULL},
    {"_coro", attribute_get_object, NULL, NULL, (void *)offsetof(Future, coro)},
    {"_fut_waiter", attribute_get_object, NULL, NULL, (void *)offsetof(Future, fut_waiter)},
    {NULL, NULL, NULL, NULL, NULL},
};

#if TASK_HAS_CONTEXT_AND_EAGER_START
#  define TASK_SIGNATURE "Task(coro, *, loop=None, name=None, context=None, eager_start=False)"
#else
#  define TASK_SIGNATURE "Task(coro, *, loop=None, name=None, context=None)"
#endif

static PyType_Slot Task_slots[] = {
    {Py_tp_doc, TASK_SIGNATURE "\n--\n\nA coroutine run by a loop. As asyncio.Task."},
    {Py_tp_new, Task_new},
    {Py_tp_init, Task_init},
    {Py_tp_traverse, task_traverse},
    {Py_tp_clear, task_clear},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_finalize, Task_finalize},
    {Py_tp_repr, Task_repr},
    {Py_tp_iter, future_iter_new},
    {Py_am_await, future_iter_new},
    {Py_tp_methods, Task_methods},
    {Py_tp_getset, Task_getset},
    {0, NULL},
};

static PyType_Spec Task_spec = {
    .name = "pyasync._core.Task",
    .basicsize = sizeof(Task),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Task_slots,
};

int
task_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Task_type, &Task_spec, state->stock_Task) < 0) {
        return -1;
    }
    return bridge_insert_base(state->Task_type, state->Future_type);
}
