"""Both clocks of a process, read together. Pure: who reads them hands them on."""

from collections.abc import Callable

from msgspec import Struct


class Now(Struct, frozen=True):
    """`mono_s` only ever grows; `wall_ms` is since 1970."""

    mono_s: float
    wall_ms: int

    def deadline_ms(self, in_s: float) -> int:
        """Since 1970, as commands carry it."""
        return self.wall_ms + int(in_s * 1000)


Clock = Callable[[], Now]
