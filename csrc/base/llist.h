/* llist.h -- an intrusive doubly linked list with a head node.

   Invariants
   1. A node is in one list or in none; in none means next == NULL.
   2. The head is a node of the ring; an empty list's head points to itself.
   Ownership: none, the list borrows its nodes. */

#ifndef PYASYNC_BASE_LLIST_H
#define PYASYNC_BASE_LLIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct llist_node {
    struct llist_node *next;
    struct llist_node *prev;
} llist_node;

static inline void
llist_init(llist_node *head)
{
    head->next = head->prev = head;
}

static inline bool
llist_is_linked(const llist_node *node)
{
    return node->next != NULL;
}

static inline bool
llist_is_empty(const llist_node *head)
{
    return head->next == head;
}

static inline void
llist_append(llist_node *head, llist_node *node)
{
    assert(!llist_is_linked(node));
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes the node out; does nothing for one that is in no list. */
static inline void
llist_remove(llist_node *node)
{
    if (!llist_is_linked(node)) {
        return;
    }
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

#endif
