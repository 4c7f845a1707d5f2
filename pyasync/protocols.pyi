from asyncio.protocols import *  # noqa: F403
