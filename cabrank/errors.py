"""What goes wrong on the command line.

CabrankError
├── UsageError        wrong option, setting or input: exit status 2
├── UnreachableError  a server, a database or a gateway doesn't answer: exit status 2
└── StackError        `up` can't go on: exit status 1
"""

import sys

INTERRUPTED = 130  # what shells give for a Ctrl-C


class CabrankError(Exception):
    """One plain sentence or, for StackError, some lines; never a traceback."""

    exit_code = 1


class UsageError(CabrankError):
    exit_code = 2


class UnreachableError(CabrankError):
    """Somebody who should answer doesn't."""

    exit_code = 2


def sentence(error: Exception) -> str:
    """What another package's exception says, as a sentence."""
    text = str(error).strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def reason(error: BaseException) -> str:
    """Why nobody could be reached, without numbers of the system's: `<urlopen error
    [Errno 111] Connection refused>` → `connection refused`.
    """
    inner = getattr(error, "reason", None) or error
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return f"{text[:1].lower()}{text[1:]}".rstrip(".")


class StackError(CabrankError):
    """A program of the stack that can't be started; ends with its last log lines."""


def refuse(message: str, status: int) -> int:
    """Tell standard error why a command ends; returns `status`. After a wrong option,
    setting or input in one plain sentence.
    """
    if status == UsageError.exit_code:
        message = " ".join(message.split())
        if message[-1:] not in {".", "?", "!"}:
            message += "."
    print(message, file=sys.stderr)
    return status
