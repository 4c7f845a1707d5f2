/* accept.h -- connections that a listening socket has for us.

   Source: asyncio.selector_events.BaseSelectorEventLoop._accept_connection and
   _accept_connection2. */

#ifndef PYASYNC_NET_ACCEPT_H
#define PYASYNC_NET_ACCEPT_H

#include "base/compat.h"

#include "core/state.h"

/* Finds out how this version's Server and _accept_connection are called: 0 or -1. */
int accept_init(core_state *state);

#endif
