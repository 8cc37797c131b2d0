"""What tries the system: load, oracle, simulate, chaos, bench. Not in the production
image.
"""
