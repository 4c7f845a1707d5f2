/* read_pipe_transport.h -- the transport of a pipe that is read from.

   Source: asyncio.unix_events._UnixReadPipeTransport. */

#ifndef PYASYNC_NET_READ_PIPE_TRANSPORT_H
#define PYASYNC_NET_READ_PIPE_TRANSPORT_H

#include "base/compat.h"

#include "core/state.h"

int read_pipe_transport_init_type(PyObject *module, core_state *state);

#endif
