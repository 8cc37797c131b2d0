"""Two revisions of cabrank beside each other: the hot benchmarks in turns."""
