/* net_loop.h -- the event loop's second part: what its sockets, pipes and transports share.

   A NetLoop begins with a Loop, so whatever takes a Loop takes it. It adds a buffer that all
   transports read into, who owns which file descriptor, and which transports hold small writes
   back until the callbacks of this iteration have run.

   Invariants
   1. claims[fd] is the open transport that owns fd, borrowed, or NULL: a transport leaves the table
      before it closes its fd or dies.
   2. spare_bytes[i] is NULL or a bytes object that nobody else refers to, made with
      SMALLEST_SPARE_BYTES << i bytes.
   3. The transports linked in `corked` are referred to by the list; it is empty between
      iterations.
   Ownership: the loop owns the buffer and the table.
   Source: asyncio.selector_events.BaseSelectorEventLoop. */

#ifndef PYASYNC_NET_NET_LOOP_H
#define PYASYNC_NET_NET_LOOP_H

#include "base/compat.h"

#include "base/llist.h"
#include "core/loop.h"
#include "core/state.h"
#include "core/stock.h"

/* As asyncio's _SelectorTransport.max_size: so many bytes are read at a time, at the most. */
enum {
    READ_SIZE_BYTES = 256 * 1024,
    SMALLEST_SPARE_BYTES = 64 * 1024,
    SPARE_SIZES = 3,
};

typedef struct {
    Loop loop;
    char *read_buffer;  /* READ_SIZE_BYTES; NULL until the first read */
    char *plain_buffer; /* the same, for what TLS decrypts */
    PyObject *spare_bytes[SPARE_SIZES];
    PyObject **claims;
    int claims_size;
    llist_node corked;
    bool is_decrypting; /* plain_buffer is in use */
    Py_ssize_t last_sock_recv; /* bytes that the last sock_recv() or sock_recvfrom() gave */
} NetLoop;

/* The buffer that a read goes into: valid until Python runs. NULL with MemoryError. */
char *net_loop_read_buffer(NetLoop *self);

/* The same for who runs Python before it is done with the data: nobody else reads into it until it is
   given back. */
char *net_loop_take_read_buffer(NetLoop *self);
void net_loop_give_read_buffer(NetLoop *self, char *buffer);

/* The buffer that plaintext goes into. */
char *net_loop_plain_buffer(NetLoop *self);
static inline bool
net_loop_is_plain_buffer(const NetLoop *self, const char *data)
{
    return data == self->plain_buffer;
}

/* A bytes object to receive `size` bytes into, READ_SIZE_BYTES at the most; or NULL with MemoryError.
   Giving it back, the caller's reference and all, lets its memory be used again where nobody has kept
   it: fresh memory of that size costs more than the kernel's copy into it. */
PyObject *net_loop_take_bytes(NetLoop *self, Py_ssize_t size, int *spare);
void net_loop_give_bytes_steal(NetLoop *self, PyObject *bytes, int spare);

/* The transport that owns fd, borrowed, or NULL. */
static inline PyObject *
net_loop_owner(const NetLoop *self, int fd)
{
    return 0 <= fd && fd < self->claims_size ? self->claims[fd] : NULL;
}

/* Makes a transport the owner of fd: 0, or -1 with MemoryError. */
int net_loop_claim(NetLoop *self, int fd, PyObject *transport);
void net_loop_release(NetLoop *self, int fd, PyObject *transport);

/* RuntimeError, as asyncio's _ensure_fd_no_transport, where an open transport owns fd, of ours or
   of asyncio's: 0 or -1. As asyncio asks before it watches an fd for a user. Runs Python. */
int net_loop_ensure_fd_is_free(NetLoop *self, int fd);

/* super().method(...): asyncio's own, or that of a class in between. Runs Python. */
static inline PyObject *
net_loop_call_stock(NetLoop *self, const char *method, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    return stock_call_super(self->loop.state->NetLoop_type, (PyObject *)self, method, args, nargs,
                            kwnames);
}

/* `object` as a NetLoop, or NULL where it is another kind of loop. */
static inline NetLoop *
net_loop_cast(const core_state *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->NetLoop_type) ? (NetLoop *)object : NULL;
}

int net_loop_init_type(PyObject *module, core_state *state);

#endif
