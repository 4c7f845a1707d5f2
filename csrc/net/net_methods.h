/* net_methods.h -- the methods of NetLoop that live in files of their own, for its type's table. */

#ifndef PYASYNC_NET_NET_METHODS_H
#define PYASYNC_NET_NET_METHODS_H

#include "base/compat.h"

#include "core/loop_methods.h"

DECLARE_FAST_METHOD(NetLoop_accept_ready);

#define NET_ACCEPT_METHODS                                                                   \
    {"_accept_ready", FAST_METHOD(NetLoop_accept_ready), NULL}

#endif
