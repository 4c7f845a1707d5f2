/* loadgen.c -- a closed-loop client for the network benchmarks: N messages over some connections.

     loadgen CPU MODE ADDRESS N CONNECTIONS SIZE DEPTH FAN TLS

   CPU       where to run, or -1
   MODE      stream    each message of SIZE bytes comes back FAN times; DEPTH are under way
             sink      each message of SIZE bytes is answered by its last one, FAN times
             datagram  the same for UDP
             http      GET / with keep-alive; a response counts once its Content-Length is there
             churn     connect, send 2 bytes, read them and the end of the stream, close; N times
             idle      open CONNECTIONS at once, then N one by one, and do nothing with them
   ADDRESS   a port of 127.0.0.1, or the path of a Unix socket
   TLS       1: the streams are TLS's, by the libssl that is there, and no certificate is checked

   It says "ready" once every connection was answered a message (churn: so many were served, idle:
   so many are open), waits for a line, does the N, says "done N SECONDS", and keeps its connections
   until its input ends. What goes wrong is told as "error: ...", and what comes back is compared. */

#ifdef __linux__
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum { PATIENCE_MS = 5000, RECEIVE = 1 << 18, RESPONSE = 1 << 16 };
enum mode { STREAM, SINK, DATAGRAM, HTTP, CHURN, IDLE };

static const char *const mode_names[] = {"stream", "sink", "datagram", "http", "churn",
                                         "idle"};
static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

typedef struct {
    int fd;
    void *tls;     /* an SSL, or NULL */
    long unsent;   /* bytes that are due */
    long sent;     /* bytes, ever */
    long got;      /* bytes, ever; of HTTP: of the response that is coming */
    char *response;
} connection;

static enum mode mode;
static const char *address;
static long size, fan;
static char *block;      /* the message, DEPTH times */
static long block_size;
static char incoming[RECEIVE];

static void
fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    printf("error: ");
    vprintf(format, values);
    printf("\n");
    fflush(stdout);
    exit(1);
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* OpenSSL 3 by its names: nothing but the library itself has to be there. */
static struct {
    void *(*method)(void);
    void *(*context_new)(const void *);
    long (*context_ctrl)(void *, int, long, void *);
    void *(*new)(void *);
    int (*set_fd)(void *, int);
    int (*connect)(void *);
    int (*read)(void *, void *, int);
    int (*write)(void *, const void *, int);
    int (*get_error)(const void *, int);
    int (*shutdown)(void *);
    void (*free)(void *);
    void *context;   /* NULL: no TLS */
} ssl;

enum { SSL_WANT_READ = 2, SSL_WANT_WRITE = 3, SSL_ZERO_RETURN = 6 };
/* A write may be partial and be repeated from elsewhere; what is idle keeps no buffers. */
enum { SSL_CTRL_MODE = 33, SSL_MODES = 0x1 | 0x2 | 0x10 };

static void
load_tls(void)
{
    const char *names[] = {"libssl.so.3", "libssl.3.dylib", "libssl.so"};
    const struct {
        const char *name;
        void *place;
    } functions[] = {
        {"TLS_client_method", &ssl.method}, {"SSL_CTX_new", &ssl.context_new},
        {"SSL_CTX_ctrl", &ssl.context_ctrl}, {"SSL_new", &ssl.new},
        {"SSL_set_fd", &ssl.set_fd}, {"SSL_connect", &ssl.connect},
        {"SSL_read", &ssl.read}, {"SSL_write", &ssl.write},
        {"SSL_get_error", &ssl.get_error}, {"SSL_shutdown", &ssl.shutdown},
        {"SSL_free", &ssl.free},
    };
    void *library = NULL;

    for (unsigned i = 0; library == NULL && i < sizeof(names) / sizeof(*names); i++)
        library = dlopen(names[i], RTLD_NOW);
    if (library == NULL)
        fail("%s", dlerror());
    for (unsigned i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if ((*(void **)functions[i].place = dlsym(library, functions[i].name)) == NULL)
            fail("libssl has no %s", functions[i].name);
    ssl.context = ssl.context_new(ssl.method());
    ssl.context_ctrl(ssl.context, SSL_CTRL_MODE, SSL_MODES, NULL);
}

/* An SSL after its handshake, for which the socket blocks. */
static void *
secure(int fd)
{
    void *tls = ssl.new(ssl.context);

    ssl.set_fd(tls, fd);
    if (ssl.connect(tls) != 1)
        fail("the TLS handshake failed");
    return tls;
}

/* As send() and recv() that do not block. */
static ssize_t
put(connection *c, const char *data, size_t length)
{
    if (c->tls == NULL)
        return send(c->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    int done = ssl.write(c->tls, data, length);
    if (done <= 0) {
        int error = ssl.get_error(c->tls, done);
        errno = error == SSL_WANT_READ || error == SSL_WANT_WRITE ? EAGAIN : EPROTO;
        return -1;
    }
    return done;
}

static ssize_t
take(connection *c)
{
    if (c->tls == NULL)
        return recv(c->fd, incoming, RECEIVE, MSG_DONTWAIT);
    int done = ssl.read(c->tls, incoming, RECEIVE);
    if (done <= 0) {
        int error = ssl.get_error(c->tls, done);
        if (error == SSL_ZERO_RETURN)
            return 0;
        errno = error == SSL_WANT_READ || error == SSL_WANT_WRITE ? EAGAIN : EPROTO;
        return -1;
    }
    return done;
}

static int
open_connection(void)
{
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int is_unix = address[0] == '/', one = 1, result;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, mode == DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);

    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (is_unix) {
        struct sockaddr_un path = {.sun_family = AF_UNIX};
        strncpy(path.sun_path, address, sizeof(path.sun_path) - 1);
        result = connect(fd, (struct sockaddr *)&path, sizeof(path));
    }
    else {
        struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(atoi(address))};
        port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        result = connect(fd, (struct sockaddr *)&port, sizeof(port));
        if (mode != DATAGRAM)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (result < 0)
        fail("connect: %s", strerror(errno));
    return fd;
}

/* Send what is due, as far as the socket takes it. */
static void
flush(connection *c)
{
    while (c->unsent > 0) {
        long at = c->sent % block_size;
        long part = c->unsent < block_size - at ? c->unsent : block_size - at;
        if (mode == DATAGRAM)
            part = size;
        ssize_t done = put(c, block + at, part);
        if (done < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return;
            fail("send: %s", strerror(errno));
        }
        c->sent += done;
        c->unsent -= done;
    }
}

/* How many replies `length` bytes of an echo complete. */
static long
take_echo(connection *c, long length)
{
    long before = c->got / (size * fan);

    if (mode == DATAGRAM && length != size)
        fail("a datagram of %ld bytes came back with %ld", size, length);
    for (long from = 0; from < length;) {
        long at = c->got % block_size;
        long part = length - from < block_size - at ? length - from : block_size - at;
        if (memcmp(incoming + from, block + at, part))
            fail("something else came back than was sent");
        from += part;
        c->got += part;
    }
    if (c->got > c->sent * fan)
        fail("more came back than was sent");
    return c->got / (size * fan) - before;
}

/* How many of the answers to messages that are to be swallowed. */
static long
take_acknowledgements(connection *c, long length)
{
    long before = c->got / fan;

    for (long i = 0; i < length; i++)
        if (incoming[i] != block[size - 1])
            fail("something else came back than the last byte");
    c->got += length;
    if (c->got > c->sent / size * fan)
        fail("more came back than was sent");
    return c->got / fan - before;
}

/* Whether a response is complete now. */
static long
take_http(connection *c, long length)
{
    char *end, *header;

    if (c->got + length >= RESPONSE)
        fail("a response is too long");
    memcpy(c->response + c->got, incoming, length);
    c->got += length;
    c->response[c->got] = 0;
    end = strstr(c->response, "\r\n\r\n");
    if (end == NULL)
        return 0;
    if (strncmp(c->response, "HTTP/1.1 200", 12))
        fail("the response is %.30s", c->response);
    for (header = c->response; header < end; header = strstr(header, "\r\n") + 2) {
        if (strncasecmp(header, "content-length:", 15) == 0) {
            long whole = end + 4 - c->response + atol(header + 15);
            if (c->got > whole)
                fail("a response is longer than its Content-Length");
            if (c->got < whole)
                return 0;
            c->got = 0;
            return 1;
        }
    }
    fail("a response has no Content-Length");
    return 0;
}

static long
take_replies(connection *c, long length)
{
    return mode == HTTP ? take_http(c, length)
           : mode == SINK ? take_acknowledgements(c, length) : take_echo(c, length);
}

/* Exchange n messages, at most `depth` of a connection under way. */
static void
exchange(connection *all, int connections, long n, long depth)
{
    struct pollfd watched[connections];
    long unstarted = n, replies = 0;

    for (int i = 0; i < connections; i++) {
        long first = depth < unstarted ? depth : unstarted;
        unstarted -= first;
        all[i].unsent += first * size;
        flush(&all[i]);
        watched[i].fd = all[i].fd;
    }
    while (replies < n) {
        for (int i = 0; i < connections; i++)
            watched[i].events = POLLIN | (all[i].unsent ? POLLOUT : 0);
        if (poll(watched, connections, PATIENCE_MS) == 0)
            fail("no answer in %d s, after %ld of %ld", PATIENCE_MS / 1000, replies, n);
        for (int i = 0; i < connections; i++) {
            connection *c = &all[i];
            if (watched[i].revents & ~POLLOUT) {
                ssize_t length;
                do {
                    length = take(c);
                    if (length < 0 && errno != EAGAIN && errno != EINTR)
                        fail("recv: %s", strerror(errno));
                    if (length == 0)
                        fail("the server closed a connection");
                    if (length > 0) {
                        long done = take_replies(c, length);
                        long more = done < unstarted ? done : unstarted;
                        replies += done;
                        unstarted -= more;
                        c->unsent += more * size;
                    }
                    /* Of TLS, what has been read is not all that poll() would tell of. */
                } while (length > 0 && c->tls);
            }
            flush(c);
        }
    }
}

/* Read one piece, blocking. */
static ssize_t
read_some(connection *c, char *into, size_t length)
{
    ssize_t done = c->tls ? ssl.read(c->tls, into, length) : recv(c->fd, into, length, 0);

    if (c->tls && done <= 0 && ssl.get_error(c->tls, done) == SSL_ZERO_RETURN)
        return 0;
    if (done < 0)
        fail("recv: %s", errno == EAGAIN ? "no answer in time" : strerror(errno));
    return done;
}

static void
churn(long n, int together)
{
    connection made[together];
    struct linger at_once = {1, 0};  /* no TIME_WAIT on either side */

    while (n > 0) {
        int some = n < together ? n : together;
        for (int i = 0; i < some; i++) {
            made[i].fd = open_connection();
            made[i].tls = NULL;
        }
        for (int i = 0; i < some; i++) {
            if (ssl.context)
                made[i].tls = secure(made[i].fd);
            if (put(&made[i], "hi", 2) != 2)
                fail("send: %s", strerror(errno));
        }
        for (int i = 0; i < some; i++) {
            char reply[3] = "";
            if (read_some(&made[i], reply, 2) != 2 || strcmp(reply, "hi"))
                fail("another reply than \"hi\"");
            if (read_some(&made[i], reply, 1) != 0)
                fail("more than the reply");
            if (made[i].tls) {
                /* The server waits for this, and closes first. */
                ssl.shutdown(made[i].tls);
                recv(made[i].fd, reply, 1, 0);
                ssl.free(made[i].tls);
            }
            setsockopt(made[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
            close(made[i].fd);
        }
        n -= some;
    }
}

static void
run(connection *all, int connections, long n, long depth)
{
    if (mode == CHURN)
        churn(n, connections);
    else if (mode == IDLE)
        while (n--) {
            int fd = open_connection();
            if (ssl.context)
                secure(fd);
            usleep(200);  /* in a burst, what is under way at its peak would count */
        }
    else
        exchange(all, connections, n, depth);
}

static void
make_block(long depth)
{
    if (mode == HTTP)
        size = sizeof(request) - 1;
    block_size = size * depth;
    block = malloc(block_size);
    if (block == NULL)
        fail("no memory");
    for (long i = 0; i < block_size; i++)
        block[i] = mode == HTTP ? request[i % size]
                   : i % size == size - 1 ? '\n' : 'a' + i % size % 26;
}

int
main(int count, char **words)
{
    struct rlimit files;
    char line[16];
    double start;

    if (count != 10)
        fail("usage: loadgen CPU MODE ADDRESS N CONNECTIONS SIZE DEPTH FAN TLS");
    while (strcmp(mode_names[mode], words[2]))
        if (mode++ == IDLE)
            fail("no mode %s", words[2]);
    address = words[3];
    long n = atol(words[4]);
    int connections = atoi(words[5]);
    size = atol(words[6]);
    long depth = atol(words[7]);
    fan = atol(words[8]);
    signal(SIGPIPE, SIG_IGN);
    if (atoi(words[9]))
        load_tls();
#ifdef __linux__
    if (atoi(words[1]) >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(atoi(words[1]), &cpus);
        sched_setaffinity(0, sizeof(cpus), &cpus);
    }
#endif
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    make_block(depth);
    connection *all = calloc(connections, sizeof(*all));
    for (int i = 0; i < connections && mode != CHURN; i++) {
        all[i].fd = open_connection();
        if (ssl.context) {
            all[i].tls = secure(all[i].fd);
            fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
        }
        all[i].response = mode == HTTP ? malloc(RESPONSE) : NULL;
    }
    if (mode != IDLE)
        run(all, connections, connections, 1);
    printf("ready\n");
    fflush(stdout);
    if (read(0, line, sizeof(line)) <= 0)
        return 1;
    start = now();
    run(all, connections, n, depth);
    printf("done %ld %.9f\n", n, now() - start);
    fflush(stdout);
    while (read(0, line, sizeof(line)) > 0)
        ;
    return 0;
}
