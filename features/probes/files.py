"""Watching descriptors, sockets without transports, pipes, signals, names of hosts."""

import asyncio
import os
import signal
import socket
import tempfile

from harness.ends import Recorder, both, pair, udp_pair
from harness.probe import Group

watch = Group('Descriptors and signals', 'tests/core/test_loop_io.py')
sock = Group('Sockets without transports', 'tests/net/test_sock_ops.py')
pipes = Group('Pipes', 'tests/net/test_pipe_transport.py')
hosts = Group('Names of hosts', 'tests/net/test_resolve.py')


@watch('loop.add_reader()')
async def add_reader(t):
    def read(*args):
        t.tell('ready', args, one.recv(10))
        done.set_result(None)

    with both(pair()) as (one, two):
        done = t.loop.create_future()
        t.tell(t.loop.add_reader(one, t.tell, 'not called'))
        t.loop.add_reader(one.fileno(), read, 1, 2)
        two.send(b'data')
        await done
        t.tell(t.loop.remove_reader(one))
        for bad in (-1, 'x', 10**6):
            with t.raised():
                t.loop.add_reader(bad, read)


@watch('loop.remove_reader()')
async def remove_reader(t):
    with both(pair()) as (one, two):
        t.tell(t.loop.remove_reader(one))
        t.loop.add_reader(one, t.tell, 'not called')
        two.send(b'data')
        t.tell(t.loop.remove_reader(one), t.loop.remove_reader(one))
        await asyncio.sleep(0.001)


@watch('loop.add_writer()')
async def add_writer(t):
    def write():
        t.tell('ready')
        t.loop.remove_writer(one)
        done.set_result(None)

    with both(pair()) as (one, _):
        done = t.loop.create_future()
        t.loop.add_writer(one, write)
        await done


@watch('loop.remove_writer()')
async def remove_writer(t):
    with both(pair()) as (one, _):
        t.loop.add_writer(one, t.tell, 'not called')
        t.tell(t.loop.remove_writer(one), t.loop.remove_writer(one))
        await asyncio.sleep(0.001)


@watch('a reader and a writer of one descriptor, and the end of the other side')
async def both_ways(t):
    one, two = pair()
    with one:
        seen = set()
        t.loop.add_reader(one, seen.add, 'reader')
        t.loop.add_writer(one, seen.add, 'writer')
        two.close()
        await asyncio.sleep(0.002)
        t.tell(sorted(seen))
        t.loop.remove_reader(one)
        t.loop.remove_writer(one)


@watch('watching a regular file is refused')
async def watch_file(t):
    with tempfile.TemporaryFile() as file:
        with t.raised():
            t.loop.add_reader(file, t.tell)


@watch('watching the socket of a transport is refused')
async def watch_transport(t):
    one, two = pair()
    transport, _ = await t.loop.create_connection(asyncio.Protocol, sock=one)
    with two:
        for name in ('add_reader', 'add_writer'):
            with t.raised():
                getattr(t.loop, name)(one.fileno(), t.tell)
        with t.raised():
            await t.loop.sock_recv(one, 5)
        transport.close()
        await asyncio.sleep(0)


@watch('loop.add_signal_handler()', test='tests/core/test_signals.py')
async def add_signal_handler(t):
    done = t.loop.create_future()
    t.loop.add_signal_handler(signal.SIGUSR1, lambda *args: done.set_result(args), 1, 2)
    os.kill(os.getpid(), signal.SIGUSR1)
    t.tell(await done)
    t.loop.remove_signal_handler(signal.SIGUSR1)
    for bad in (0, 100, 'x', signal.SIGKILL):
        with t.raised():
            t.loop.add_signal_handler(bad, t.tell)
    with t.raised():
        t.loop.add_signal_handler(signal.SIGUSR1, add_signal_handler)
    with t.raised():
        await asyncio.to_thread(t.loop.add_signal_handler, signal.SIGUSR1, t.tell)


@watch('loop.remove_signal_handler()', test='tests/core/test_signals.py')
async def remove_signal_handler(t):
    t.tell(t.loop.remove_signal_handler(signal.SIGUSR1))
    t.loop.add_signal_handler(signal.SIGUSR1, t.tell)
    t.tell(t.loop.remove_signal_handler(signal.SIGUSR1))
    t.tell(signal.getsignal(signal.SIGUSR1))
    t.loop.add_signal_handler(signal.SIGINT, t.tell)
    t.loop.remove_signal_handler(signal.SIGINT)
    t.tell(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    with t.raised():
        t.loop.remove_signal_handler(0)


@watch(
    'signal.signal() handlers run while the loop waits',
    test='tests/core/test_signals.py',
    named='handler of `signal.signal()`',
)
def python_signal_handler(t):
    loop = t.new_loop()

    def handler(number, frame):
        t.tell('handler', number)
        loop.stop()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    loop.call_later(0.2, t.tell, 'too late')
    loop.call_later(0.2, loop.stop)
    loop.run_forever()
    signal.signal(signal.SIGALRM, before)


@watch("a program's SIGCHLD handler stays", test='tests/core/test_signals.py')
def sigchld(t):
    async def main():
        process = await asyncio.create_subprocess_exec('true')
        t.tell(await process.wait())

    before = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    mine = signal.getsignal(signal.SIGCHLD)
    t.run(main())
    t.tell(signal.getsignal(signal.SIGCHLD) is mine)
    signal.signal(signal.SIGCHLD, before)


@sock('loop.sock_recv()')
async def sock_recv(t):
    with both(pair()) as (one, two):
        two.send(b'ready')
        t.tell(await t.loop.sock_recv(one, 3), await t.loop.sock_recv(one, 10))
        t.loop.call_soon(two.send, b'later')
        t.tell(await t.loop.sock_recv(one, 10))
        task = asyncio.create_task(t.loop.sock_recv(one, 10))
        await asyncio.sleep(0)
        task.cancel()
        with t.raised():
            await task
        two.close()
        t.tell(await t.loop.sock_recv(one, 10))


@sock('sock_*() of a socket that blocks, in debug mode')
async def sock_blocking(t):
    one, two = socket.socketpair()
    t.loop.set_debug(True)
    with one, two:
        with t.raised():
            await t.loop.sock_recv(one, 10)
        with t.raised():
            await t.loop.sock_sendall(one, b'x')
        t.tell(one.getblocking())


@sock('loop.sock_recv_into()')
async def sock_recv_into(t):
    with both(pair()) as (one, two):
        buffer = bytearray(8)
        t.loop.call_soon(two.send, b'data')
        t.tell(await t.loop.sock_recv_into(one, buffer), buffer)


@sock('loop.sock_recvfrom()')
async def sock_recvfrom(t):
    with both(udp_pair()) as (one, two):
        t.loop.call_soon(two.sendto, b'data', one.getsockname())
        data, address = await t.loop.sock_recvfrom(one, 10)
        t.tell(data, address == two.getsockname())


@sock('loop.sock_recvfrom_into()', covers=('loop.sock_recvfrom_into(nbytes=)',))
async def sock_recvfrom_into(t):
    with both(udp_pair()) as (one, two):
        buffer = bytearray(8)
        t.loop.call_soon(two.sendto, b'data', one.getsockname())
        nbytes, address = await t.loop.sock_recvfrom_into(one, buffer)
        t.tell(nbytes, buffer, address == two.getsockname())
        two.sendto(b'12345', one.getsockname())
        t.tell((await t.loop.sock_recvfrom_into(one, buffer, nbytes=2))[0], buffer)
        with t.raised():
            await t.loop.sock_recvfrom_into(one, buffer, 99)


@sock('loop.sock_sendall()')
async def sock_sendall(t):
    with both(pair()) as (one, two):
        t.tell(await t.loop.sock_sendall(one, b'data'), two.recv(10))
        data = bytes(1_000_000)
        task = asyncio.create_task(t.loop.sock_sendall(one, data))
        got = 0
        while got < len(data):
            got += len(await t.loop.sock_recv(two, 100_000))
        await task
        t.tell(got)
        with t.raised():
            await t.loop.sock_sendall(one, 'text')
        two.close()
        with t.raised():
            await t.loop.sock_sendall(one, b'data')


@sock('loop.sock_sendto()')
async def sock_sendto(t):
    with both(udp_pair()) as (one, two):
        t.tell(await t.loop.sock_sendto(one, b'data', two.getsockname()))
        t.tell((await t.loop.sock_recvfrom(two, 10))[0])


@sock('loop.sock_connect()')
async def sock_connect(t):
    listener = socket.create_server(('127.0.0.1', 0))
    address = listener.getsockname()
    with socket.socket() as one:
        one.setblocking(False)
        t.tell(await t.loop.sock_connect(one, address), one.getpeername() == address)
    listener.close()
    with socket.socket() as one:
        one.setblocking(False)
        with t.raised():
            await t.loop.sock_connect(one, address)


@sock('loop.sock_accept()')
async def sock_accept(t):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.setblocking(False)
        task = asyncio.create_task(t.loop.sock_accept(listener))
        await asyncio.sleep(0)
        with socket.create_connection(listener.getsockname()) as client:
            one, address = await task
            with one:
                t.tell(type(one), one.getblocking(), address == client.getsockname())


@sock(
    'loop.sock_sendfile()',
    test='tests/net/test_sock_sendfile.py',
    covers=('loop.sock_sendfile(offset=)', 'loop.sock_sendfile(count=)'),
)
async def sock_sendfile(t):
    with both(pair()) as (one, two), tempfile.TemporaryFile() as file:
        file.write(b'0123456789')
        file.flush()
        t.tell(await t.loop.sock_sendfile(one, file, offset=2), two.recv(20), file.tell())
        t.tell(await t.loop.sock_sendfile(one, file, 1, 3), two.recv(20), file.tell())
        t.tell(await t.loop.sock_sendfile(one, file, 100))
        with t.raised():
            await t.loop.sock_sendfile(one, file, -1)
        with t.raised():
            await t.loop.sock_sendfile(one, file, 0, 'x')


@sock(
    'loop.sock_sendfile(fallback=)',
    test='tests/net/test_sock_sendfile.py',
    covers=('asyncio.SendfileNotAvailableError',),
)
async def sock_sendfile_fallback(t):
    import io

    with both(pair()) as (one, two):
        t.tell(await t.loop.sock_sendfile(one, io.BytesIO(b'data')), two.recv(20))
        with t.raised():
            await t.loop.sock_sendfile(one, io.BytesIO(b'data'), fallback=False)
    t.tell(t.aio.SendfileNotAvailableError.__mro__)


@sock('a Unix, a vsock and a netlink socket')
async def other_families(t):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 's')
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as one:
            listener.setblocking(False)
            one.setblocking(False)
            listener.bind(path)
            listener.listen()
            await t.loop.sock_connect(one, path)
            two, address = await t.loop.sock_accept(listener)
            two.close()
            t.tell(repr(address))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        one.setblocking(False)
        await t.loop.sock_connect(one, (0, 0))
        t.tell(one.getpeername())


async def read_pipe(t):
    read, write = os.pipe()
    transport, protocol = await t.loop.connect_read_pipe(lambda: Recorder(t), open(read, 'rb', 0))
    return transport, protocol, write


async def write_pipe(t):
    read, write = os.pipe()
    transport, protocol = await t.loop.connect_write_pipe(lambda: Recorder(t), open(write, 'wb', 0))
    return transport, protocol, read


@pipes('loop.connect_read_pipe()')
async def connect_read_pipe(t):
    transport, protocol, write = await read_pipe(t)
    os.write(write, b'data')
    os.close(write)
    await protocol.lost
    t.tell(transport.is_closing())


@pipes('connect_read_pipe() of a regular file')
async def read_regular_file(t):
    with tempfile.TemporaryFile() as file:
        with t.raised():
            await t.loop.connect_read_pipe(lambda: Recorder(t), file)


@pipes('connect_read_pipe() of a FIFO, a socket, a terminal')
async def read_others(t):
    one, two = pair()
    two.send(b'data')
    two.close()
    _, protocol = await t.loop.connect_read_pipe(lambda: Recorder(t), one)
    await protocol.lost
    master, slave = os.openpty()
    transport, protocol = await t.loop.connect_read_pipe(lambda: Recorder(t), open(master, 'rb', 0))
    os.write(slave, b'line\n')
    while not protocol.data:
        await asyncio.sleep(0)
    t.tell(protocol.data)
    transport.close()
    await protocol.lost
    os.close(slave)


@pipes('loop.connect_write_pipe()')
async def connect_write_pipe(t):
    transport, protocol, read = await write_pipe(t)
    transport.write(b'data')
    transport.writelines([b'1', b'2'])
    with t.raised():
        transport.write('text')
    transport.close()
    await protocol.lost
    t.tell(os.read(read, 100))
    os.close(read)


@pipes('a read pipe: pause_reading(), resume_reading(), is_reading()')
async def read_pipe_pause(t):
    transport, protocol, write = await read_pipe(t)
    t.tell(transport.is_reading(), transport.pause_reading(), transport.is_reading())
    os.write(write, b'data')
    await asyncio.sleep(0.002)
    t.tell(protocol.data, transport.resume_reading(), transport.is_reading())
    os.close(write)
    await protocol.lost


@pipes('a read pipe: close(), is_closing(), get_extra_info(), set_protocol()')
async def read_pipe_close(t):
    transport, _protocol, write = await read_pipe(t)
    t.tell(type(transport.get_extra_info('pipe')), transport.get_extra_info('x', 5))
    other = Recorder(t)
    transport.set_protocol(other)
    t.tell(transport.get_protocol() is other)
    t.tell(transport.close(), transport.is_closing())
    await other.lost
    os.close(write)


@pipes('a write pipe: flow control')
async def write_pipe_flow(t):
    transport, protocol, read = await write_pipe(t)
    protocol.pause_writing = lambda: t.tell('pause')
    protocol.resume_writing = lambda: t.tell('resume')
    t.tell(transport.get_write_buffer_limits())
    transport.set_write_buffer_limits(high=1000)
    transport.write(bytes(100_000))
    t.tell(transport.get_write_buffer_size() > 1000)
    got = 0
    while got < 100_000:
        got += len(os.read(read, 65536))
        await asyncio.sleep(0.001)
    t.tell(transport.get_write_buffer_size())
    transport.close()
    await protocol.lost
    os.close(read)


@pipes('a write pipe: write_eof(), can_write_eof(), abort()')
async def write_pipe_eof(t):
    transport, protocol, read = await write_pipe(t)
    t.tell(transport.can_write_eof())
    transport.write(b'data')
    transport.write_eof()
    await protocol.lost
    t.tell(os.read(read, 10), os.read(read, 10))
    os.close(read)
    transport, protocol, read = await write_pipe(t)
    transport.abort()
    await protocol.lost
    os.close(read)


@pipes('a write pipe whose reader goes away')
async def write_pipe_broken(t):
    transport, protocol, read = await write_pipe(t)
    os.close(read)
    await protocol.lost
    for _ in range(6):
        transport.write(b'data')


@pipes('repr of pipe transports')
async def pipe_repr(t):
    transport, protocol, write = await read_pipe(t)
    t.tell(transport)
    transport.close()
    t.tell(transport)
    await protocol.lost
    t.tell(transport)
    os.close(write)
    transport, protocol, read = await write_pipe(t)
    t.tell(transport)
    transport.close()
    await protocol.lost
    t.tell(transport)
    os.close(read)


@hosts(
    'loop.getaddrinfo()',
    covers=(
        'loop.getaddrinfo(family=)',
        'loop.getaddrinfo(type=)',
        'loop.getaddrinfo(proto=)',
        'loop.getaddrinfo(flags=)',
    ),
)
async def getaddrinfo(t):
    t.tell(await t.loop.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM))
    t.tell(await t.loop.getaddrinfo('::1', 80, proto=socket.IPPROTO_TCP))
    t.tell(
        await t.loop.getaddrinfo('localhost', None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    )
    t.tell(
        await t.loop.getaddrinfo(
            None, 80, family=socket.AF_INET, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    )
    with t.raised():
        await t.loop.getaddrinfo('127.0.0.1', 80, family=socket.AF_INET6)
    with t.raised():
        await t.loop.getaddrinfo('name', 80, flags=socket.AI_NUMERICHOST)


@hosts('getaddrinfo() of odd literals', test='tests/net/test_resolve_literal.py')
async def getaddrinfo_odd(t):
    for host, port in (
        ('127.1', 80),
        ('0x7f.1', '80'),
        ('::1%lo', 5),
        (b'127.0.0.1', b'80'),
        ('127.0.0.1', 'http'),
        ('', 80),
        ('1.2.3.4.5', 0),
        ('127.0.0.1', 70000),
        ('127.0.0.1', -1),
    ):
        with t.raised():
            t.tell(
                await t.loop.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
                )
            )


@hosts('loop.getnameinfo()', covers=('loop.getnameinfo(flags=)',))
async def getnameinfo(t):
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    t.tell(await t.loop.getnameinfo(('127.0.0.1', 80), flags))
    t.tell(await t.loop.getnameinfo(('::1', 80, 0, 0), flags=flags))
    with t.raised():
        await t.loop.getnameinfo(('127.0.0.1',), flags)


@hosts('the resolver of a program in the default executor')
async def resolver_patched(t):
    original = socket.getaddrinfo
    socket.getaddrinfo = lambda *args, **kwargs: t.tell('asked', args[:2]) or []
    try:
        with t.raised():
            t.tell(await t.loop.getaddrinfo('some.host.invalid', 80))
    finally:
        socket.getaddrinfo = original
