from asyncio.log import *  # noqa: F403
