"""chart.py -- the table as a picture, by matplotlib."""

from harness.contenders import BASELINE
from harness.results import Row

NEEDED = '--chart needs matplotlib: pip install matplotlib'


def available() -> bool:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def write_chart(path: str, rows: list[Row], caption: str) -> None:
    """Bars of the ratios; for the scaling family, lines of the cost against the size."""
    import matplotlib

    matplotlib.use('svg')
    curves = [row for row in rows if row.benchmark.family == 'scaling']
    figure = _curves(curves) if curves else _bars(rows)
    figure.text(0.01, 0.005, caption.replace('\n', '; ').rstrip('; '), fontsize=7, va='bottom')
    figure.savefig(path, format='svg')


def _bars(rows: list[Row]):
    from matplotlib import pyplot

    rivals = [name for name in rows[0].cells if name != BASELINE]
    rows = [row for row in rows if any(row.ratio(name) for name in rivals)]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.16 * len(rows) * (len(rivals) + 1)))
    height = 0.85 / max(1, len(rivals))
    for i, name in enumerate(rivals):
        ratios = [(place, row.ratio(name)) for place, row in enumerate(rows) if row.ratio(name)]
        axes.barh(
            [place + i * height for place, _ in ratios],
            [ratio.median - 1 for _, ratio in ratios],
            height,
            left=1,
            xerr=[
                [ratio.median - ratio.low for _, ratio in ratios],
                [ratio.high - ratio.median for _, ratio in ratios],
            ],
            error_kw={'elinewidth': 0.7},
            label=name,
        )
    axes.set_yticks(
        [place + height * (len(rivals) - 1) / 2 for place in range(len(rows))],
        [row.benchmark.title for row in rows],
    )
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter('{x:g}x')
    axes.axvline(1, color='black', linewidth=0.8)
    axes.set_xlabel('times stock asyncio (median and middle half of the rounds)')
    axes.grid(axis='x', which='both', alpha=0.3)
    if rivals:
        axes.legend()
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    return figure


def _curves(rows: list[Row]):
    from matplotlib import pyplot

    series: dict[str, list[Row]] = {}
    for row in rows:
        series.setdefault(row.benchmark.function.__name__, []).append(row)
    figure, plots = pyplot.subplots(1, len(series), figsize=(5.5 * len(series), 4.5), squeeze=False)
    for axes, points in zip(plots[0], series.values(), strict=True):
        first = points[0].benchmark
        what, _, which = first.title.partition(f', {first.size:,} ')
        for name in points[0].cells:
            costs = [(row.benchmark.size, row.cost(name)) for row in points]
            measured = [(size, cost * 1e6) for size, cost in costs if cost is not None]
            sizes, times = [size for size, _ in measured], [time for _, time in measured]
            axes.plot(sizes, times, marker='o', markersize=3, label=name)
        axes.set(title=f'cost of a {what}', xlabel=f'how many {which}', ylabel='us each')
        axes.set(xscale='log', ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure
