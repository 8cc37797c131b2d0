"""What goes out to other people's endpoints: which there are, what waits for each, and
whose turn it is. Sends nothing; webhooks/ does.
"""
