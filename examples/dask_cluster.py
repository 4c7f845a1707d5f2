"""A cluster on one machine: Dask's scheduler, two nannies and their two workers, a process each.

    python examples/dask_cluster.py
    python -m pyasync examples/dask_cluster.py

The processes of the cluster run on the loop that this program runs on: they are started with the
same command. On several machines the same commands are typed there, see docs/scaling-out.md.

    python examples/dask_cluster.py --compare --rounds 5

starts a cluster on stock asyncio and one on pyasync, has both do the same work in turn, and prints
the wall time of each, and the CPU time of the client, the scheduler and the workers together.
"""

import argparse
import array
import asyncio
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

WORKERS = 2
ARRAYS = 32
ITEMS = 32_768  # of 8 bytes: 256 KiB an array


def square(number):
    return number * number


def total(numbers):
    return sum(numbers)


async def kind_of_loop():
    """The class of the loop that the process called runs on."""
    kind = type(asyncio.get_running_loop())
    return f'{kind.__module__}.{kind.__qualname__}'


async def cpu_seconds():
    """What the process called has used."""
    return time.process_time()


async def start_dask(log, *arguments):
    """A command of Dask's, on the loop that we run on."""
    ours = (await kind_of_loop()).startswith('pyasync.')
    way = ['-m', 'pyasync'] if ours else []
    return await asyncio.create_subprocess_exec(
        sys.executable, *way, '-m', 'dask', *arguments, stdout=log, stderr=log
    )


async def end(process):
    if process.returncode is None:
        process.terminate()
    await process.wait()


@contextlib.asynccontextmanager
async def cluster():
    """Scheduler, nannies and workers, and a client of theirs; they end with the block."""
    from distributed import Client

    async with contextlib.AsyncExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = stack.enter_context(open(folder / 'log', 'w'))
        address = folder / 'scheduler.json'
        common = ['--scheduler-file', address, '--host', '127.0.0.1', '--no-dashboard']
        scheduler = await start_dask(log, 'scheduler', *common, '--port', '0')
        stack.push_async_callback(end, scheduler)
        workers = await start_dask(
            log,
            'worker',
            *common,
            *('--nworkers', str(WORKERS), '--nthreads', '1', '--local-directory', folder),
        )
        stack.push_async_callback(end, workers)
        client = await stack.enter_async_context(
            Client(scheduler_file=str(address), asynchronous=True)
        )
        await client.wait_for_workers(WORKERS)
        yield client


async def square_all(client, tasks):
    """One small task a number; answers the sum of the squares."""
    futures = client.map(square, range(tasks), pure=False)
    return sum(await client.gather(futures))


async def scatter_arrays(client):
    """Arrays go to the workers, are added up there and come back; answers the sum of all."""
    arrays = [array.array('d', range(n, n + ITEMS)) for n in range(ARRAYS)]
    scattered = await client.scatter(arrays, hash=False)
    totals = await client.gather(client.map(total, scattered, pure=False))
    returned = await client.gather(scattered)
    assert returned == arrays
    return int(sum(totals))


async def loops_of(client):
    """The classes of the loops of the scheduler, the nannies and the workers."""
    nannies = await client.run(kind_of_loop, nanny=True)
    workers = await client.run(kind_of_loop)
    assert len(nannies) == len(workers) == WORKERS
    scheduler = await client.run_on_scheduler(kind_of_loop)
    return {scheduler, *nannies.values(), *workers.values()}


async def cpu_seconds_of(client):
    """CPU time used by client, scheduler and workers."""
    workers = await client.run(cpu_seconds)
    scheduler = await client.run_on_scheduler(cpu_seconds)
    return time.process_time() + scheduler + sum(workers.values())


async def show(tasks):
    async with cluster() as client:
        all_alike = await loops_of(client) == {await kind_of_loop()}
        print(f'the cluster runs on the loop of this program: {"yes" if all_alike else "no"}')
        print(f'sum of {tasks} squares: {await square_all(client, tasks)}')
        print(f'sum of {ARRAYS} arrays: {await scatter_arrays(client)}')


# ------------------------------------------------------------------ stock and pyasync in turn


async def work_on_demand(tasks):
    """Do the work once for each line of the input; prints [[wall, cpu, result], ...] each time."""
    async with cluster() as client:
        print(json.dumps(sorted(await loops_of(client))), flush=True)
        await square_all(client, 100)
        while await asyncio.to_thread(sys.stdin.readline):
            done = []
            for work in (square_all(client, tasks), scatter_arrays(client)):
                cpu, began = await cpu_seconds_of(client), time.perf_counter()
                result = await work
                wall = time.perf_counter() - began
                done.append([wall, await cpu_seconds_of(client) - cpu, result])
            print(json.dumps(done), flush=True)


def compare(rounds, tasks):
    with contextlib.ExitStack() as stack:
        clusters = {}
        for name, way in (('asyncio', []), ('pyasync', ['-m', 'pyasync'])):
            command = [sys.executable, *way, __file__, '--on-demand', '--tasks', str(tasks)]
            clusters[name] = stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
                )
            )
        for name, process in clusters.items():
            print(f'{name}: {", ".join(json.loads(process.stdout.readline()))}')
        done, results = {name: [] for name in clusters}, []
        for number in range(rounds):
            # Each of the two is the first in every other round.
            for name in list(clusters) if number % 2 else reversed(clusters):
                clusters[name].stdin.write('\n')
                done[name].append(json.loads(clusters[name].stdout.readline()))
                results.append([result for _, _, result in done[name][-1]])
    assert all(result == results[0] for result in results)
    print(f'equal results: {results[0]}')
    print(f'median of {rounds} rounds (least to most), seconds:')
    for row, title in enumerate((f'{tasks} small tasks', f'{ARRAYS} arrays of {ITEMS // 128} KiB')):
        for column, clock in enumerate(('wall', 'CPU')):
            taken = {name: [each[row][column] for each in done[name]] for name in clusters}
            print(f'  {title}, {clock} time: {" | ".join(map(summary, taken, taken.values()))}')


def summary(name, seconds):
    return f'{name} {statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--tasks', type=int, default=2000)
    parser.add_argument('--compare', action='store_true', help='stock and pyasync in turn')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--on-demand', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare:
        compare(arguments.rounds, arguments.tasks)
    elif arguments.on_demand:
        asyncio.run(work_on_demand(arguments.tasks))
    else:
        asyncio.run(show(arguments.tasks))


if __name__ == '__main__':
    main()
