from asyncio.exceptions import *  # noqa: F403
