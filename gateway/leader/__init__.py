"""The way to a region's leader and to persistence, and back."""
