/* sock_op.h -- what sock_recv() and its like have in common: one try now, and more when fd is ready.

   An operation is a table of constants; its Coroutine holds the arguments. What C cannot do as Python's
   socket does it (sockets of other types or families, names to resolve, debug mode) is left to
   asyncio's own method as a whole.

   Invariants
   1. A Coroutine that waits has its fd watched, with itself as the callback's argument, unless
      somebody else has begun to wait for the same event of the fd since: then it waits for ever, as in
      asyncio.
   2. Whatever ends the Coroutine ends the watching, and never that of another one.
   Source: asyncio.selector_events.BaseSelectorEventLoop.sock_*; Modules/socketmodule.c. */

#ifndef PYASYNC_NET_SOCK_OP_H
#define PYASYNC_NET_SOCK_OP_H

#include "base/compat.h"

#include "core/args.h"
#include "net/address.h"
#include "net/net_coroutine.h"
#include "net/net_loop.h"

#include <errno.h>
#include <stdbool.h>

enum { SOCK_OP_PARAMETERS = 4 };

/* The Coroutine's items: the arguments, in the order of the parameters. */
enum { ITEM_SOCK, ITEM_SECOND, ITEM_THIRD };

typedef struct {
    coroutine_kind kind; /* first: the Coroutine's kind; made by SOCK_OP_KIND */
    args_names parameters; /* at most SOCK_OP_PARAMETERS */
    unsigned event; /* POLLER_READ or POLLER_WRITE: what it waits for */
    bool waits_often; /* for one result it may have to wait many times */
    /* Whether C can do it with these arguments, of which the first is a non-blocking socket.socket; it
       may fill in address. May leave an exception: then it cannot. NULL: always. */
    bool (*accepts)(core_state *state, PyObject *const *arguments, socket_address *address);
    /* Tries once: 1 with a new reference in *result, 0 where it would block, or -1. May run Python. */
    int (*attempt)(NetCoroutine *self, int fd, PyObject **result);
} sock_op;

int sock_op_start(Coroutine *op, PyObject **result);
void sock_op_drop(Coroutine *op);

#define SOCK_OP_KIND(method)                                                                 \
    {NET_COROUTINE_KIND(method, "BaseSelectorEventLoop"), .start = sock_op_start,            \
     .drop = sock_op_drop}

/* The method of the loop that `op` is: a Coroutine, or what asyncio's own method answers. */
PyObject *sock_op_call(NetLoop *loop, const sock_op *op, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames);

/* What a socket.socket was made with: 0 or -1. */
int sock_family(core_state *state, PyObject *sock, int *family);
int sock_kind(core_state *state, PyObject *sock, int *type, int *proto);

/* Whether Python raises BlockingIOError or InterruptedError for this errno. */
static inline bool
sock_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS || error == EALREADY
           || error == EINTR;
}

/* What a failed system call comes to: 0 where it would block, else -1 with OSError. */
static inline int
sock_failed(void)
{
    if (sock_would_block(errno)) {
        return 0;
    }
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int sock_op_init(core_state *state);

#endif
