/* mixin_slots.h -- the slots of asyncio's _FlowControlMixin, with which each of our transports begins.

   asyncio's inherited methods find `_extra` and `_loop` there; the other three have a place only,
   for the mixin's layout asks for it: our limits are in a flow_control.
   Invariant: the fields lie where the running version has its slots; transport_init_type() asks. */

#ifndef PYASYNC_NET_MIXIN_SLOTS_H
#define PYASYNC_NET_MIXIN_SLOTS_H

#include "base/compat.h"

#include "net/net_loop.h"

#define MIXIN_SLOTS_HEAD                                                                     \
    PyObject_HEAD                                                                            \
    PyObject *extra; /* the dict behind get_extra_info(), or NULL */                         \
    PyObject *stock_high_water;                                                              \
    NetLoop *loop;                                                                           \
    PyObject *stock_low_water;                                                               \
    PyObject *stock_protocol_paused;

typedef struct {
    MIXIN_SLOTS_HEAD
} mixin_slots;

/* The part of a transport's tp_traverse and tp_clear that is theirs, the type included. */
static inline int
mixin_slots_traverse(PyObject *op, visitproc visit, void *arg)
{
    mixin_slots *self = (mixin_slots *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->extra);
    Py_VISIT(self->stock_high_water);
    Py_VISIT((PyObject *)self->loop);
    Py_VISIT(self->stock_low_water);
    Py_VISIT(self->stock_protocol_paused);
    return 0;
}

static inline void
mixin_slots_clear(PyObject *op)
{
    mixin_slots *self = (mixin_slots *)op;
    NetLoop *loop = self->loop;
    self->loop = NULL;
    Py_CLEAR(self->extra);
    Py_CLEAR(self->stock_high_water);
    Py_XDECREF((PyObject *)loop);
    Py_CLEAR(self->stock_low_water);
    Py_CLEAR(self->stock_protocol_paused);
}

#endif
