import sys

if sys.version_info >= (3, 14):
    from asyncio.tools import *  # noqa: F403
    from asyncio.tools import _AwaitedInfo as _AwaitedInfo
    from asyncio.tools import _CoroInfo as _CoroInfo
    from asyncio.tools import _FrameInfo as _FrameInfo
    from asyncio.tools import _TaskInfo as _TaskInfo
