"""What sessions hear: users' own streams, feeds, rooms, and how each stays in step."""
