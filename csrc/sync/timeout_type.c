/* timeout_type.c -- what Python sees of timeouts: Timeout, timeout() and timeout_at(). */

#include "sync/timeout.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/coroutine.h"
#include "core/function.h"
#include "core/stock.h"

static const char *const STATE_VALUES[] = {"created", "active", "expiring", "expired", "finished"};

/* ---- __aenter__ and __aexit__ ---- */

typedef struct {
    Coroutine coroutine;
    Timeout *timeout;
    PyObject *exc_type; /* what __aexit__ was given, or NULL */
    PyObject *exc;
} timeout_call;

static int
start_enter(Coroutine *op, PyObject **result)
{
    Timeout *timeout = ((timeout_call *)op)->timeout;
    if (timeout_enter(timeout) < 0) {
        return COROUTINE_FAILED;
    }
    *result = Py_NewRef((PyObject *)timeout);
    return COROUTINE_RETURNS;
}

static int
start_exit(Coroutine *op, PyObject **result)
{
    timeout_call *call = (timeout_call *)op;
    if (timeout_exit(call->timeout, call->exc_type, call->exc) < 0) { // runs Python
        return COROUTINE_FAILED;
    }
    *result = Py_NewRef(Py_None);
    return COROUTINE_RETURNS;
}

static int
traverse_call(Coroutine *op, visitproc visit, void *arg)
{
    timeout_call *call = (timeout_call *)op;
    Py_VISIT((PyObject *)call->timeout);
    Py_VISIT(call->exc_type);
    Py_VISIT(call->exc);
    return 0;
}

static void
drop_call(Coroutine *op)
{
    timeout_call *call = (timeout_call *)op;
    Py_CLEAR(call->timeout);
    Py_CLEAR(call->exc_type);
    Py_CLEAR(call->exc);
}

static const coroutine_kind enter_kind = {
    .name = "__aenter__", .qualname = "Timeout.__aenter__", .size_bytes = sizeof(timeout_call),
    .functions = {"asyncio.timeouts:Timeout.__aenter__"},
    .start = start_enter, .traverse = traverse_call, .drop = drop_call,
};

static const coroutine_kind exit_kind = {
    .name = "__aexit__", .qualname = "Timeout.__aexit__", .size_bytes = sizeof(timeout_call),
    .functions = {"asyncio.timeouts:Timeout.__aexit__"},
    .start = start_exit, .traverse = traverse_call, .drop = drop_call,
};

static PyObject *
new_call(PyObject *op, const coroutine_kind *kind, PyObject *exc_type, PyObject *exc)
{
    timeout_call *call = (timeout_call *)coroutine_new(((Timeout *)op)->module_state, kind);
    if (call == NULL) {
        return NULL;
    }
    call->timeout = (Timeout *)Py_NewRef(op);
    call->exc_type = Py_XNewRef(exc_type);
    call->exc = Py_XNewRef(exc);
    return coroutine_begin(&call->coroutine);
}

static PyObject *
Timeout_aenter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return new_call(op, &enter_kind, NULL, NULL);
}

static PyObject *
Timeout_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"exc_type", "exc_val", "exc_tb"}, 3, 3, 3};
    PyObject *bound[3];
    if (nargs == 3 && kwnames == NULL) { /* as `async with` calls it */
        return new_call(op, &exit_kind, args[0], args[1]);
    }
    if (!args_bind_names(&parameters, args, nargs, kwnames, bound)) {
        PyErr_SetString(PyExc_TypeError, "Timeout.__aexit__() takes exc_type, exc_val and exc_tb");
        return NULL;
    }
    return new_call(op, &exit_kind, bound[0], bound[1]);
}

/* ---- what Python sees ---- */

static PyObject *
Timeout_on_timeout(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(timeout_expire((Timeout *)op));
}

static PyObject *
Timeout_when(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(((Timeout *)op)->when);
}

static PyObject *
Timeout_expired(PyObject *op, PyObject *Py_UNUSED(unused))
{
    enum timeout_state state = ((Timeout *)op)->state;
    return PyBool_FromLong(state == TIMEOUT_EXPIRING || state == TIMEOUT_EXPIRED);
}

static PyObject *
Timeout_reschedule(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"when"}, 1, 1, 1};
    Timeout *self = (Timeout *)op;
    PyObject *when;
    if (!args_bind_names(&parameters, args, nargs, kwnames, &when)) {
        PyErr_SetString(PyExc_TypeError, "Timeout.reschedule() takes one argument, when");
        return NULL;
    }
    if (self->state == TIMEOUT_CREATED) {
        PyErr_SetString(PyExc_RuntimeError, "Timeout has not been entered");
        return NULL;
    }
    if (self->state != TIMEOUT_ENTERED) {
        PyErr_Format(PyExc_RuntimeError, "Cannot change state of %s Timeout",
                     STATE_VALUES[self->state]);
        return NULL;
    }
    core_state *state = self->module_state;
    PyObject *loop = when == Py_None ? Py_NewRef(Py_None) : awaitable_running_loop(state);
    int status = loop == NULL ? -1 : timeout_set_deadline(self, loop, when); // runs Python
    Py_XDECREF(loop);
    return none_or_null(status);
}

static PyObject *
get_state(PyObject *op, void *Py_UNUSED(closure))
{
    Timeout *self = (Timeout *)op;
    return PyObject_CallFunction(self->module_state->timeout_states, "s",
                                 STATE_VALUES[self->state]);
}

static PyObject *
get_cancelling(PyObject *op, void *Py_UNUSED(closure))
{
    Timeout *self = (Timeout *)op;
    if (self->state == TIMEOUT_CREATED) {
        PyErr_SetString(PyExc_AttributeError, "'Timeout' object has no attribute '_cancelling'");
        return NULL;
    }
    return PyLong_FromLong(self->cancelling);
}

static PyObject *
Timeout_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return (PyObject *)timeout_new(state_of_type(type), type, Py_None);
}

static int
Timeout_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"when", NULL};
    Timeout *self = (Timeout *)op;
    PyObject *when;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Timeout", names, &when)) {
        return -1;
    }
    Py_XSETREF(self->when, Py_NewRef(when));
    Py_CLEAR(self->handler);
    Py_CLEAR(self->task);
    self->state = TIMEOUT_CREATED;
    return 0;
}

static int
Timeout_traverse(PyObject *op, visitproc visit, void *arg)
{
    Timeout *self = (Timeout *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->when);
    Py_VISIT(self->handler);
    Py_VISIT(self->task);
    return 0;
}

static int
Timeout_clear(PyObject *op)
{
    Timeout *self = (Timeout *)op;
    Py_XSETREF(self->when, Py_NewRef(Py_None));
    Py_CLEAR(self->handler);
    Py_CLEAR(self->task);
    return 0;
}

static void
Timeout_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)Timeout_clear(op);
    Py_CLEAR(((Timeout *)op)->when);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef Timeout_methods[] = {
    {"__aenter__", Timeout_aenter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))Timeout_aexit, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"when", Timeout_when, METH_NOARGS,
     "when($self, /)\n--\n\nThe deadline, in seconds of loop.time(), or None. As "
     "asyncio.Timeout.when."},
    {"reschedule", (PyCFunction)(void (*)(void))Timeout_reschedule, METH_FASTCALL | METH_KEYWORDS,
     "reschedule($self, /, when)\n--\n\nSet the deadline, in seconds of loop.time(), or None for "
     "none. Raises RuntimeError where it is not active. As asyncio.Timeout.reschedule."},
    {"expired", Timeout_expired, METH_NOARGS,
     "expired($self, /)\n--\n\nWhether the deadline has passed within it. As "
     "asyncio.Timeout.expired."},
    {"_on_timeout", Timeout_on_timeout, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Timeout_getset[] = {
    {"_state", get_state, NULL, NULL, NULL},
    {"_cancelling", get_cancelling, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Timeout_members[] = {
    {"_when", T_OBJECT, offsetof(Timeout, when), READONLY, NULL},
    {"_timeout_handler", T_OBJECT, offsetof(Timeout, handler), READONLY, NULL},
    {"_task", T_OBJECT, offsetof(Timeout, task), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Timeout_slots[] = {
    {Py_tp_doc, "Timeout(when)\n--\n\nThe C half of pyasync.Timeout."},
    {Py_tp_new, Timeout_new},
    {Py_tp_init, Timeout_init},
    {Py_tp_traverse, Timeout_traverse},
    {Py_tp_clear, Timeout_clear},
    {Py_tp_dealloc, Timeout_dealloc},
    {Py_tp_methods, Timeout_methods},
    {Py_tp_getset, Timeout_getset},
    {Py_tp_members, Timeout_members},
    {0, NULL},
};

static PyType_Spec Timeout_spec = {
    .name = "pyasync._core.Timeout",
    .basicsize = sizeof(Timeout),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Timeout_slots,
};

/* ---- the functions ---- */

static PyObject *
timeout_function(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"delay"}, 1, 1, 1};
    PyObject *delay;
    if (PyVectorcall_NARGS(nargsf) == 1 && kwnames == NULL) {
        delay = args[0];
    }
    else if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, &delay)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    return (PyObject *)timeout_after(function_state(function), delay);
}

static PyObject *
timeout_at_function(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"when"}, 1, 1, 1};
    PyObject *when;
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, &when)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    core_state *state = function_state(function);
    return (PyObject *)timeout_new(state, state->Timeout_class, when);
}

static const function_definition timeout_definition = {
    .name = "timeout",
    .module = "pyasync.timeouts",
    .call = timeout_function,
    .doc = "A Timeout of delay seconds from now, None for never.\n\n"
           "Raises RuntimeError where no loop runs. As asyncio.timeout.",
};

static const function_definition timeout_at_definition = {
    .name = "timeout_at",
    .module = "pyasync.timeouts",
    .call = timeout_at_function,
    .doc = "A Timeout at a time in seconds of loop.time(), None for never. As asyncio.timeout_at.",
};

int
timeout_init(PyObject *module, core_state *state)
{
    int subclasses = stock_method_uses(state->stock_Timeout, "__aexit__", "issubclass");
    int inserts = stock_method_uses(state->stock_Timeout, "__aexit__", "_insert_timeout_error");
    if (subclasses < 0 || inserts < 0) {
        return -1;
    }
    state->timeout_takes_subclasses = subclasses;
    state->timeout_inserts_errors = inserts;
    if (state_add_type(module, &state->Timeout_type, &Timeout_spec, NULL) < 0) {
        return -1;
    }
    state->timeout_expire = PyObject_GetAttr((PyObject *)state->Timeout_type,
                                             state->name_on_timeout);
    if (state->timeout_expire == NULL) {
        return -1;
    }
    return coroutine_learn(state, &enter_kind) < 0 || coroutine_learn(state, &exit_kind) < 0
                   || function_add(module, &timeout_definition) < 0
                   || function_add(module, &timeout_at_definition) < 0
               ? -1
               : 0;
}
