"""The command line: which commands there are, and how what went wrong is worded."""
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cabrank.commands import care, deployment, hooks, keys, people, speaking, system
from cabrank.commands.helping import Group
from cabrank.errors import INTERRUPTED, CabrankError, UsageError, refuse
from cabrank.services import NAMES, PRIVATE
from runtime import environment, settings

COMMANDS: dict[str, Callable[..., int]] = {
    "up": system.up,
    "demo": system.demo,
    "restart": system.restart,
    "gateway": system.gateway,
    "dispatcher": system.dispatcher,
    "persistence": system.persistence,
    "migrate": system.migrate,
    "nats-auth": deployment.nats_auth,
    "secrets": deployment.secrets,
    "settings": deployment.settings,
    "tokens": people.tokens,
    "explain": care.explain,
    "audit": people.audit,
    "say": speaking.say,
    "notify": speaking.notify,
    "doctor": care.doctor,
    "streams": care.streams,
    "top": care.top,
    "verify": care.verify,
    "rebuild": care.rebuild,
}
"""Those without commands of their own; the help groups them (commands/helping.py)."""
TRIAL = {"simulate", "chaos", "bench"}
"""Those of cabrank/trial."""

app = typer.Typer(
    name="cabrank",
    cls=Group,
    help="A dispatch backend: one winner per trip, nothing answered is lost.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(people.app, name="user")
app.add_typer(keys.app, name="keys")
app.add_typer(hooks.app, name="webhooks")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cabrank {version('cabrank')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


def _has_trial() -> bool:
    """Not in the image, and not where the extra `trial` is not installed."""
    return bool(find_spec("cabrank.trial") and find_spec("picows"))


def _is_text(argument: str) -> bool:
    """Whether its octets are UTF-8; a folder's name need not be."""
    return argument.encode(errors="replace").decode() == argument


def _add_trial_commands(arguments: list[str]) -> None:
    """Register simulate, chaos and bench where they are meant, or listed in the help:
    they import clients that no service needs.

    Raises:
        UsageError: one is meant and is not installed.
    """
    first = next((a for a in arguments if not a.startswith("-")), None)
    listed = first is None and bool({"--help", "-h"} & set(arguments))
    if not (listed or first in TRIAL):
        return
    if not _has_trial():
        if listed:
            return
        raise UsageError(
            f"`cabrank {first}` is not installed here: pip install 'cabrank[trial]'."
        )
    if listed or first == "simulate":
        from cabrank.trial.simulate import command as simulate

        app.command("simulate")(simulate)
    if listed or first == "chaos":
        from cabrank.trial.chaos.command import command as chaos

        app.command("chaos")(chaos)
    if listed or first == "bench":
        from cabrank.trial.bench.command import app as bench

        app.add_typer(bench, name="bench", no_args_is_help=False)


def run() -> int:
    """Run the command of `sys.argv`.

    Returns:
        Its exit status: 2 after a wrong option, setting or input, told in one plain
        sentence on standard error.
    """
    arguments = sys.argv[1:]
    before = os.umask(PRIVATE)
    is_service = bool(arguments) and arguments[0] in NAMES
    # `webhooks list` is what an operator says of one, and speaks to them.
    if not is_service or "".join(arguments[1:2]).isalpha():
        for said in environment.unheard_of():
            print(said, file=sys.stderr)
    try:
        _add_trial_commands(arguments)
        status = app(arguments, prog_name="cabrank", standalone_mode=False)
    except TyperException as error:
        return refuse(error.format_message(), error.exit_code)
    except CabrankError as error:
        return refuse(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except UnicodeEncodeError:
        octets = next((a for a in arguments if not _is_text(a)), None)
        if octets is None:
            raise
        return refuse(f"{octets[:200]!r} is no UTF-8.", UsageError.exit_code)
    except BrokenPipeError:  # `cabrank settings | head`
        sys.stderr.close()
        return 1
    except settings.SettingsError as error:
        return refuse(str(error), UsageError.exit_code)
    finally:
        os.umask(before)
    return status if isinstance(status, int) else 0
