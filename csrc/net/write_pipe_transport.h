/* write_pipe_transport.h -- the transport of a pipe that is written to.

   Source: asyncio.unix_events._UnixWritePipeTransport. */

#ifndef PYASYNC_NET_WRITE_PIPE_TRANSPORT_H
#define PYASYNC_NET_WRITE_PIPE_TRANSPORT_H

#include "base/compat.h"

#include "core/state.h"

int write_pipe_transport_init_type(PyObject *module, core_state *state);

#endif
