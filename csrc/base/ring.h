/* ring.h -- a growing queue of pointers, first in first out, in one power-of-two array.

   Invariants
   1. capacity is 0 or a power of two; tail - head <= capacity (both count for ever, unsigned).
   2. The i-th oldest entry is slots[(head + i) & (capacity - 1)].
   Ownership: none, whoever puts and takes agrees on it. */

#ifndef PYASYNC_BASE_RING_H
#define PYASYNC_BASE_RING_H

#include <assert.h>
#include <stddef.h>

typedef struct {
    void **slots;
    size_t capacity;
    size_t head;
    size_t tail;
} ring;

/* Makes room for one more entry: 0 or -ENOMEM (the ring is as it was). */
int ring_grow(ring *self);

/* Gives the memory back; the ring must hold nothing the caller still wants. */
void ring_fini(ring *self);

/* Gives most of the memory of an empty ring back when a burst made it large. */
void ring_trim(ring *self);

static inline size_t
ring_count(const ring *self)
{
    return self->tail - self->head;
}

/* Room for one more: 0 or -ENOMEM. */
static inline int
ring_make_room(ring *self)
{
    return self->tail - self->head == self->capacity ? ring_grow(self) : 0;
}

static inline int
ring_put(ring *self, void *entry)
{
    int error = ring_make_room(self);
    if (error < 0) {
        return error;
    }
    self->slots[self->tail++ & (self->capacity - 1)] = entry;
    return 0;
}

/* Puts it before all others: 0 or -ENOMEM. */
static inline int
ring_put_first(ring *self, void *entry)
{
    int error = ring_make_room(self);
    if (error < 0) {
        return error;
    }
    self->slots[--self->head & (self->capacity - 1)] = entry;
    return 0;
}

static inline void *
ring_take(ring *self)
{
    assert(self->tail != self->head);
    return self->slots[self->head++ & (self->capacity - 1)];
}

/* The index-th oldest entry, without taking it. */
static inline void *
ring_peek(const ring *self, size_t index)
{
    assert(index < ring_count(self));
    return self->slots[(self->head + index) & (self->capacity - 1)];
}

#endif
