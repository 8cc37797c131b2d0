"""A user's limits, out of the way of load: the settings of systems that are measured.

By a high value, not by 0: what the counting costs is part of what is measured. A value
in the environment stands, so that 0 can be held against it.
"""

from runtime.settings import variable
from runtime.user_limits import UserSettings

HIGH = 1_000_000
"""Of each: nobody comes near it, and it is the most that a setting takes."""
LIFTED = {variable(field): str(HIGH) for field in UserSettings.__struct_fields__}
NOTE = (
    f"The limits of a user (CABRANK_USER_…) are {HIGH:,} each in systems that this "
    "command starts (flood: as they are); with --url, lift them where that system was "
    "started."
)
