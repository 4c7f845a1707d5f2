/* tls_protocol.h -- the protocol of a TLS connection's lower transport: what it does for every record.

   Handshake, shutdown and errors happen once a connection and are the running asyncio's own Python
   (sslproto.SSLProtocol, which the package puts behind this type); its attributes lie in this
   struct. Ciphertext comes from the lower transport (receive) and goes to it (tls_send); plaintext
   goes to the application's protocol and comes from its transport (tls_write).

   Invariants
   1. engine is there always; loop, protocols and transports are None or NULL where asyncio has None.
   2. held is what was encrypted and not given to the lower transport yet, because that is paused, in
      front of what the engine's outgoing holds; held_size is its length in bytes.
   3. Bytes fed before the handshake is done reach the application only decrypted.
   Ownership: every object field is a reference.
   Source: asyncio.sslproto.SSLProtocol. */

#ifndef PYASYNC_NET_TLS_PROTOCOL_H
#define PYASYNC_NET_TLS_PROTOCOL_H

#include "base/compat.h"

#include "net/flow_control.h"
#include "net/native_protocol.h"
#include "net/tls_engine.h"

#include <stdbool.h>

typedef struct {
    NativeProtocol native;
    TLSEngine *engine;
    PyObject *loop;
    PyObject *transport;
    PyObject *app_transport;
    PyObject *app_protocol;
    PyObject *app_get_buffer;
    PyObject *app_buffer_updated;
    native_receive app_receive; /* of an app_protocol written in C; else NULL */
    PyObject *state;            /* a SSLProtocolState */
    PyObject *app_state;
    PyObject *write_backlog; /* a deque: plaintext that can't be encrypted yet */
    PyObject *held;          /* a list of bytes, or NULL */
    Py_ssize_t held_size;
    Py_ssize_t write_buffer_size; /* bytes of the backlog */
    Py_ssize_t conn_lost;         /* writes since the connection was lost, and the loss */
    flow_control outgoing, incoming; /* is_paused: the application's writing, the lower reading */
    PyObject *ssl_buffer;         /* of get_buffer(), where a transport calls it */
    PyObject *ssl_buffer_view;
    PyObject *server_side;
    PyObject *handshake_start_time;
    PyObject *handshake_timeout_handle;
    PyObject *shutdown_timeout_handle;
    bool app_is_buffered;
    bool app_reading_paused;
    bool ssl_writing_paused;
    bool eof_received;
} TLSProtocol;

/* Whether the state is one in which data is read: WRAPPED, or FLUSHING. */
static inline bool
tls_is_reading(const core_state *state, const TLSProtocol *self)
{
    return self->state == state->ssl_WRAPPED || self->state == state->ssl_FLUSHING;
}

static inline bool
tls_is_gone(PyObject *object)
{
    return object == NULL || object == Py_None;
}

/* Ciphertext from the lower transport (net/tls_read.c). 0 or -1. Runs Python. */
int tls_receive(PyObject *self, const char *data, Py_ssize_t size);

/* Encrypts bytes-like chunks, behind the backlog, and sends; the backlog alone (net/tls_write.c). What
   fails ends the connection. 0 or -1. Runs Python. */
int tls_write(TLSProtocol *self, PyObject *const *chunks, Py_ssize_t count);
int tls_write_backlog(TLSProtocol *self);

/* Gives the lower transport what waits, unless that is paused; then flow control. 0 or -1. Runs
   Python. */
int tls_send(TLSProtocol *self);

/* The pending exception, where it is an Exception, ends the connection: 0, or -1. Runs Python. */
int tls_end_by_exception(TLSProtocol *self);

/* self.<name>() of asyncio's own class, for what the C half can't do. New reference. */
PyObject *tls_call_stock(TLSProtocol *self, const char *name, PyObject *argument);

/* The same of one whose answer tells nothing: 0 or -1. */
int tls_do_as_stock(TLSProtocol *self, const char *name);

int tls_protocol_init_type(PyObject *module, core_state *state);

/* Methods in net/tls_handshake.c, net/tls_read.c and net/tls_write.c. */
PyObject *TLS_do_handshake(PyObject *op, PyObject *unused);
PyObject *TLS_get_buffer(PyObject *op, PyObject *size);
PyObject *TLS_buffer_updated(PyObject *op, PyObject *size);
PyObject *TLS_do_read(PyObject *op, PyObject *unused);
PyObject *TLS_control_ssl_reading(PyObject *op, PyObject *unused);
PyObject *TLS_get_read_buffer_size(PyObject *op, PyObject *unused);
PyObject *TLS_write_appdata(PyObject *op, PyObject *lines);
PyObject *TLS_do_write(PyObject *op, PyObject *unused);
PyObject *TLS_process_outgoing(PyObject *op, PyObject *unused);
PyObject *TLS_control_app_writing(PyObject *op, PyObject *unused);
PyObject *TLS_get_write_buffer_size(PyObject *op, PyObject *unused);
PyObject *TLS_pause_writing(PyObject *op, PyObject *unused);
PyObject *TLS_resume_writing(PyObject *op, PyObject *unused);
PyObject *TLS_drop_held(PyObject *op, PyObject *unused);

#endif
