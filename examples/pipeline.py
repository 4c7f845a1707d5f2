"""A download pipeline: fetch images, store them, find their edges in other processes.

httpx fetches pictures from a server of this program's own under a semaphore, aiofiles writes them
to a temporary directory, and a pool of processes finds the edges with Pillow.

    python examples/pipeline.py
    python -m pyasync examples/pipeline.py
"""

import asyncio
import concurrent.futures
import functools
import io
import multiprocessing
import pathlib
import tempfile

from PIL import Image, ImageDraw, ImageFilter

IMAGES = 12
AT_ONCE = 4
PROCESSES = 2


@functools.cache
def picture(number):
    """A PNG of `number + 1` white squares on black."""
    image = Image.new('L', (128, 96))
    draw = ImageDraw.Draw(image)
    for square in range(number + 1):
        left, top = 4 + square % 6 * 20, 4 + square // 6 * 20
        draw.rectangle((left, top, left + 9, top + 9), fill=255)
    out = io.BytesIO()
    image.save(out, 'PNG')
    return out.getvalue()


def count_edges(path):
    """How many pixels of the picture are on an edge; runs in a process of the pool."""
    with Image.open(path) as image:
        edges = image.filter(ImageFilter.FIND_EDGES)
    return sum(edges.histogram()[128:])


async def serve(reader, writer):
    """As much HTTP/1.1 as a picture server needs, with connections kept open."""
    try:
        while request := await reader.readline():
            while await reader.readline() not in (b'\r\n', b''):
                pass
            name = request.split()[1].decode()
            body = picture(int(pathlib.PurePosixPath(name).stem))
            writer.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n'
                b'Content-Length: %d\r\n\r\n' % len(body)
            )
            writer.write(body)
            await writer.drain()
    finally:
        writer.close()


async def download(client, limit, number, folder):
    """Fetch one picture into the folder; answers its path."""
    import aiofiles

    path = folder / f'{number}.png'
    async with limit, aiofiles.open(path, 'wb') as file:
        async with client.stream('GET', f'/{number}.png') as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                await file.write(chunk)
    return path


async def run(images=IMAGES):
    """The pipeline; answers the number of edge pixels of each picture."""
    # Imported here: the processes of the pool import this module and need none of it.
    import httpx

    loop = asyncio.get_running_loop()
    handlers = set()

    async def handle(reader, writer):
        handlers.add(asyncio.current_task())
        await serve(reader, writer)

    server = await asyncio.start_server(handle, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    limit = asyncio.Semaphore(AT_ONCE)
    context = multiprocessing.get_context('spawn')
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=context) as pool,
    ):

        async def one(number):
            path = await download(client, limit, number, pathlib.Path(folder))
            return await loop.run_in_executor(pool, count_edges, path)

        async with httpx.AsyncClient(base_url=f'http://127.0.0.1:{port}') as client:
            edges = await asyncio.gather(*(one(number) for number in range(images)))
    server.close()
    # From 3.12 on wait_closed() waits for them too.
    await asyncio.gather(*handlers)
    await server.wait_closed()
    return edges


def main(new_event_loop=None, images=IMAGES):
    """Run on a loop of the caller's choice (None: asyncio's default); answers the edge counts."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run(images))


if __name__ == '__main__':
    for number, edges in enumerate(main()):
        print(f'{number}.png: {edges} edge pixels')
