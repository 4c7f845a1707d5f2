/* tls_handshake.c -- one step of the handshake: what has arrived goes in, what comes out is sent.

   What follows from its end (the certificate, connection_made, errors) is asyncio's own
   _on_handshake_complete(). */

#include "net/tls_protocol.h"

#include "core/answer.h"

/* self._on_handshake_complete(None or the pending exception). Runs Python. */
static PyObject *
complete(core_state *state, TLSProtocol *self, bool is_failed)
{
    PyObject *exception = is_failed ? PyErr_GetRaisedException() : Py_NewRef(Py_None);
    PyObject *answer = PyObject_CallMethodOneArg((PyObject *)self,
                                                 state->name_on_handshake_complete, exception);
    Py_DECREF(exception);
    return answer;
}

PyObject *
TLS_do_handshake(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    TLSEngine *engine = self->engine;
    core_state *state = engine->state;
    if (engine->native == NULL) {
        return tls_call_stock(self, "_do_handshake", NULL);
    }
    int is_server = self->server_side == NULL ? 0 : PyObject_IsTrue(self->server_side);
    if (is_server > 0) {
        Py_ssize_t fed = tls_engine_incoming_size(engine);
        if (fed == 0) {
            Py_RETURN_NONE; /* nothing to say first: that it wants more would cost an exception */
        }
        is_server = fed < 0 ? -1 : 1;
    }
    if (is_server < 0) {
        return NULL;
    }
    switch (tls_engine_do_handshake(engine)) { // runs Python
    case TLS_AGAIN:
        return none_or_null(tls_send(self));
    case TLS_FAILED:
        return PyErr_ExceptionMatches(state->ssl_SSLError) ? complete(state, self, true) : NULL;
    default:
        return complete(state, self, false);
    }
}
