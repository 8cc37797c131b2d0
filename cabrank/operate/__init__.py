"""Care of a running system."""
