"""The HTTP API, PROTOCOL.md section 5: identity and shape in, questions to persistence
out. Decides nothing about users or trips and holds nothing between two requests.
"""
