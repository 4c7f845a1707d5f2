from asyncio.futures import *  # noqa: F403
