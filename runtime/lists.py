"""Settings that are lists, as one text. Pure."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def listed(text: str) -> list[str]:
    """`a, b` → `[a, b]`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def origin(text: str) -> str:
    """RFC 6454 section 6.2, as browsers send it; what is none stays what it is."""
    plain = text.lower().rstrip("/")
    for scheme, port in _DEFAULT_PORTS.items():
        if plain.startswith(f"{scheme}://"):
            return plain.removesuffix(port)
    return plain
