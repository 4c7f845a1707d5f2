/* sock_sendfile.h -- setting up NetLoop's way to send files (its method is in net/net_methods.h). */

#ifndef PYASYNC_NET_SOCK_SENDFILE_H
#define PYASYNC_NET_SOCK_SENDFILE_H

#include "base/compat.h"

#include "core/state.h"

/* Looks at how the running asyncio does it: 0 or -1. */
int sock_sendfile_init(core_state *state);

#endif
