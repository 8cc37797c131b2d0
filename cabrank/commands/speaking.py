"""What an operator says to people."""

from typing import Annotated

import typer

from cabrank.commands.options import DataDirOption, UrlOption


def say(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="The room's name.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="At most 4,000 chars.")],
    data_dir: DataDirOption = None,
    url: UrlOption = None,
) -> int:
    """Send a message to a room, as an operator."""
    from cabrank.operate import say as speaking

    seq = speaking.say(room, text, data_dir, url)
    print(f"message {seq} in {room}")
    return 0


def notify(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="The notice: an object.")],
    data_dir: DataDirOption = None,
    url: UrlOption = None,
) -> int:
    """Send a notice to all live sessions of a user, as an operator; says how many."""
    from cabrank.operate import say as speaking

    print(_told(speaking.notify(user, data, data_dir, url)))
    return 0


def _told(sessions: int | None) -> str:
    match sessions:
        case None:
            return "Sent; this gateway is of a release that doesn't say who heard it."
        case 0:
            return "Sent; no session heard it."
        case 1:
            return "Heard by 1 session."
    return f"Heard by {sessions} sessions."
