from asyncio.threads import *  # noqa: F403
