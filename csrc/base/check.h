/* check.h -- assert(), which debug builds check and releases leave out, and container_of().

   assert() follows NDEBUG, which setup.py defines in releases. PYASYNC_DEBUG, which it defines in
   debug and asan builds, has the x_check() functions and the counts of live objects
   (core/state.h). */

#ifndef PYASYNC_BASE_CHECK_H
#define PYASYNC_BASE_CHECK_H

#include <assert.h>
#include <stddef.h>

/* The struct around a member, from a pointer to that. */
#define container_of(pointer, type, member)                                                  \
    ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
