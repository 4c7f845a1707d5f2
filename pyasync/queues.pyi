from asyncio.queues import *  # noqa: F403
