"""aiofiles: files of both kinds, lines, positions, temporary files, errors, cancellation."""

from __future__ import annotations

from compat.support import check_same, needs

pytestmark = needs('aiofiles')


def test_files():
    check_same(
        """
        import os

        async def copy(source, target):
            async with aiofiles.open(source, 'rb') as read, aiofiles.open(target, 'wb') as write:
                while chunk := await read.read(1000):
                    await write.write(chunk)

        async def files(folder, seen):
            first = os.path.join(folder, 'first')
            async with aiofiles.open(first, 'w') as file:
                seen.append(await file.write('eins\\nzwei\\n'))
                await file.writelines(f'{n}\\n' for n in range(1000))
                await file.flush()
                seen.append(await file.tell())
            async with aiofiles.open(first) as file:
                seen.append(await file.readline())
                seen.append([line async for line in file][-2:])
                await file.seek(5)
                seen.append(await file.read(4))
                seen.append((file.name == first, file.mode, file.closed, await file.readable()))
            await asyncio.gather(*(copy(first, f'{first}{n}') for n in range(5)))
            seen.append([(await aiofiles.os.stat(f'{first}{n}')).st_size for n in range(5)])
            await aiofiles.os.rename(first, first + 'er')
            seen.append(sorted(await aiofiles.os.listdir(folder)))
            seen.append(await aiofiles.os.path.exists(first))

        async def errors(folder, seen):
            for attempt in (
                aiofiles.open(os.path.join(folder, 'none')),
                aiofiles.os.remove(os.path.join(folder, 'none')),
                aiofiles.os.mkdir(folder),
            ):
                try:
                    await attempt
                except OSError as exc:
                    seen.append((type(exc).__name__, exc.strerror))
            async with aiofiles.open(os.path.join(folder, 'closed'), 'wb') as file:
                await file.write(b'x')
            try:
                await file.write(b'y')
            except ValueError as exc:
                seen.append(str(exc))

        async def pipe(seen):
            # A read that blocks its thread, given up by the task that waits for it.
            reader, writer = os.pipe()
            async with aiofiles.open(reader, 'rb', buffering=0) as file:
                try:
                    async with asyncio.timeout(0.01):
                        await file.read(10)
                except TimeoutError as exc:
                    seen.append(repr(exc))
                os.write(writer, b'late')
                os.write(writer, b'later')
                os.close(writer)
                seen.append(len(await file.read()) <= 9)

        async def main():
            seen = []
            async with aiofiles.tempfile.TemporaryDirectory() as folder:
                await files(folder, seen)
                await errors(folder, seen)
            seen.append(await aiofiles.os.path.isdir(folder))
            async with aiofiles.tempfile.NamedTemporaryFile('w+') as file:
                await file.write('temporary')
                await file.seek(0)
                seen.append(await file.read())
            async with aiofiles.tempfile.SpooledTemporaryFile(max_size=4) as file:
                await file.write(b'more than four')
                await file.seek(5)
                seen.append(await file.read())
            await pipe(seen)
            await aiofiles.stdout.write('to stdout\\n')
            await aiofiles.stdout.flush()
            return seen

        run(main)
        """,
        'aiofiles, aiofiles.os, aiofiles.tempfile',
    )
