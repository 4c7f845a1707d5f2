/* timer_heap.c -- the 4-ary heap of timers; see the header for its invariants.

   Four children a node: half the depth of a binary heap, and the children of a node share a
   cache line or two (16 bytes an entry). */

#include "base/timer_heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    ARITY = 4,
    FIRST_CAPACITY = 32,
    KEPT_CAPACITY = 4096, /* 64 KiB of entries: below this an emptied heap keeps its array */
};

static inline bool
comes_before(timer_entry a, timer_entry b)
{
    if (a.deadline_ns != b.deadline_ns) {
        return a.deadline_ns < b.deadline_ns;
    }
    return a.node->sequence < b.node->sequence;
}

static inline void
place(timer_heap *self, size_t index, timer_entry entry)
{
    self->entries[index] = entry;
    entry.node->index = index;
}

static void
sift_up(timer_heap *self, size_t index, timer_entry entry)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;
        if (!comes_before(entry, self->entries[parent])) {
            break;
        }
        place(self, index, self->entries[parent]);
        index = parent;
    }
    place(self, index, entry);
}

static void
sift_down(timer_heap *self, size_t index, timer_entry entry)
{
    for (;;) {
        size_t first = index * ARITY + 1;
        if (first >= self->count) {
            break;
        }
        size_t end = first + ARITY < self->count ? first + ARITY : self->count;
        size_t least = first;
        for (size_t child = first + 1; child < end; child++) {
            if (comes_before(self->entries[child], self->entries[least])) {
                least = child;
            }
        }
        if (!comes_before(self->entries[least], entry)) {
            break;
        }
        place(self, index, self->entries[least]);
        index = least;
    }
    place(self, index, entry);
}

int
timer_heap_add(timer_heap *self, timer_node *node, int64_t deadline_ns)
{
    assert(!timer_node_is_in(node));
    if (self->count == self->capacity) {
        size_t capacity = self->capacity == 0 ? FIRST_CAPACITY : self->capacity * 2;
        if (capacity > SIZE_MAX / sizeof(timer_entry) / 2) {
            return -ENOMEM;
        }
        timer_entry *entries = realloc(self->entries, capacity * sizeof(timer_entry));
        if (entries == NULL) {
            return -ENOMEM;
        }
        self->entries = entries;
        self->capacity = capacity;
    }
    node->sequence = self->next_sequence++;
    sift_up(self, self->count++, (timer_entry){deadline_ns, node});
    return 0;
}

void
timer_heap_remove(timer_heap *self, timer_node *node)
{
    if (!timer_node_is_in(node)) {
        return;
    }
    size_t index = node->index;
    assert(index < self->count && self->entries[index].node == node);
    node->index = TIMER_NODE_OUT;
    timer_entry last = self->entries[--self->count];
    if (index != self->count) {
        if (index > 0 && comes_before(last, self->entries[(index - 1) / ARITY])) {
            sift_up(self, index, last);
        }
        else {
            sift_down(self, index, last);
        }
    }
    else if (self->count == 0 && self->capacity > KEPT_CAPACITY) {
        timer_heap_fini(self);
    }
}

timer_node *
timer_heap_pop(timer_heap *self)
{
    assert(self->count > 0);
    timer_node *node = self->entries[0].node;
    timer_heap_remove(self, node);
    return node;
}

void
timer_heap_fini(timer_heap *self)
{
    free(self->entries);
    self->entries = NULL;
    self->count = self->capacity = 0;
}

void
timer_heap_check(const timer_heap *self)
{
    assert(self->count <= self->capacity);
    for (size_t i = 0; i < self->count; i++) {
        assert(self->entries[i].node->index == i);
        assert(i == 0 || !comes_before(self->entries[i], self->entries[(i - 1) / ARITY]));
    }
    (void)self;
}
