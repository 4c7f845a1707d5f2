/* queue_type.c -- pyasync._core.Queue, LifoQueue and PriorityQueue as Python sees them. */

#include "sync/queue.h"

#include "core/answer.h"
#include "core/stock.h"

static const char *const queue_methods[] = {
    "qsize", "empty", "full", "put_nowait", "get_nowait", "_init", "_get", "_put", "_wakeup_next",
    "_get_loop", NULL,
};
static const char *const queue_data[] = {
    "_maxsize", "_getters", "_putters", "_unfinished_tasks", "_finished", "_queue", "_is_shutdown",
    "_loop", NULL,
};

#define QUEUE_CLASS(class_index, stock_field)                                                \
    {.index = class_index, .stock = offsetof(core_state, stock_field),                       \
     .methods = queue_methods, .data = queue_data}

static const sync_class queue_class = QUEUE_CLASS(SYNC_QUEUE, stock_Queue);
static const sync_class lifo_class = QUEUE_CLASS(SYNC_LIFO_QUEUE, stock_LifoQueue);
static const sync_class priority_class = QUEUE_CLASS(SYNC_PRIORITY_QUEUE, stock_PriorityQueue);

static PyObject *
Queue_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &queue_class);
}

static PyObject *
LifoQueue_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &lifo_class);
}

static PyObject *
PriorityQueue_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return sync_new(type, &priority_class);
}

static int
Queue_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Queue *self = (Queue *)op;
    PyObject *maxsize;
    if (!sync_parse_one(args, kwargs, "maxsize", &maxsize) || !sync_is_plain(&self->head)) {
        return sync_init_as_stock(&self->head, args, kwargs);
    }
    if (maxsize == NULL) {
        Py_CLEAR(self->maxsize.odd);
        self->maxsize.value = 0;
    }
    else {
        sync_number_set(&self->maxsize, maxsize);
        self->head.is_overridden |= self->maxsize.odd != NULL;
    }
    return queue_reset(self);
}

static PyObject *
Queue_qsize(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? PyLong_FromSsize_t(queue_count(self))
                                : sync_call_stock_bare(&self->head, "qsize");
}

static PyObject *
Queue_empty(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? PyBool_FromLong(queue_is_empty(self))
                                : sync_call_stock_bare(&self->head, "empty");
}

static PyObject *
Queue_full(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? PyBool_FromLong(queue_is_full(self))
                                : sync_call_stock_bare(&self->head, "full");
}

static PyObject *
Queue_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Queue *self = (Queue *)op;
    if (nargs != 1 || kwnames != NULL || !sync_is_plain(&self->head)) {
        return sync_call_stock(&self->head, "put", args, nargs, kwnames);
    }
    return queue_put(self, args[0]);
}

static PyObject *
Queue_put_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Queue *self = (Queue *)op;
    if (nargs != 1 || kwnames != NULL || !sync_is_plain(&self->head)) {
        return sync_call_stock(&self->head, "put_nowait", args, nargs, kwnames);
    }
    return none_or_null(queue_put_now(self, args[0]));
}

static PyObject *
Queue_get(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? queue_get(self) : sync_call_stock_bare(&self->head, "get");
}

static PyObject *
Queue_get_nowait(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? queue_get_now(self)
                                : sync_call_stock_bare(&self->head, "get_nowait");
}

static PyObject *
Queue_task_done(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    if (!sync_is_plain(&self->head)) {
        return sync_call_stock_bare(&self->head, "task_done");
    }
    return none_or_null(queue_task_done(self));
}

static PyObject *
Queue_join(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Queue *self = (Queue *)op;
    return sync_is_plain(&self->head) ? queue_join(self) : sync_call_stock_bare(&self->head, "join");
}

static PyObject *
get_finished(PyObject *op, void *Py_UNUSED(closure))
{
    return queue_finished((Queue *)op);
}

static int
set_part(PyObject *op, PyObject *value, void *offset)
{
    Queue *self = (Queue *)op;
    int status = sync_set_object(op, value, offset);
    self->head.is_overridden |= !queue_has_own_parts(self);
    return status;
}

static PyObject *
get_items(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *items = ((Queue *)op)->items;
    if (items == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_queue");
    }
    return Py_XNewRef(items);
}

static int
set_items(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Queue *self = (Queue *)op;
    Py_XSETREF(self->items, Py_XNewRef(value));
    self->head.is_overridden |= !queue_has_own_parts(self);
    return 0;
}

static int
Queue_traverse(PyObject *op, visitproc visit, void *arg)
{
    Queue *self = (Queue *)op;
    Py_VISIT(self->items);
    Py_VISIT(self->getters);
    Py_VISIT(self->putters);
    Py_VISIT(self->finished);
    Py_VISIT(self->maxsize.odd);
    Py_VISIT(self->unfinished.odd);
    return sync_traverse(op, visit, arg);
}

static int
Queue_clear(PyObject *op)
{
    Queue *self = (Queue *)op;
    Py_CLEAR(self->items);
    Py_CLEAR(self->getters);
    Py_CLEAR(self->putters);
    Py_CLEAR(self->finished);
    Py_CLEAR(self->maxsize.odd);
    Py_CLEAR(self->unfinished.odd);
    sync_clear(op);
    return 0;
}

static PyMethodDef Queue_methods[] = {
    {"qsize", Queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\nThe number of items. As asyncio.Queue.qsize."},
    {"empty", Queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\nWhether there is no item. As asyncio.Queue.empty."},
    {"full", Queue_full, METH_NOARGS,
     "full($self, /)\n--\n\nWhether there are maxsize items. As asyncio.Queue.full."},
    {"put", FAST_METHOD(Queue_put),
     "put($self, item)\n--\n\nWait for a free place and put an item there. As asyncio.Queue.put."},
    {"put_nowait", FAST_METHOD(Queue_put_nowait),
     "put_nowait($self, item)\n--\n\nPut an item. Raises QueueFull where there is no place. As "
     "asyncio.Queue.put_nowait."},
    {"get", Queue_get, METH_NOARGS,
     "get($self, /)\n--\n\nWait for an item and take it. As asyncio.Queue.get."},
    {"get_nowait", Queue_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\nTake an item. Raises QueueEmpty where there is none. As "
     "asyncio.Queue.get_nowait."},
    {"task_done", Queue_task_done, METH_NOARGS,
     "task_done($self, /)\n--\n\nOne item that was taken is dealt with. Raises ValueError where none "
     "is left. As asyncio.Queue.task_done."},
    {"join", Queue_join, METH_NOARGS,
     "join($self, /)\n--\n\nWait until all items are dealt with. As asyncio.Queue.join."},
    {NULL, NULL, 0, NULL},
};

static int
set_maxsize(PyObject *op, PyObject *value, void *Py_UNUSED(offset))
{
    return stock_set_property(state_of(op)->stock_Queue, "maxsize", op, value);
}

static PyGetSetDef Queue_getset[] = {
    SYNC_GETSET,
    {"maxsize", sync_get_number, set_maxsize, "As asyncio.Queue.maxsize.",
     (void *)offsetof(Queue, maxsize)},
    {"_maxsize", sync_get_number, sync_set_number, NULL, (void *)offsetof(Queue, maxsize)},
    {"_queue", get_items, set_items, NULL, NULL},
    {"_getters", waiters_get, set_part, NULL, (void *)offsetof(Queue, getters)},
    {"_putters", waiters_get, set_part, NULL, (void *)offsetof(Queue, putters)},
    {"_finished", get_finished, set_part, NULL, (void *)offsetof(Queue, finished)},
    {"_unfinished_tasks", sync_get_number, sync_set_number, NULL,
     (void *)offsetof(Queue, unfinished)},
    {"_is_shutdown", attribute_get_bool, sync_set_bool, NULL, (void *)offsetof(Queue, is_shutdown)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Queue_slots[] = {
    {Py_tp_doc, "Queue(maxsize=0)\n--\n\nItems, first in, first out. As asyncio.Queue."},
    {Py_tp_new, Queue_new},
    {Py_tp_init, Queue_init},
    {Py_tp_methods, Queue_methods},
    {Py_tp_getset, Queue_getset},
    SYNC_SLOTS(Queue_clear, Queue_traverse),
    {0, NULL},
};

static PyType_Slot LifoQueue_slots[] = {
    {Py_tp_doc, "LifoQueue(maxsize=0)\n--\n\nItems, last in, first out. As asyncio.LifoQueue."},
    {Py_tp_new, LifoQueue_new},
    {Py_tp_init, Queue_init},
    SYNC_SLOTS(Queue_clear, Queue_traverse),
    {0, NULL},
};

static PyType_Slot PriorityQueue_slots[] = {
    {Py_tp_doc, "PriorityQueue(maxsize=0)\n--\n\nItems, least first. As asyncio.PriorityQueue."},
    {Py_tp_new, PriorityQueue_new},
    {Py_tp_init, Queue_init},
    SYNC_SLOTS(Queue_clear, Queue_traverse),
    {0, NULL},
};

static PyType_Spec Queue_spec = SYNC_SPEC("Queue", Queue, Queue_slots);
static PyType_Spec LifoQueue_spec = SYNC_SPEC("LifoQueue", Queue, LifoQueue_slots);
static PyType_Spec PriorityQueue_spec = SYNC_SPEC("PriorityQueue", Queue, PriorityQueue_slots);

int
queue_init_types(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Queue_type, &Queue_spec, NULL) < 0
        || state_add_type(module, &state->LifoQueue_type, &LifoQueue_spec,
                          (PyObject *)state->Queue_type) < 0
        || state_add_type(module, &state->PriorityQueue_type, &PriorityQueue_spec,
                          (PyObject *)state->Queue_type) < 0) {
        return -1;
    }
    if (sync_class_init(state, &queue_class, state->Queue_type) < 0
        || sync_class_init(state, &lifo_class, state->LifoQueue_type) < 0) {
        return -1;
    }
    return sync_class_init(state, &priority_class, state->PriorityQueue_type);
}
