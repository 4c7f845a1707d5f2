from asyncio.coroutines import *  # noqa: F403
