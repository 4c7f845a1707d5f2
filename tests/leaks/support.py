"""What the leak tests share: one piece of code, again and again in a script of its own."""

from __future__ import annotations

import gc
import sys
import textwrap

import support


def check(impl, script, code, count):
    """Run a script with the code where it has KIND, and the count where it has COUNT."""
    body = textwrap.indent(textwrap.dedent(code).strip(), '    ')
    script = script.replace('COUNT', str(count)).replace('    KIND', body)
    support.run_script(impl, script, options=('-W', 'ignore'))


# ------------------------------------------------------------------ in the script


def _state():
    gc.collect()
    return sys.getallocatedblocks(), len(support.open_fds()), support.live_objects()


def check_growth(run, count):
    """Call run(count): no object of ours, no file descriptor and few blocks of memory may stay."""
    # Twice the warm-up: caches, free lists and specialised code have their size then.
    run(count // 10)
    run(count // 10)
    blocks, *others = _state()
    run(count)
    blocks_after, *others_after = _state()
    assert others_after == others, (others, others_after)
    # One leaked block each time would be count of them.
    assert blocks_after - blocks < max(count // 20, 200), (blocks, blocks_after)
