from asyncio.trsock import *  # noqa: F403
from asyncio.trsock import _CMSG as _CMSG
from asyncio.trsock import _Address as _Address
from asyncio.trsock import _RetAddress as _RetAddress
from asyncio.trsock import _WriteBuffer as _WriteBuffer
