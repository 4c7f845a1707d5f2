/* poller.h -- the contract between the loop and the kernel's way of waiting for descriptors.

   A backend is one table of functions. The loop owns one poller, keeps for each fd the events
   it asked for, and calls add, modify and remove only where these change.

   Invariants
   1. Level-triggered: wait reports an fd as long as it is ready; with POLLER_ONCE, which add and
      modify of a backend with has_once understand, one time, and then nothing before the next modify.
   2. An error or a hang-up is reported as every event there is (a reader must see the EOF, a
      writer the EPIPE); the loop masks it with what was asked for.
   3. A closed fd may leave by itself (epoll) or be reported for ever (poll): the loop's table
      says which events anyone still waits for.
   Errors: 0 or a count, else -errno. Threads: the caller serialises all calls but wait against
   wake-ups from outside, which come as a readable fd. */

#ifndef PYASYNC_POLLER_POLLER_H
#define PYASYNC_POLLER_POLLER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    POLLER_READ = 1,
    POLLER_WRITE = 2,
    POLLER_ONCE = 4,
};

typedef struct {
    int fd;
    unsigned events;
} poller_event;

typedef struct poller poller;

typedef struct {
    const char *name;
    bool has_once;
    int (*open)(poller **self);
    void (*close)(poller *self);
    int (*add)(poller *self, int fd, unsigned events);
    int (*modify)(poller *self, int fd, unsigned events);
    int (*remove)(poller *self, int fd);
    /* Waits timeout_ns at the most (0: just looks; negative: for ever), never less than it says
       where nothing happens; fills up to capacity events and returns their number. */
    int (*wait)(poller *self, int64_t timeout_ns, poller_event *events, int capacity);
} poller_backend;

/* The platform's backends, best first, ended by NULL. */
extern const poller_backend *const poller_backends[];

#if defined(__linux__)
extern const poller_backend poller_epoll;
#endif
extern const poller_backend poller_poll;
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) \
    || defined(PYASYNC_HAVE_KQUEUE)
#  define POLLER_HAS_KQUEUE 1
extern const poller_backend poller_kqueue;
#endif

/* The backend of that name, or NULL; name NULL asks for the platform's best. */
const poller_backend *poller_find(const char *name);

#endif
