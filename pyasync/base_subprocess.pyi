from asyncio.base_subprocess import *  # noqa: F403
from asyncio.base_subprocess import _File as _File
