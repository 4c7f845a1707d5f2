from asyncio.taskgroups import *  # noqa: F403
