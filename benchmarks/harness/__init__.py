"""What the benchmarks share: registry, contenders, the sessions that measure, and reports."""
