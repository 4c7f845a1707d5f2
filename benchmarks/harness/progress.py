"""progress.py -- the bar that shows how far a session is: rich's where installed, else our own.

On stderr, so that a table sent to a file stays a table; nothing is drawn where that is no terminal.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WIDTH = 30
CLEAR_LINE = '\r\033[K'


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar of so many steps; what it yields is called as each begins, with a text to show."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    try:
        import rich.console
        import rich.progress
    except ImportError:
        yield from _plain(steps)
        return
    bar = rich.progress.Progress(
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn('{task.description}'),
        console=rich.console.Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )
    with bar:
        task = bar.add_task('', total=steps, completed=-1)
        yield lambda text: bar.update(task, advance=1, description=text)


def _plain(steps: int) -> Iterator[Callable[[str], None]]:
    begun = 0

    def step(text: str) -> None:
        nonlocal begun
        filled = '#' * (WIDTH * begun // steps)
        line = f'{CLEAR_LINE}[{filled:<{WIDTH}}] {100 * begun // steps:3}% {text}'
        print(line, end='', file=sys.stderr, flush=True)
        begun += 1

    try:
        yield step
    finally:
        print(CLEAR_LINE, end='', file=sys.stderr, flush=True)
