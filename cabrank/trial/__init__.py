"""What tries the system: load, oracle, simulate, chaos, bench. Not in the production
image; its dependencies are the extra `cabrank[trial]`.
"""
