"""What goes wrong on the command line.

CabrankError
├── UsageError        wrong option, setting or input: exit status 2
├── UnreachableError  nothing to compare with answers: exit status 2
└── StackError        `up` can't go on: exit status 1
"""


class CabrankError(Exception):
    """One plain sentence or, for StackError, some lines; never a traceback."""

    exit_code = 1


class UsageError(CabrankError):
    exit_code = 2


class UnreachableError(CabrankError):
    """Of commands whose exit status 1 is a verdict."""

    exit_code = 2


def sentence(error: Exception) -> str:
    """What another package's exception says, as a sentence."""
    text = str(error).strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


class StackError(CabrankError):
    """A program of the stack that can't be started; ends with its last log lines."""
