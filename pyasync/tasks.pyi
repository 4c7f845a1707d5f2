import sys
from asyncio.tasks import *  # noqa: F403
from asyncio.tasks import _FutureLike as _FutureLike
from asyncio.tasks import _TaskCompatibleCoro as _TaskCompatibleCoro
from asyncio.tasks import _TaskYieldType as _TaskYieldType

if sys.version_info >= (3, 12):
    from asyncio.tasks import _CustomTaskConstructor as _CustomTaskConstructor
    from asyncio.tasks import _EagerTaskFactoryType as _EagerTaskFactoryType

if sys.version_info >= (3, 13):
    from asyncio.tasks import _SyncAndAsyncIterator as _SyncAndAsyncIterator
