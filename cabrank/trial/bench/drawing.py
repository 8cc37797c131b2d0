"""A picture's beginning and end, by matplotlib, which not everybody has."""

from pathlib import Path
from typing import Any

from cabrank.errors import reason
from cabrank.trial.load import LoadError


def figure(width: float, height: float, asked: str = "--plot") -> Any:
    """Inches. `asked`: who wants it.

    Raises:
        LoadError: matplotlib is not there.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (optional extra)
    except ImportError:
        text = f"{asked} needs matplotlib: pip install cabrank[bench]"
        raise LoadError(text) from None
    return Figure(figsize=(width, height), layout="constrained")


def save(made: Any, path: Path, dpi: int = 120) -> None:
    """As a PNG.

    Raises:
        LoadError: it can't be written.
    """
    try:
        made.savefig(path, dpi=dpi, format="png")
    except OSError as error:
        raise LoadError(f"{path} can't be written: {reason(error)}.") from None
