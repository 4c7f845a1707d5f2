from asyncio.timeouts import *  # noqa: F403
