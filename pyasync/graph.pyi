import sys

if sys.version_info >= (3, 14):
    from asyncio.graph import *  # noqa: F403
