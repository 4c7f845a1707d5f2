/* clock.h -- the monotonic clock in nanoseconds, and seconds as doubles made exact.

   Invariants
   1. clock_seconds(clock_deadline_ns(s)) >= s: a deadline in ns is never before the same
      deadline in seconds, so a timer is never early by the clock that its user reads.
   2. clock_deadline_ns is monotone: equal seconds give equal ns.
   Source: clock_gettime(2), CLOCK_MONOTONIC, as time.monotonic(). */

#ifndef PYASYNC_BASE_CLOCK_H
#define PYASYNC_BASE_CLOCK_H

#include <math.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000LL

static inline int64_t
clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* As CPython turns its clock's ns into the float of time.monotonic(). */
static inline double
clock_seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* The first nanosecond at which clock_seconds() has reached `seconds`; NaN, which is never less
   than anything, counts as reached. */
static inline int64_t
clock_deadline_ns(double seconds)
{
    double scaled = ceil(seconds * 1e9);
    if (scaled >= 9.2e18) {
        return INT64_MAX;
    }
    if (!(scaled > -9.2e18)) {
        return INT64_MIN;
    }
    int64_t ns = (int64_t)scaled;
    while (clock_seconds(ns) < seconds) {
        ns++;
    }
    while (clock_seconds(ns - 1) >= seconds && ns > INT64_MIN + 1) {
        ns--;
    }
    return ns;
}

#endif
