from asyncio.streams import *  # noqa: F403
from asyncio.streams import FlowControlMixin as FlowControlMixin
from asyncio.streams import _ClientConnectedCallback as _ClientConnectedCallback
from asyncio.streams import _ReaduntilBuffer as _ReaduntilBuffer
