/* transport_report.c -- the log's lines and the exception handler's contexts of transports. */

#include "net/transport_report.h"

#include "core/answer.h"
#include "core/report.h"

enum {
    WARN_FROM_LOST_WRITE = 5, /* asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES */
};

int
transport_report_debug(NetLoop *loop, PyObject *transport, const char *level, const char *format)
{
    if (loop == NULL) {
        return 0;
    }
    core_state *state = loop->loop.state;
    int is_debug = loop_is_debug(state, (PyObject *)loop);
    if (is_debug <= 0) {
        return is_debug;
    }
    return status_steal(PyObject_CallMethod(state->logger, level, "sO", format, transport));
}

int
transport_report_debug_error(NetLoop *loop, PyObject *transport, const char *message,
                             PyObject *exception)
{
    if (loop == NULL) {
        return 0;
    }
    core_state *state = loop->loop.state;
    int is_debug = loop_is_debug(state, (PyObject *)loop);
    if (is_debug <= 0) {
        return is_debug;
    }
    PyObject *debug = PyObject_GetAttrString(state->logger, "debug");
    PyObject *args = Py_BuildValue("(sOs)", "%r: %s", transport, message);
    PyObject *keywords = Py_BuildValue("{sO}", "exc_info", exception);
    PyObject *answer = debug == NULL || args == NULL || keywords == NULL
                           ? NULL
                           : PyObject_Call(debug, args, keywords);
    Py_XDECREF(debug);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    return status_steal(answer);
}

int
transport_report_error(NetLoop *loop, PyObject *transport, PyObject *protocol, const char *message,
                       PyObject *exception)
{
    if (loop == NULL) {
        return 0;
    }
    core_state *state = loop->loop.state;
    Py_INCREF((PyObject *)loop);
    int status = report_handled(
        state, (PyObject *)loop, PyUnicode_FromString(message), exception,
        (PyObject *[][2]){{state->name_exception, exception},
                          {state->name_transport, transport},
                          {state->name_protocol, protocol != NULL ? protocol : Py_None},
                          {NULL, NULL}});
    Py_DECREF((PyObject *)loop);
    return status;
}

int
transport_report_pending(NetLoop *loop, PyObject *transport, PyObject *protocol,
                         const char *message)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    int status = transport_report_error(loop, transport, protocol, message, exception);
    Py_DECREF(exception);
    return status;
}

int
transport_report_lost_write(PyObject *transport, unsigned *conn_lost, const char *warning)
{
    (*conn_lost)++;
    if (*conn_lost <= WARN_FROM_LOST_WRITE) {
        return 0;
    }
    return status_steal(PyObject_CallMethod(state_of(transport)->logger, "warning", "s", warning));
}

PyObject *
transport_parse_fatal_error(PyObject *args, PyObject *kwargs, const char **message)
{
    static char *keywords[] = {"exc", "message", NULL};
    PyObject *exception;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|s:_fatal_error", keywords, &exception,
                                       message)
               ? exception
               : NULL;
}
