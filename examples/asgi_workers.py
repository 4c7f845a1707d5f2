"""An ASGI app for several worker processes, and what gunicorn needs to run them on pyasync.

uvicorn --app-dir examples --loop pyasync:new_event_loop --workers 4 asgi_workers:app
gunicorn --chdir examples --worker-class asgi_workers.Worker --workers 4 asgi_workers:app
"""

import asyncio
import os
from typing import ClassVar

try:
    from uvicorn_worker import UvicornWorker
except ImportError:  # uvicorn alone needs no worker class
    pass
else:

    class Worker(UvicornWorker):
        """uvicorn's worker for gunicorn, on our loop: uvicorn's own settings are given here."""

        CONFIG_KWARGS: ClassVar = {**UvicornWorker.CONFIG_KWARGS, 'loop': 'pyasync:new_event_loop'}


async def app(scope, receive, send):
    """Answers with the worker's process id and the class of its loop."""
    if scope['type'] == 'lifespan':
        while (message := await receive())['type'] != 'lifespan.shutdown':
            await send({'type': f'{message["type"]}.complete'})
        await send({'type': 'lifespan.shutdown.complete'})
        return
    kind = type(asyncio.get_running_loop())
    body = f'{os.getpid()} {kind.__module__}.{kind.__qualname__}\n'.encode()
    headers = [(b'content-type', b'text/plain'), (b'content-length', b'%d' % len(body))]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
