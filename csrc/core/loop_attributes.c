/* loop_attributes.c -- the attributes of BaseEventLoop that C code needs, as descriptors.

   asyncio's inherited methods read and assign them: both halves see one value. */

#include "core/loop_methods.h"

#include "core/answer.h"
#include "core/attributes.h"
#include "core/loop.h"

static int
set_object(PyObject *op, PyObject *value, void *offset)
{
    PyObject **place = attribute_field(op, offset);
    PyObject *old = *place;
    *place = new_or_none(value);
    Py_XDECREF(old);
    return 0;
}

static int
set_debug(PyObject *op, PyObject *value, void *offset)
{
    if (set_object(op, value, offset) < 0) {
        return -1;
    }
    loop_refresh_is_direct((Loop *)op);
    return 0;
}

static int
set_thread_id(PyObject *op, PyObject *value, void *offset)
{
    if (set_object(op, value, offset) < 0) {
        return -1;
    }
    ((Loop *)op)->is_running = value != NULL && value != Py_None;
    return 0;
}

static int
set_stopping(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    ((Loop *)op)->is_stopping = is_true > 0;
    return is_true < 0 ? -1 : 0;
}

/* BaseEventLoop.close() sets it and then clears its queues: here that is one step. */
static int
set_closed(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Loop *self = (Loop *)op;
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    self->is_closed = is_true || self->poller == NULL;
    loop_refresh_is_direct(self);
    if (self->is_closed) {
        loop_drop_queues(self);
    }
    return 0;
}

static PyObject *
get_zero(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    return PyLong_FromLong(0);
}

/* BaseEventLoop.__init__ assigns its own queues: they are not used. */
static int
set_ignored(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    return 0;
}

static PyObject *
get_poller_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Loop *)op)->backend->name);
}

PyGetSetDef loop_attributes[] = {
    {"_debug", attribute_get_object, set_debug, NULL, (void *)offsetof(Loop, debug)},
    {"_thread_id", attribute_get_object, set_thread_id, NULL,
     (void *)offsetof(Loop, thread_id_object)},
    {"_task_factory", attribute_get_object, set_object, NULL,
     (void *)offsetof(Loop, task_factory)},
    {"_current_handle", attribute_get_object, set_object, NULL,
     (void *)offsetof(Loop, current_handle)},
    {"_stopping", attribute_get_bool, set_stopping, NULL, (void *)offsetof(Loop, is_stopping)},
    {"_closed", attribute_get_bool, set_closed, NULL, (void *)offsetof(Loop, is_closed)},
    {"_ready", loop_get_ready, set_ignored, "A copy of the callbacks that are ready.", NULL},
    {"_scheduled", loop_get_scheduled, set_ignored,
     "A copy of the timers, the first due first.", NULL},
    {"_timer_cancelled_count", get_zero, set_ignored, NULL, NULL},
    {"_poller", get_poller_name, NULL, "The name of the poller: epoll, kqueue or poll.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
