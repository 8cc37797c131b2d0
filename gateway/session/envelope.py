"""What can be read of a client's message that is no frame as it should be. Pure."""

from msgspec import Raw, Struct

from gateway.session import client_frames
from schemas import codec, frames


class _Lenient(Struct):
    """What can be read of a frame that is not one."""

    ref: codec.OptionalRaw = None


class _Bare(Struct):
    """What clients of the Channels tutorial send to their room: `{"message": "…"}`;
    the text is passed on as its JSON, whatever it is.
    """

    message: Raw
    ref: frames.Ref | None = None


def bare(payload: bytes, room: str) -> frames.ClientFrame | None:
    """The older shape of `chat.send`, where `payload` is one."""
    try:
        said = codec.decode(payload, _Bare)
    except codec.CodecError:
        return None
    data = codec.encode({"room": room, "text": said.message})
    return frames.ClientFrame(client_frames.SEND, said.ref, Raw(data))


def ref_of(payload: bytes) -> str | None:
    """The `ref` of a frame that is otherwise bad; None where there is no good one."""
    try:
        said = codec.decode(payload, _Lenient).ref
    except codec.CodecError:
        return None
    ref = None if said is None else codec.lenient(said)
    if isinstance(ref, str) and len(ref) <= frames.REF_CHARS_MAX:
        return ref
    return None
