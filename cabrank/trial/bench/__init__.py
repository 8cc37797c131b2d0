"""What the whole system does a second, and what a trip costs."""
