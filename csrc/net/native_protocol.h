/* native_protocol.h -- a protocol written in C, which takes what was received without an object made
   of it.

   Its struct begins with a NativeProtocol. To everybody else it is a protocol as any other: receive
   does what its data_received() or its get_buffer() and buffer_updated() do.
   Source: asyncio.Protocol, asyncio.BufferedProtocol. */

#ifndef PYASYNC_NET_NATIVE_PROTOCOL_H
#define PYASYNC_NET_NATIVE_PROTOCOL_H

#include "base/compat.h"

#include "core/state.h"

/* Bytes have been received; they stay valid while it runs, but in the loop's plaintext buffer only until
   something is decrypted. 0 or -1. Runs Python. */
typedef int (*native_receive)(PyObject *self, const char *data, Py_ssize_t size);

typedef struct {
    PyObject_HEAD
    native_receive receive;
} NativeProtocol;

/* How `protocol` receives, where it is written in C and neither its class nor the object has another
   method in the place of `method`; else NULL. Keeps no exception. */
native_receive native_protocol_receive(core_state *state, PyObject *protocol, PyObject *method);

int native_protocol_init_type(PyObject *module, core_state *state);

#endif
