"""Questions on the past, and how long it is kept."""
