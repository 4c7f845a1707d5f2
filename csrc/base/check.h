/* check.h -- assertions and live-object counts: on in debug builds, nothing in releases.

   assert() is <assert.h>'s and follows NDEBUG, which setup.py defines in releases.
   PYASYNC_DEBUG is defined by setup.py in debug and asan builds.  */

#ifndef PYASYNC_BASE_CHECK_H
#define PYASYNC_BASE_CHECK_H

#include <assert.h>

#ifdef PYASYNC_DEBUG
#  define CHECK_ENABLED 1
#else
#  define CHECK_ENABLED 0
#endif

#define container_of(pointer, type, member) \
    ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
