/* wakeup.h -- waking a loop that sleeps in the poller, from any thread, by an eventfd.

   Invariants
   1. is_sent is true from the first wakeup_send until wakeup_drain: one write a sleep, however
      many wake it.
   Threads: send and drain are called under the GIL.
   Source: eventfd(2); a pipe where there is none. */

#ifndef PYASYNC_CORE_WAKEUP_H
#define PYASYNC_CORE_WAKEUP_H

#include <stdbool.h>

typedef struct {
    int read_fd;
    int write_fd; /* the same as read_fd with eventfd */
    bool is_sent;
} wakeup;

/* 0 or -errno. */
int wakeup_init(wakeup *self);
void wakeup_fini(wakeup *self);
void wakeup_send(wakeup *self);
void wakeup_drain(wakeup *self);

#endif
