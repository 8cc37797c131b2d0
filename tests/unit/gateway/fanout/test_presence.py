"""What a gateway tells of itself once it hears its leader again."""

from schemas import subjects
from schemas.codec import decode
from schemas.rooms import Presence
from tests.unit.gateway.fanout.one_driver import Driver


def test_who_was_cut_off_tells_who_is_there() -> None:
    """A leader that heard nothing of it so long has given its sessions up."""
    driver = Driver()
    driver.router.hold()
    driver.router.resync()
    told = [
        decode(payload, Presence)
        for subject, payload in driver.line.sent
        if subject == subjects.presence("main")
    ]
    places = [(one.session, one.room) for each in told for one in each.here]
    visitor = driver.router.rooms.visitor(driver.seat)
    assert places == [(visitor.id, "lobby")]
