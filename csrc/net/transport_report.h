/* transport_report.h -- what transports of every kind tell the log and the exception handler.

   A lost transport has no loop: with loop == NULL nothing is told. What is passed in is borrowed from
   the transport and may be let go of by it meanwhile: it is held here as long as it is needed.
   Source: _fatal_error() of asyncio's transports. */

#ifndef PYASYNC_NET_TRANSPORT_REPORT_H
#define PYASYNC_NET_TRANSPORT_REPORT_H

#include "base/compat.h"

#include "net/net_loop.h"

#include <stdbool.h>

/* logger.<level>(format, transport) where the loop is in debug mode: 0 or -1. Runs Python. */
int transport_report_debug(NetLoop *loop, PyObject *transport, const char *level,
                           const char *format);

/* The same of an exception that ended the transport, with its traceback. */
int transport_report_debug_error(NetLoop *loop, PyObject *transport, const char *message,
                                 PyObject *exception);

/* An exception to the exception handler: 0 or -1. Runs Python. */
int transport_report_error(NetLoop *loop, PyObject *transport, PyObject *protocol,
                           const char *message, PyObject *exception);

/* An OSError to the log, in debug mode; any other exception to the exception handler: 0 or -1. Runs
   Python. */
int transport_report_fatal(NetLoop *loop, PyObject *transport, PyObject *protocol,
                           const char *message, PyObject *exception);

/* To the exception handler, the pending exception, which it consumes; -1 with those that pass
   through. */
int transport_report_pending(NetLoop *loop, PyObject *transport, PyObject *protocol,
                             const char *message);

/* A write after the connection was lost: counts it, and from the sixth on warns: 0 or -1. */
int transport_report_lost_write(PyObject *transport, unsigned *conn_lost, const char *warning);

/* (exc, message=*message) of _fatal_error(): exc, borrowed, or NULL with TypeError. */
PyObject *transport_parse_fatal_error(PyObject *args, PyObject *kwargs, const char **message);

#endif
