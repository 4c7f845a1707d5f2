"""worker.py -- the process in which one contender is measured.

run.py keeps one for each contender. Requests come as lines of JSON on stdin, replies go to stdout:

    {"benchmark": NAME, "n": N}               {"measured": SECONDS, "wall_s": SECONDS}
    {"benchmark": NAME, "target_s": SECONDS}  {"n": N}, so many that they take about that long
    either                                    {"error": TEXT}

By hand, for a profiler:  python benchmarks/worker.py CONTENDER BENCHMARK N
"""

import asyncio
import gc
import inspect
import json
import os
import sys

from harness.contenders import CONTENDERS, YARDSTICK
from harness.heap import fill_holes
from harness.registry import ALLOCATORS, WrongAnswer, load


class Bench:
    """One contender, ready to run any benchmark."""

    def __init__(self, contender):
        self.aio, self.new_event_loop = contender.load()
        self.is_yardstick = contender.name == YARDSTICK
        self.benchmarks = load()

    def measure(self, name, n):
        """What the benchmark returns for n operations: seconds, or bytes."""
        benchmark = self.benchmarks[name]
        extra = {} if benchmark.size is None else {'size': benchmark.size}
        gc.collect()
        if self.is_yardstick:
            return benchmark.yardstick(n)
        if not inspect.iscoroutinefunction(benchmark.function):
            return benchmark.function(self.aio, self.new_event_loop, n, **extra)
        kept = fill_holes() if benchmark.allocator == 'cold' else None
        reported = []
        with asyncio.Runner(loop_factory=self.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: reported.append(context))
            measured = runner.run(benchmark.function(self.aio, n, **extra))
        del kept
        if reported:
            raise WrongAnswer(f'the exception handler was called: {reported[0]}')
        return measured

    def calibrate(self, name, target_s):
        """The n for which the benchmark takes about target_s, 1 at least."""
        n = 1
        while (seconds := self.measure(name, n)) < target_s / 4:
            # A hundred times at most: a few operations tell little.
            n = max(n + 1, min(n * 100, int(n * target_s / max(seconds, 1e-9))))
        return max(1, round(n * target_s / seconds))


def serve(bench, replies):
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        name = request['benchmark']
        try:
            if 'n' in request:
                measured = bench.measure(name, request['n'])
                reply = {'measured': measured}
                if hasattr(measured, 'wall_s'):
                    reply['wall_s'] = measured.wall_s
            else:
                reply = {'n': bench.calibrate(name, request['target_s'])}
        except Exception as exc:
            reply = {'error': f'{type(exc).__name__}: {exc}'}
        print(json.dumps(reply), file=replies, flush=True)


def main():
    contender, *by_hand = sys.argv[1:]
    if by_hand:
        name, n = by_hand
        state = ALLOCATORS[load()[name].allocator]
        if not state.items() <= os.environ.items():
            os.execve(sys.executable, sys.orig_argv, os.environ | state)
        print(Bench(CONTENDERS[contender]).measure(name, int(n)))
        return
    # What a library prints must not end up between the replies.
    replies = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    try:
        bench = Bench(CONTENDERS[contender])
    except (ImportError, AttributeError) as exc:
        print(json.dumps({'missing': f'{exc}'}), file=replies, flush=True)
        return
    print(json.dumps({'version': CONTENDERS[contender].version()}), file=replies, flush=True)
    serve(bench, replies)


if __name__ == '__main__':
    main()
