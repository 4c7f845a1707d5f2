/* epoll_server.c -- echoes as a C program would that has nothing else to do: what a loop is held to.

     epoll_server MODE ADDRESS SIZE FAN

   MODE is "stream", "churn" (it closes after the first answer) or "datagram", ADDRESS a port of
   127.0.0.1 (0: any) or the path of a Unix socket. Each message of SIZE bytes goes back FAN times; a
   whole read is answered by one write. It prints its port (0: a Unix socket's) once it listens,
   and runs until it is killed. Linux only. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RECEIVE = 1 << 18, EVENTS = 64, FDS = 1024 };

static char incoming[RECEIVE], *outgoing;
static long size, fan;
static int answers_once;
static long rest[FDS];  /* bytes of an unfinished message, with a fan */

static void
check(long result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static int
listening(int type, const char *address)
{
    int fd;

    if (address[0] == '/') {
        struct sockaddr_un path = {.sun_family = AF_UNIX};
        strncpy(path.sun_path, address, sizeof(path.sun_path) - 1);
        fd = socket(AF_UNIX, type, 0);
        check(bind(fd, (struct sockaddr *)&path, sizeof(path)), "bind");
    }
    else {
        struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(atoi(address))};
        port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, type, 0);
        check(bind(fd, (struct sockaddr *)&port, sizeof(port)), "bind");
    }
    if (type == SOCK_STREAM)
        check(listen(fd, 1000), "listen");
    return fd;
}

static void
send_all(int fd, const char *data, long length)
{
    while (length > 0) {
        ssize_t done = send(fd, data, length, MSG_NOSIGNAL);
        if (done < 0) {
            if (errno != EAGAIN)
                return;  /* the read that follows tells the end */
            struct pollfd writable = {fd, POLLOUT, 0};
            poll(&writable, 1, -1);
            continue;
        }
        data += done;
        length -= done;
    }
}

static void
answer(int fd)
{
    ssize_t length = recv(fd, incoming, RECEIVE, 0);

    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        rest[fd] = 0;
        close(fd);
        return;
    }
    if (fan == 1) {
        send_all(fd, incoming, length);
        if (answers_once)
            close(fd);
        return;
    }
    /* The generator sends the same message always. */
    long messages = (rest[fd] + length) / size;
    rest[fd] = (rest[fd] + length) % size;
    for (long i = 0; i < messages * fan; i++)
        memcpy(outgoing + i * size, incoming, size);
    send_all(fd, outgoing, messages * fan * size);
}

static void
answer_datagram(int fd)
{
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    ssize_t length = recvfrom(fd, incoming, RECEIVE, MSG_DONTWAIT, (struct sockaddr *)&from,
                              &from_size);

    if (length >= 0)
        sendto(fd, incoming, length, 0, (struct sockaddr *)&from, from_size);
}

int
main(int count, char **words)
{
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    struct sockaddr_in bound = {0};
    socklen_t bound_size = sizeof(bound);
    int is_stream, server, epoll = epoll_create1(0), one = 1;

    if (count != 5) {
        fprintf(stderr, "usage: epoll_server MODE ADDRESS SIZE FAN\n");
        return 1;
    }
    is_stream = strcmp(words[1], "datagram") != 0;
    answers_once = strcmp(words[1], "churn") == 0;
    size = atol(words[3]);
    fan = atol(words[4]);
    outgoing = malloc((RECEIVE + size) * fan);
    server = listening(is_stream ? SOCK_STREAM : SOCK_DGRAM, words[2]);
    event.data.fd = server;
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event), "epoll_ctl");
    if (words[2][0] != '/')
        getsockname(server, (struct sockaddr *)&bound, &bound_size);
    printf("%d\n", ntohs(bound.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != server)
                answer(fd);
            else if (!is_stream)
                answer_datagram(fd);
            else if ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= FDS)
                close(fd);
            else if (fd >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                event.data.fd = fd;
                check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
            }
        }
    }
}
