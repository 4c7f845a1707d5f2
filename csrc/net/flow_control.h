/* flow_control.h -- when a protocol is told to write no more, and when to go on.

   Invariants
   1. high_water >= low_water.
   2. is_paused: pause_writing() was called and resume_writing() not yet.
   Source: asyncio.transports._FlowControlMixin. */

#ifndef PYASYNC_NET_FLOW_CONTROL_H
#define PYASYNC_NET_FLOW_CONTROL_H

#include "base/compat.h"

#include "net/net_loop.h"

#include <stdbool.h>

typedef struct {
    size_t high_water, low_water; /* bytes */
    bool is_paused;
} flow_control;

/* The limits that every transport starts with. */
void flow_control_init(flow_control *self);

/* (high=None, low=None) of set_write_buffer_limits(), checked, in bytes: 0, or -1 with ValueError and
   the like. Runs Python where they are no plain numbers. */
int flow_control_parse_limits(PyObject *args, PyObject *kwargs, size_t *high_water,
                              size_t *low_water);

/* (low, high), as get_write_buffer_limits(). */
PyObject *flow_control_limits(const flow_control *self);

/* The limits as attributes: entries of a PyGetSetDef, of a type that has a flow_control there. */
#define FLOW_CONTROL_GETSET(place)                                                           \
    {"_high_water", flow_control_get_limit, flow_control_set_limit, NULL,                    \
     (void *)((place) + offsetof(flow_control, high_water))},                                \
    {"_low_water", flow_control_get_limit, flow_control_set_limit, NULL,                     \
     (void *)((place) + offsetof(flow_control, low_water))}

PyObject *flow_control_get_limit(PyObject *transport, void *offset);
int flow_control_set_limit(PyObject *transport, PyObject *value, void *offset);

/* After the buffer has grown, or shrunk: 0 or -1. What the protocol's method raises goes to the
   exception handler. loop and protocol are what the transport has, NULL when it is lost. Runs Python. */
int flow_control_maybe_pause(flow_control *self, size_t unsent_bytes, NetLoop *loop,
                             PyObject *transport, PyObject *protocol);
int flow_control_maybe_resume(flow_control *self, size_t unsent_bytes, NetLoop *loop,
                              PyObject *transport, PyObject *protocol);

#endif
