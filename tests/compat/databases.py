"""What programs that talk to database servers share: own names, errors as text, a bad network."""

from __future__ import annotations

# Each program has names of its own, NAME: all ways run at once.
SHARED = """
import os

NAME = f'p{os.getpid()}'

def told(exc):
    return type(exc).__name__, str(exc), type(exc.__cause__).__name__

async def failure(coro):
    try:
        return await coro
    except (Exception, asyncio.CancelledError) as exc:
        return told(exc)
"""

# A schema of the program's own, that it works in; connecting: what gives a connection, awaited.
SCHEMA = """
async def start(connecting):
    connection = await connecting
    await connection.execute(f'CREATE SCHEMA {NAME}')
    return connection

async def end(connection):
    await connection.execute(f'DROP SCHEMA {NAME} CASCADE')
    await connection.close()
"""

# What stands between client and server and drops the connection, size bytes into the answers.
DROPPING = """
async def dropping(size):
    async def connected(reader, writer):
        to_reader, to_writer = await asyncio.open_connection('127.0.0.1', PORT)

        async def pass_on():
            while data := await reader.read(65536):
                to_writer.write(data)

        task = asyncio.create_task(pass_on())
        passed = 0
        while passed < size:
            data = await to_reader.read(min(65536, size - passed))
            passed += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()
        to_writer.close()
        await asyncio.gather(task, return_exceptions=True)

    return await asyncio.start_server(connected, '127.0.0.1', 0)
"""
