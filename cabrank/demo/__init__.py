"""`cabrank demo`: a system with a city in it, to look at.

Its people are ordinary clients of the public protocol (docs/PROTOCOL.md), over
WebSockets of their own; whatever they do, a page or an app can.

streets, people   pure: where cars can go, and who asks for what when
session           one user's connection, that comes back by itself
driver, rider     what they do
city, run         all of them together, beside `up`
"""
