"""Which process leads which region."""
