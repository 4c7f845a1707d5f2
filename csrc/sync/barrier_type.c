/* barrier_type.c -- pyasync._core.Barrier: what Python sees of a Barrier. */

#include "sync/barrier.h"

#include "core/stock.h"

static const char *const barrier_methods[] = {
    "wait", "_block", "_release", "_wait", "_exit", NULL,
};
static const char *const barrier_data[] = {"_cond", "_parties", "_state", "_count", NULL};

static const sync_class barrier_class = {
    .index = SYNC_BARRIER,
    .stock = offsetof(core_state, stock_Barrier),
    .methods = barrier_methods,
    .data = barrier_data,
};

static PyObject *
Barrier_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &barrier_class);
}

/* asyncio's own __init__; the condition that it made of asyncio's class becomes one of ours. */
static int
init_as_stock(Barrier *self, PyObject *args, PyObject *kwargs)
{
    const core_state *state = self->head.state;
    if (sync_init_as_stock(&self->head, args, kwargs) < 0) {
        return -1;
    }
    if (self->condition == NULL
        || !Py_IS_TYPE(self->condition, (PyTypeObject *)state->stock_Condition)) {
        return 0;
    }
    PyObject *condition = PyObject_CallNoArgs(state->Condition_class);
    if (condition == NULL) {
        return -1;
    }
    Py_XSETREF(self->condition, condition);
    return 0;
}

static int
Barrier_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Barrier *self = (Barrier *)op;
    const core_state *state = self->head.state;
    PyObject *parties = NULL;
    Py_ssize_t number = 0;
    if (sync_parse_one(args, kwargs, "parties", &parties) && parties != NULL
        && PyLong_CheckExact(parties)) {
        number = PyLong_AsSsize_t(parties);
        if (number == -1 && PyErr_Occurred()) {
            PyErr_Clear(); /* too large: asyncio's own can do with it */
        }
    }
    if (number < 1 || !sync_is_plain(&self->head)) {
        return init_as_stock(self, args, kwargs);
    }
    PyObject *condition = PyObject_CallNoArgs(state->Condition_class); // runs Python
    if (condition == NULL) {
        return -1;
    }
    Py_XSETREF(self->condition, condition);
    Py_XSETREF(self->barrier_state, Py_NewRef(state->barrier_FILLING));
    Py_CLEAR(self->parties.odd);
    Py_CLEAR(self->count.odd);
    self->parties.value = number;
    self->count.value = 0;
    return 0;
}

static PyObject *
Barrier_wait(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Barrier *self = (Barrier *)op;
    return barrier_is_plain(self) ? barrier_wait(self) : sync_call_stock_bare(&self->head, "wait");
}

static PyObject *
Barrier_reset(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Barrier *self = (Barrier *)op;
    return barrier_is_plain(self) ? barrier_reset(self)
                                  : sync_call_stock_bare(&self->head, "reset");
}

static PyObject *
Barrier_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Barrier *self = (Barrier *)op;
    return barrier_is_plain(self) ? barrier_abort(self)
                                  : sync_call_stock_bare(&self->head, "abort");
}

static PyObject *
Barrier_aenter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Barrier *self = (Barrier *)op;
    return barrier_is_plain(self) ? barrier_enter(self)
                                  : sync_call_stock_bare(&self->head, "__aenter__");
}

static PyObject *
Barrier_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Barrier *self = (Barrier *)op;
    return kwnames == NULL ? barrier_leave(self)
                           : sync_call_stock(&self->head, "__aexit__", args, nargs, kwnames);
}

/* What asyncio's property answers, by its name. Runs Python. */
static PyObject *
get_as_stock(PyObject *op, void *name)
{
    PyObject *property = PyObject_GetAttrString(state_of(op)->stock_Barrier, name);
    if (property == NULL) {
        return NULL;
    }
    PyObject *answer = PyObject_CallMethod(property, "__get__", "O", op);
    Py_DECREF(property);
    return answer;
}

static int
set_as_stock(PyObject *op, PyObject *value, void *name)
{
    return stock_set_property(state_of(op)->stock_Barrier, name, op, value);
}

static PyObject *
get_parties(PyObject *op, void *name)
{
    Barrier *self = (Barrier *)op;
    return sync_is_plain(&self->head) ? sync_number_get(&self->parties) : get_as_stock(op, name);
}

static PyObject *
get_n_waiting(PyObject *op, void *name)
{
    Barrier *self = (Barrier *)op;
    if (!sync_is_plain(&self->head)) {
        return get_as_stock(op, name);
    }
    bool is_filling = self->barrier_state == self->head.state->barrier_FILLING;
    return PyLong_FromSsize_t(is_filling ? self->count.value : 0);
}

static PyObject *
get_broken(PyObject *op, void *name)
{
    Barrier *self = (Barrier *)op;
    if (!sync_is_plain(&self->head)) {
        return get_as_stock(op, name);
    }
    return PyBool_FromLong(self->barrier_state == self->head.state->barrier_BROKEN);
}

static int
Barrier_traverse(PyObject *op, visitproc visit, void *arg)
{
    Barrier *self = (Barrier *)op;
    Py_VISIT(self->condition);
    Py_VISIT(self->barrier_state);
    Py_VISIT(self->parties.odd);
    Py_VISIT(self->count.odd);
    return sync_traverse(op, visit, arg);
}

static int
Barrier_clear(PyObject *op)
{
    Barrier *self = (Barrier *)op;
    Py_CLEAR(self->condition);
    Py_CLEAR(self->barrier_state);
    Py_CLEAR(self->parties.odd);
    Py_CLEAR(self->count.odd);
    sync_clear(op);
    return 0;
}

static PyMethodDef Barrier_methods[] = {
    {"wait", Barrier_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nWait until so many tasks do; one's place among them. Raises "
     "BrokenBarrierError where the barrier is aborted, or reset meanwhile. As "
     "asyncio.Barrier.wait."},
    {"reset", Barrier_reset, METH_NOARGS,
     "reset($self, /)\n--\n\nMake it as new; who waits gets BrokenBarrierError. As "
     "asyncio.Barrier.reset."},
    {"abort", Barrier_abort, METH_NOARGS,
     "abort($self, /)\n--\n\nBreak it: who waits, and who comes, gets BrokenBarrierError. As "
     "asyncio.Barrier.abort."},
    {"__aenter__", Barrier_aenter, METH_NOARGS,
     "__aenter__($self, /)\n--\n\nwait(). As asyncio.Barrier."},
    {"__aexit__", FAST_METHOD(Barrier_aexit),
     "__aexit__($self, /, *args)\n--\n\nDo nothing. As asyncio.Barrier."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Barrier_getset[] = {
    SYNC_GETSET,
    {"parties", get_parties, set_as_stock, "As asyncio.Barrier.parties.", "parties"},
    {"n_waiting", get_n_waiting, set_as_stock, "As asyncio.Barrier.n_waiting.", "n_waiting"},
    {"broken", get_broken, set_as_stock, "As asyncio.Barrier.broken.", "broken"},
    {"_cond", attribute_get_object, sync_set_object, NULL, (void *)offsetof(Barrier, condition)},
    {"_state", attribute_get_object, sync_set_object, NULL, (void *)offsetof(Barrier, barrier_state)},
    {"_parties", sync_get_number, sync_set_number, NULL, (void *)offsetof(Barrier, parties)},
    {"_count", sync_get_number, sync_set_number, NULL, (void *)offsetof(Barrier, count)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Barrier_slots[] = {
    {Py_tp_doc, "Barrier(parties)\n--\n\nSo many tasks wait for each other. As asyncio.Barrier."},
    {Py_tp_new, Barrier_new},
    {Py_tp_init, Barrier_init},
    {Py_tp_methods, Barrier_methods},
    {Py_tp_getset, Barrier_getset},
    SYNC_SLOTS(Barrier_clear, Barrier_traverse),
    {0, NULL},
};

static PyType_Spec Barrier_spec = SYNC_SPEC("Barrier", Barrier, Barrier_slots);

int
barrier_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Barrier_type, &Barrier_spec, NULL) < 0) {
        return -1;
    }
    return sync_class_init(state, &barrier_class, state->Barrier_type);
}
