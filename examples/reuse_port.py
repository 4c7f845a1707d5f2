"""A TCP service on every core: worker processes with a loop each, all listening on one port.

The kernel shares new connections out among the sockets that are bound to the port with
SO_REUSEPORT. SIGTERM and SIGINT end the service gracefully: workers stop to accept, finish the
connections that they have, and end. A worker that dies is started again.

    python -m pyasync examples/reuse_port.py --port 8000 --workers 4

Each line that a client sends is answered by the worker's process id and the class of its loop.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_SECONDS = 10  # for connections that are open when the service is to end
PAUSE_SECONDS = 0.1  # before a worker that died is started again

# A fork would copy the parent's loop, with its descriptors, into every worker.
processes = multiprocessing.get_context('spawn')


def say(line):
    print(line + '\n', end='', flush=True)  # one write: lines of several processes stay whole


def stop_at_signals():
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def asked_to_end(stop):
    """Wait for that event. Further signals are left alone from then on: the end has begun."""
    await stop.wait()
    # A worker gets two where a terminal sends them to the parent as well. The second one must not
    # find the loop half closed, where the interpreter complains, or no handler any more.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


# ------------------------------------------------------------------ a worker


async def answer(reader, writer):
    kind = type(asyncio.get_running_loop())
    words = f'{os.getpid()} {kind.__module__}.{kind.__qualname__}\n'.encode()
    while await reader.readline():
        writer.write(words)
        await writer.drain()


async def work(port):
    loop = asyncio.get_running_loop()
    stop = stop_at_signals()
    # It is readable once the parent is gone, be it by SIGKILL.
    loop.add_reader(multiprocessing.parent_process().sentinel, stop.set)
    connections = set()

    async def connected(reader, writer):
        connections.add(task := asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError):
                await answer(reader, writer)
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(connected, '127.0.0.1', port, reuse_port=True)
    say(f'worker {os.getpid()} serves')
    await asked_to_end(stop)
    server.close()
    loop.remove_reader(multiprocessing.parent_process().sentinel)
    say(f'worker {os.getpid()} ends, open connections: {len(connections)}')
    if connections:
        await asyncio.wait(connections, timeout=GRACE_SECONDS)
    for task in connections:
        task.cancel()


def run_worker(port):
    asyncio.run(work(port))


# ------------------------------------------------------------------ the parent


async def ended(process):
    """Wait for a process of multiprocessing, without a thread; answers its exit status."""
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(process.sentinel, lambda: gone.done() or gone.set_result(None))
    try:
        await gone
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
    return process.exitcode


async def keep_working(port):
    """One worker after another; cancelled, the last one is asked to end and waited for."""
    while True:
        process = processes.Process(target=run_worker, args=(port,))
        process.start()
        try:
            status = await ended(process)
        except asyncio.CancelledError:
            process.terminate()
            await ended(process)
            raise
        say(f'worker {process.pid} died: {status}')
        await asyncio.sleep(PAUSE_SECONDS)


async def serve(port, workers):
    stop = stop_at_signals()
    # Bound and never listening: it keeps the port for us while workers come and go.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(('127.0.0.1', port))
        port = reserved.getsockname()[1]
        say(f'port {port}')
        kept = [asyncio.create_task(keep_working(port)) for _ in range(workers)]
        await asked_to_end(stop)
        for task in kept:
            task.cancel()
        await asyncio.wait(kept)
    say('ended')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--port', type=int, default=0, help='0: any that is free')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.workers))


if __name__ == '__main__':
    main()
