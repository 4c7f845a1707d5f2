from asyncio.base_tasks import _task_get_stack as _task_get_stack
from asyncio.base_tasks import _task_print_stack as _task_print_stack
from asyncio.base_tasks import _task_repr as _task_repr
from asyncio.base_tasks import _task_repr_info as _task_repr_info
