/* event.c -- pyasync._core.Event: set, clear and wait. */

#include "sync/event.h"

#include "core/answer.h"

int
event_wait_begin(Event *self, Waiting *waiting)
{
    return self->is_set ? 1 : waiters_join(&self->waiters, waiting, &self->head);
}

int
event_wait_end(Event *self, Waiting *waiting, PyObject *error)
{
    if (waiters_leave(&self->waiters, waiting) < 0) {
        waiters_chain_steal(error);
        return -1;
    }
    if (error != NULL) {
        PyErr_SetRaisedException(error);
        return -1;
    }
    return 1;
}

int
event_set(Event *self)
{
    if (self->is_set) {
        return 0;
    }
    self->is_set = true;
    return waiters_wake(self->head.state, &self->waiters, PY_SSIZE_T_MAX, Py_True);
}

static int
wait_start(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    return waiting_answer(event_wait_begin((Event *)waiting->owner, waiting), result, Py_True);
}

static int
wait_resume(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    PyObject *error = waiting_error(result);
    return waiting_answer(event_wait_end((Event *)waiting->owner, waiting, error), result,
                          Py_True);
}

static const char *const event_methods[] = {"_get_loop", NULL};
static const char *const event_data[] = {"_waiters", "_value", "_loop", NULL};

static const sync_class event_class = {
    .index = SYNC_EVENT,
    .stock = offsetof(core_state, stock_Event),
    .methods = event_methods,
    .data = event_data,
};

static PyObject *
Event_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &event_class);
}

static int
Event_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Event *self = (Event *)op;
    if (PyTuple_GET_SIZE(args) != 0 || kwargs != NULL || !sync_is_plain(&self->head)) {
        return sync_init_as_stock(&self->head, args, kwargs);
    }
    Py_CLEAR(self->waiters);
    self->is_set = false;
    return 0;
}

static PyObject *
Event_is_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return sync_is_plain((SyncObject *)op) ? PyBool_FromLong(((Event *)op)->is_set)
                                           : sync_call_stock_bare((SyncObject *)op, "is_set");
}

static PyObject *
Event_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (!sync_is_plain((SyncObject *)op)) {
        return sync_call_stock_bare((SyncObject *)op, "set");
    }
    return none_or_null(event_set((Event *)op));
}

static PyObject *
Event_clear_flag(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (!sync_is_plain((SyncObject *)op)) {
        return sync_call_stock_bare((SyncObject *)op, "clear");
    }
    ((Event *)op)->is_set = false;
    Py_RETURN_NONE;
}

static PyObject *
Event_wait(PyObject *op, PyObject *Py_UNUSED(unused))
{
    static const coroutine_kind wait_kind = {
        WAITING_KIND("wait", "Event.wait"),
        .start = wait_start,
        .resume = wait_resume,
    };
    SyncObject *self = (SyncObject *)op;
    return sync_is_plain(self) ? waiting_new(self, &wait_kind, NULL)
                               : sync_call_stock_bare(self, "wait");
}

static int
Event_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((Event *)op)->waiters);
    return sync_traverse(op, visit, arg);
}

static int
Event_clear(PyObject *op)
{
    Py_CLEAR(((Event *)op)->waiters);
    sync_clear(op);
    return 0;
}

static PyMethodDef Event_methods[] = {
    {"is_set", Event_is_set, METH_NOARGS,
     "is_set($self, /)\n--\n\nThe flag. As asyncio.Event.is_set."},
    {"set", Event_set, METH_NOARGS,
     "set($self, /)\n--\n\nSet the flag and wake everybody who waits. As asyncio.Event.set."},
    {"clear", Event_clear_flag, METH_NOARGS,
     "clear($self, /)\n--\n\nTake the flag back. As asyncio.Event.clear."},
    {"wait", Event_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nWait until the flag is set; True. As asyncio.Event.wait."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Event_getset[] = {
    SYNC_GETSET,
    {"_waiters", waiters_get, sync_set_object, NULL, (void *)offsetof(Event, waiters)},
    {"_value", attribute_get_bool, sync_set_bool, NULL, (void *)offsetof(Event, is_set)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Event_slots[] = {
    {Py_tp_doc, "Event()\n--\n\nA flag that tasks can wait for. As asyncio.Event."},
    {Py_tp_new, Event_new},
    {Py_tp_init, Event_init},
    {Py_tp_methods, Event_methods},
    {Py_tp_getset, Event_getset},
    SYNC_SLOTS(Event_clear, Event_traverse),
    {0, NULL},
};

static PyType_Spec Event_spec = SYNC_SPEC("Event", Event, Event_slots);

int
event_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Event_type, &Event_spec, NULL) < 0) {
        return -1;
    }
    return sync_class_init(state, &event_class, state->Event_type);
}
