/* net_methods.h -- the methods of NetLoop that live in files of their own, for its type's table. */

#ifndef PYASYNC_NET_NET_METHODS_H
#define PYASYNC_NET_NET_METHODS_H

#include "base/compat.h"

#include "core/args.h"

DECLARE_FAST_METHOD(NetLoop_accept_ready);

#define NET_ACCEPT_METHODS                                                                   \
    {"_accept_ready", FAST_METHOD(NetLoop_accept_ready), NULL}

DECLARE_FAST_METHOD(NetLoop_sock_recv);
DECLARE_FAST_METHOD(NetLoop_sock_recv_into);
DECLARE_FAST_METHOD(NetLoop_sock_recvfrom);
DECLARE_FAST_METHOD(NetLoop_sock_recvfrom_into);
DECLARE_FAST_METHOD(NetLoop_sock_sendall);
DECLARE_FAST_METHOD(NetLoop_sock_sendto);
DECLARE_FAST_METHOD(NetLoop_sock_connect);
DECLARE_FAST_METHOD(NetLoop_sock_accept);
DECLARE_FAST_METHOD(NetLoop_sock_sendfile_native);

#define NET_SOCK_METHODS                                                                     \
    {"sock_recv", FAST_METHOD(NetLoop_sock_recv),                                            \
     "sock_recv($self, sock, n)\n--\n\n"                                                     \
     "Receive up to n bytes. As asyncio.loop.sock_recv."},                                   \
    {"sock_recv_into", FAST_METHOD(NetLoop_sock_recv_into),                                  \
     "sock_recv_into($self, sock, buf)\n--\n\n"                                              \
     "Receive into a buffer; the number of bytes. As asyncio.loop.sock_recv_into."},         \
    {"sock_recvfrom", FAST_METHOD(NetLoop_sock_recvfrom),                                    \
     "sock_recvfrom($self, sock, bufsize)\n--\n\n"                                           \
     "Receive a datagram of up to bufsize bytes: (bytes, address). As "                      \
     "asyncio.loop.sock_recvfrom."},                                                         \
    {"sock_recvfrom_into", FAST_METHOD(NetLoop_sock_recvfrom_into),                          \
     "sock_recvfrom_into($self, sock, buf, nbytes=0)\n--\n\n"                                \
     "Receive a datagram into a buffer: (number of bytes, address). As "                     \
     "asyncio.loop.sock_recvfrom_into."},                                                    \
    {"sock_sendall", FAST_METHOD(NetLoop_sock_sendall),                                      \
     "sock_sendall($self, sock, data)\n--\n\n"                                               \
     "Send all of data. As asyncio.loop.sock_sendall."},                                     \
    {"sock_sendto", FAST_METHOD(NetLoop_sock_sendto),                                        \
     "sock_sendto($self, sock, data, address)\n--\n\n"                                       \
     "Send a datagram; the number of bytes sent. As asyncio.loop.sock_sendto."},             \
    {"sock_connect", FAST_METHOD(NetLoop_sock_connect),                                      \
     "sock_connect($self, sock, address)\n--\n\n"                                            \
     "Connect a socket. As asyncio.loop.sock_connect."},                                     \
    {"sock_accept", FAST_METHOD(NetLoop_sock_accept),                                        \
     "sock_accept($self, sock)\n--\n\n"                                                      \
     "Accept a connection: (socket, address). As asyncio.loop.sock_accept."},                \
    {"_sock_sendfile_native", FAST_METHOD(NetLoop_sock_sendfile_native), NULL}

DECLARE_FAST_METHOD(NetLoop_getaddrinfo);
DECLARE_FAST_METHOD(NetLoop_getnameinfo);

#define NET_RESOLVE_METHODS                                                                  \
    {"getaddrinfo", FAST_METHOD(NetLoop_getaddrinfo),                                        \
     "getaddrinfo($self, host, port, *, family=0, type=0, proto=0, flags=0)\n--\n\n"         \
     "The list of socket.getaddrinfo; a numeric host needs no thread. As "                   \
     "asyncio.loop.getaddrinfo."},                                                           \
    {"getnameinfo", FAST_METHOD(NetLoop_getnameinfo),                                        \
     "getnameinfo($self, sockaddr, flags=0)\n--\n\n"                                         \
     "(host, port) of socket.getnameinfo; with both of NI_NUMERICHOST and NI_NUMERICSERV "   \
     "it needs no thread. As asyncio.loop.getnameinfo."}

#endif
