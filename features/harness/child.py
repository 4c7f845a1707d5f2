"""child.py -- runs probes of one contender in this process, and reports each on a line of JSON.

    python child.py CONTENDER < rows.json

A line `{"begin": row}` comes before each probe, so that the parent knows what crashed or hangs.
"""

import gc
import json
import logging
import os
import pathlib
import signal
import sys

FEATURES = pathlib.Path(__file__).resolve().parent.parent


def main():
    sys.path.insert(0, str(FEATURES))
    import probes

    from harness import contenders, probe

    out = os.fdopen(os.dup(1), 'w', buffering=1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
    rows = json.load(sys.stdin)
    # A shell starts what it runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    aio, factory = contenders.load(sys.argv[1])
    probes.load()
    handler = logging.Handler()
    logger = logging.getLogger('asyncio')
    logger.addHandler(handler)
    logger.propagate = False
    gc.collect()
    gc.freeze()
    # A row of its own tells what a loop leaves open when it is closed.
    always = probe.perform(probe.NOTHING, aio, factory, handler, gc.collect)
    for row in rows:
        print(json.dumps({'begin': row}), file=out)
        told = probe.perform(probe.PROBES[row], aio, factory, handler, gc.collect)
        told = [line for line in told if line not in always]
        print(json.dumps({'end': row, 'told': told}), file=out)
    out.flush()
    # What a probe has left behind (a thread that hangs) is not to keep the results.
    os._exit(0)


if __name__ == '__main__':
    main()
