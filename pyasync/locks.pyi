from asyncio.locks import *  # noqa: F403
from asyncio.locks import _BarrierState as _BarrierState
from asyncio.locks import _ContextManagerMixin as _ContextManagerMixin
