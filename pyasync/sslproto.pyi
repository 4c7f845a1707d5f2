from asyncio.sslproto import *  # noqa: F403
from asyncio.sslproto import _create_transport_context as _create_transport_context
from asyncio.sslproto import _SSLProtocolBase as _SSLProtocolBase
from asyncio.sslproto import _SSLProtocolTransport as _SSLProtocolTransport
