from asyncio.runners import *  # noqa: F403
