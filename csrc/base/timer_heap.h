/* timer_heap.h -- timers by deadline, the earliest first, equal ones in the order they came.

   A 4-ary heap of (deadline, node); each node knows its place, so a cancelled timer leaves at
   once: there is no heap of dead timers to sweep, whatever their number.

   Invariants (timer_heap_check, debug builds)
   1. entries[i] does not come before its parent entries[(i - 1) / 4].
   2. entries[i].node->index == i; a node in no heap has index TIMER_NODE_OUT.
   Ownership: none, the heap borrows its nodes. */

#ifndef PYASYNC_BASE_TIMER_HEAP_H
#define PYASYNC_BASE_TIMER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NODE_OUT SIZE_MAX

typedef struct {
    size_t index;
    uint64_t sequence;
} timer_node;

typedef struct {
    int64_t deadline_ns;
    timer_node *node;
} timer_entry;

typedef struct {
    timer_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t next_sequence;
} timer_heap;

/* Puts a node that is in no heap: 0 or -ENOMEM (the heap is as it was). */
int timer_heap_add(timer_heap *self, timer_node *node, int64_t deadline_ns);

/* Takes a node out, wherever it is; does nothing for one that is in no heap. */
void timer_heap_remove(timer_heap *self, timer_node *node);

/* The earliest node; the heap must not be empty. */
timer_node *timer_heap_pop(timer_heap *self);

/* Frees the array; nodes still in it keep a stale index. */
void timer_heap_fini(timer_heap *self);

/* Asserts the invariants; O(n). */
void timer_heap_check(const timer_heap *self);

static inline bool
timer_node_is_in(const timer_node *node)
{
    return node->index != TIMER_NODE_OUT;
}

#endif
