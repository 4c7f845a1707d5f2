/* tls_engine.h -- one end of a TLS connection: ciphertext in and out, plaintext in and out. It knows no
   loop and no fd.

   The user's own ssl.SSLContext has made the ssl.SSLObject over two ssl.MemoryBIOs; the methods of what
   lies behind it (_ssl's own object) are called directly, with memory and not with objects where
   that saves a copy. Where somebody has put other objects there (a subclass, a mock), `native` is NULL,
   and the caller leaves the work to asyncio's own code.

   Invariants
   1. native is set while sslobj is exactly an ssl.SSLObject and both BIOs are exactly ssl.MemoryBIOs.
   2. Memory passed in is not kept; reading and writing release the GIL and may run Python (the
      context's callbacks).
   Ownership: every object field is a reference, or NULL.
   Source: ssl.SSLObject, ssl.MemoryBIO (Modules/_ssl.c). */

#ifndef PYASYNC_NET_TLS_ENGINE_H
#define PYASYNC_NET_TLS_ENGINE_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* So much goes through the engine at a time, at the most: OpenSSL keeps the memory that a MemoryBIO has
   once needed. Reading goes by the record (16 KiB and its frame) anyway; each slice that is written is a
   send(). */
enum {
    TLS_FEED_BYTES = 17 * 1024,
    TLS_SLICE_BYTES = 64 * 1024,
};

/* What reading and writing say instead of a number of bytes. */
enum {
    TLS_FAILED = -1, /* an exception is set */
    TLS_AGAIN = -2,  /* more ciphertext is needed first */
};

typedef struct {
    PyObject_HEAD
    core_state *state;
    PyObject *sslobj;
    PyObject *incoming;
    PyObject *outgoing;
    PyObject *native;
} TLSEngine;

TLSEngine *tls_engine_new(core_state *state);

/* Puts an object into one of the places: 0 or -1. */
int tls_engine_set(TLSEngine *self, PyObject **place, PyObject *object);

/* Of an engine with `native` set; RuntimeError where it is not any more. */

/* Takes ciphertext: 0 or -1. */
int tls_engine_feed(TLSEngine *self, const char *data, Py_ssize_t size);

/* Ciphertext that has been fed, and not been worked on yet; that waits to be sent: in bytes, or -1. */
Py_ssize_t tls_engine_incoming_size(TLSEngine *self);
Py_ssize_t tls_engine_outgoing_size(TLSEngine *self);

/* A step of the handshake: 0 where it is done, TLS_AGAIN or TLS_FAILED. */
Py_ssize_t tls_engine_do_handshake(TLSEngine *self);

/* Plaintext of one record, or the rest of one, into memory: its size, 0 where the peer has closed its
   side, TLS_AGAIN or TLS_FAILED. */
Py_ssize_t tls_engine_read(TLSEngine *self, char *buffer, Py_ssize_t size);

/* Encrypts all of an object, or of memory: how much it took, TLS_AGAIN or TLS_FAILED. */
Py_ssize_t tls_engine_write(TLSEngine *self, PyObject *data);
Py_ssize_t tls_engine_write_memory(TLSEngine *self, const char *data, Py_ssize_t size);

/* All ciphertext that waits to be sent, as a new bytes object. */
PyObject *tls_engine_drain(TLSEngine *self);

int tls_engine_init_type(PyObject *module, core_state *state);

#endif
