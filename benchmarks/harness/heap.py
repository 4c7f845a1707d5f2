"""heap.py -- takes malloc's free blocks away, so that what is large has to be mapped.

malloc serves a request from a free block of the heap, whatever its threshold for mapping: with one
of 256 KiB there, the "cold" TCP echo of 1 KiB took stock 9 us instead of 30.
"""

import ctypes
import os

# What a transport of asyncio's asks for at each recv(), with the head of a bytes object.
RECV_BYTES = 256 * 1024 + 33
# Below the threshold for mapping, see ALLOCATORS in registry.py.
BLOCK_BYTES = 96 * 1024
MOST_BLOCKS = 20_000
# A flag of the size that stands before a block, see malloc.c of glibc.
IS_MAPPED = 2


def fill_holes() -> list[bytes]:
    """What takes up the free blocks, as long as it is kept; nothing but with glibc."""
    blocks: list[bytes] = []
    if not _is_glibc():
        return blocks
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]

    def is_mapped() -> bool:
        block = libc.malloc(RECV_BYTES)
        size = ctypes.c_size_t.from_address(block - ctypes.sizeof(ctypes.c_size_t)).value
        libc.free(block)
        return bool(size & IS_MAPPED)

    while not is_mapped():
        if len(blocks) == MOST_BLOCKS:
            raise RuntimeError('malloc maps no block, however full the heap is')
        blocks.append(bytes(BLOCK_BYTES))
    return blocks


def _is_glibc() -> bool:
    try:
        return (os.confstr('CS_GNU_LIBC_VERSION') or '').startswith('glibc')
    except (AttributeError, ValueError):
        return False
