"""Offers, as the ledger tells them: which live, who was asked for which trip, and which
drivers asked for any. Changed by dispatcher/engine/apply.py alone.
"""

from collections import OrderedDict

from msgspec import Struct, field

from schemas.events import Matching, OfferEnd, OfferEvent


class Ended(Struct, frozen=True, array_like=True):
    """A driver's last offer of one trip. `why`: an `OfferEnd`, or `accepted`."""

    offer: str
    why: str
    ended_ms: int


class Course(Struct):
    """How a driver is found for one trip, from its first offer, or its first release,
    until the trip ends. Of a trip that was told to all at once there is none.
    """

    trip: str
    matching: Matching = ""
    """Since the trip was opened last; empty: it has a driver."""
    opened_ms: int = 0
    made: int = 0
    """Offers since then."""
    rounds: int = 0
    """Offers in all."""
    live: OfferEvent | None = None
    asked: dict[str, Ended] = field(default_factory=dict)
    """By driver, the first to be asked first."""
    traceparent: str = ""
    """Trace context of the command that led to what comes next: that opened it, then
    that ended an offer of it; empty: it had none.
    """
    passed: dict[str, str] = field(default_factory=dict)
    """Driver → why they are not asked (again): `declined` or `missed` since the trip
    was opened last, `released` for ever."""


class Duty(Struct):
    """A driver who asked for offers, has tags, or has missed some; of all others
    nothing is held.
    """

    driver: str
    offers: bool = False
    tags: tuple[str, ...] = ()
    idle_since_ms: int = 0
    misses: int = 0
    """Offers in a row that they let expire."""
    paused: bool = False
    """Went offline by that, and has said nothing since."""
    trip: str = ""
    """Of their live offer; empty: none."""


class Unsaid(Struct, frozen=True, array_like=True):
    """An offer that is over by something else, of which the driver must hear."""

    offer: str
    driver: str
    trip: str
    why: OfferEnd
    traceparent: str = ""
    """Of what ended it."""


class Offers:
    """Of one region."""

    __slots__ = ("courses", "duties", "duties_max", "unsaid")

    def __init__(self, duties_max: int) -> None:
        self.duties_max = duties_max
        self.courses: dict[str, Course] = {}
        """By trip."""
        self.duties: OrderedDict[str, Duty] = OrderedDict()
        """By driver, who was heard of last is last."""
        self.unsaid: dict[str, Unsaid] = {}
        """By offer."""

    def course(self, trip: str) -> Course:
        """Begun, if there is none."""
        course = self.courses.get(trip)
        if course is None:
            course = self.courses[trip] = Course(trip)
        return course

    def live(self, trip: str) -> OfferEvent | None:
        course = self.courses.get(trip)
        return None if course is None else course.live

    def of_driver(self, driver: str) -> OfferEvent | None:
        """Their live offer."""
        duty = self.duties.get(driver)
        return self.live(duty.trip) if duty is not None and duty.trip else None

    def on_duty(self, driver: str, at_ms: int) -> Duty:
        """Theirs, begun at `at_ms` if there is none. Beyond the limit, whoever was not
        heard of for the longest is forgotten, as who never asked.
        """
        duty = self.duties.get(driver)
        if duty is None:
            duty = self.duties[driver] = Duty(driver, idle_since_ms=at_ms)
        self.duties.move_to_end(driver)
        if len(self.duties) > self.duties_max:
            oldest = next((d for d in self.duties.values() if not d.trip), None)
            if oldest is not None:
                del self.duties[oldest.driver]
        return duty

    def end(self, course: Course, why: str, at_ms: int) -> OfferEvent | None:
        """The live offer is over; None: there was none."""
        live, course.live = course.live, None
        if live is not None:
            self.note(course, live.driver, Ended(live.offer, why, at_ms))
            duty = self.duties.get(live.driver)
            if duty is not None and duty.trip == course.trip:
                duty.trip = ""
        return live

    def note(self, course: Course, driver: str, ended: Ended) -> None:
        """Who is asked again is last; who was asked long ago is forgotten."""
        course.asked.pop(driver, None)
        course.asked[driver] = ended
        if len(course.asked) > ASKED_MAX:
            del course.asked[next(iter(course.asked))]

    def pass_by(self, course: Course, driver: str, why: str) -> None:
        if course.passed.get(driver) == "released":
            return
        course.passed[driver] = why
        if len(course.passed) > ASKED_MAX:
            del course.passed[next(iter(course.passed))]

    # ---- around a snapshot -----------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return not (self.courses or self.duties or self.unsaid)

    def rows(self) -> "OfferRows":
        return OfferRows(
            list(self.courses.values()),
            list(self.duties.values()),
            list(self.unsaid.values()),
        )

    def add_rows(self, rows: "OfferRows") -> None:
        for course in rows.courses:
            self.courses[course.trip] = course
        for duty in rows.duties:
            self.duties[duty.driver] = duty
        for unsaid in rows.unsaid:
            self.unsaid[unsaid.offer] = unsaid


class OfferRows(Struct, frozen=True):
    """All of it, for a snapshot."""

    courses: list[Course] = []
    duties: list[Duty] = []
    unsaid: list[Unsaid] = []


ASKED_MAX = 1_024
"""Drivers remembered of one trip, some 0.2 KB each; CABRANK_OFFERS_MAX is 8."""
