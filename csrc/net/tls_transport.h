/* tls_transport.h -- what the application writes to on a TLS connection.

   It begins with mixin_slots.h, as every transport does; what is not called for every message is
   the running asyncio's own (sslproto._SSLProtocolTransport).
   Source: asyncio.sslproto._SSLProtocolTransport. */

#ifndef PYASYNC_NET_TLS_TRANSPORT_H
#define PYASYNC_NET_TLS_TRANSPORT_H

#include "base/compat.h"

#include "core/state.h"

int tls_transport_init_type(PyObject *module, core_state *state);

#endif
