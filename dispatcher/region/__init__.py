"""One region's life in one process: standby, take-over, lead."""
