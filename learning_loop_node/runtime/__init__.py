"""Running things: the only place that creates tasks, threads and processes."""
