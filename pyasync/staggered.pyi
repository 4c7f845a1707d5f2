from asyncio.staggered import *  # noqa: F403
