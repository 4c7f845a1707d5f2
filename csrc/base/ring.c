/* ring.c -- the slow side of the pointer queue: growing, trimming, freeing. */

#include "base/ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64,
    KEPT_CAPACITY = 8192, /* 64 KiB of pointers: below this a burst's memory is kept */
};

int
ring_grow(ring *self)
{
    size_t capacity = self->capacity == 0 ? FIRST_CAPACITY : self->capacity * 2;
    if (capacity > SIZE_MAX / sizeof(void *) / 2) {
        return -ENOMEM;
    }
    void **slots = malloc(capacity * sizeof(void *));
    if (slots == NULL) {
        return -ENOMEM;
    }
    size_t count = ring_count(self);
    for (size_t i = 0; i < count; i++) {
        slots[i] = ring_peek(self, i);
    }
    free(self->slots);
    self->slots = slots;
    self->capacity = capacity;
    self->head = 0;
    self->tail = count;
    return 0;
}

void
ring_fini(ring *self)
{
    free(self->slots);
    *self = (ring){0};
}

void
ring_trim(ring *self)
{
    if (self->capacity > KEPT_CAPACITY && ring_count(self) == 0) {
        ring_fini(self);
    }
}
