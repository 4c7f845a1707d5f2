from asyncio.format_helpers import *  # noqa: F403
from asyncio.format_helpers import _format_args_and_kwargs as _format_args_and_kwargs
from asyncio.format_helpers import _format_callback as _format_callback
from asyncio.format_helpers import _format_callback_source as _format_callback_source
from asyncio.format_helpers import _FuncType as _FuncType
from asyncio.format_helpers import _get_function_source as _get_function_source
from asyncio.format_helpers import _HasWrapper as _HasWrapper
