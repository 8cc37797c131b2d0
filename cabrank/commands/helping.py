"""What `--help` shows: commands in groups, whole sentences, an example of each."""

from typing import Any

from typer.core import TyperGroup

GROUPS: dict[str, dict[str, str]] = {
    "Run a system": {
        "up": "cabrank up --port 9000 --gateways 2",
        "demo": "cabrank demo --speed 5 --drivers 40",
        "restart": "cabrank restart --data-dir taxi",
        "gateway": "CABRANK_NATS_URL=nats://nats:4222 cabrank gateway",
        "dispatcher": "CABRANK_REGIONS=oslo,bergen cabrank dispatcher",
        "persistence": "CABRANK_NATS_URL=nats://nats:4222 cabrank persistence",
        "webhooks": "CABRANK_NATS_URL=nats://nats:4222 cabrank webhooks",
        "migrate": "CABRANK_DATABASE_URL=postgresql://db/taxi cabrank migrate",
        "settings": "cabrank settings --json",
        "nats-auth": "cabrank nats-auth secrets/nats --rotate gateway",
        "secrets": "cabrank secrets deploy/secrets --name taxi.example",
    },
    "Look after one that runs": {
        "doctor": "cabrank doctor --nats-monitor http://nats:8222",
        "streams": "cabrank streams --region oslo --max-bytes 10000000000",
        "top": "cabrank top --once --json",
        "verify": "cabrank verify --no-wait",
        "rebuild": "cabrank rebuild --data-dir taxi",
        "explain": "cabrank explain 0192f0c4-7a3e-7cc1-9d5b-1f6f0a1b2c3d --driver bob",
        "audit": "cabrank audit --user ann --since 7d",
        "user": "cabrank user add olga --role operator",
        "keys": "cabrank keys list",
    },
    "Speak to people": {
        "say": 'cabrank say airport-rank "Two cabs wanted at exit B"',
        "notify": 'cabrank notify ann \'{"kind": "promo"}\'',
    },
    "Try it, under load and with faults": {
        "simulate": "cabrank simulate --riders 50 --drivers 20 --duration 60",
        "tokens": "cabrank tokens --role driver --count 100 >drivers.jsonl",
        "chaos": "cabrank chaos --duration 600 --only kill-leader",
        "bench": "cabrank bench lifecycle --pairs 64",
    },
}
"""Every command, in the order in which the help lists them, with its example."""

BELOW: dict[str, str] = {
    "user add": "cabrank user add olga --role operator <password.txt",
    "user keys": "cabrank user keys billing",
    "user add-key": "cabrank user add-key billing --scope trips --expires 90",
    "user revoke": "cabrank user revoke billing",
    "user export": "cabrank user export ann >ann.json",
    "user erase": "cabrank user erase ann --yes",
    "keys list": "cabrank keys list --data-dir taxi",
    "keys rotate": "cabrank keys rotate --lead 300",
    "keys retire": "cabrank keys retire KID --force",
    "webhooks list": "cabrank webhooks list",
    "webhooks add": "cabrank webhooks add https://ops.example/hook --event 'trip.*'",
    "webhooks test": "cabrank webhooks test 7d0e4a4e-9f53-4d1b-8e0e-3f6c2f1f5a01",
    "webhooks replay": 'cabrank webhooks replay "$WEBHOOK" --since 81920',
    "bench lifecycle": "cabrank bench lifecycle --pairs 64 --runs 5 --json",
    "bench chat": "cabrank bench chat --rooms 20 --members 50",
    "bench fanout": "cabrank bench fanout --drivers 1000 --runs 5",
    "bench flood": "cabrank bench flood --count 50 --duration 10",
    "bench rest": "cabrank bench rest --program ../before/.venv/bin/cabrank",
    "bench connections": "cabrank bench connections --runs 3",
    "bench dispatch": "cabrank bench dispatch --drivers 390 --policy pairs",
    "bench matching": "cabrank bench matching --drivers 25000",
    "bench offers": "cabrank bench offers --drivers 1000 --rate 20",
    "bench scale": "cabrank bench scale --drivers 5000 --gateways 2 --regions 8",
    "bench locations": "cabrank bench locations --drivers 1000 --rate 20",
}
"""The same, of commands of commands."""

EXAMPLES = {name: text for group in GROUPS.values() for name, text in group.items()}
EXAMPLES |= BELOW


class Group(TyperGroup):
    """A command with commands of its own."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """With its example under its options."""
        command = super().get_command(ctx, cmd_name)
        path = f"{ctx.command_path} {cmd_name}".split()[1:]
        example = EXAMPLES.get(" ".join(path))
        if command is not None and example is not None:
            command.epilog = f"Example: {example}"
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """By their groups where they have one; no sentence is cut off."""
        left = {
            name: " ".join((command.help or "").split())
            for name, command in self.commands.items()
            if not command.hidden
        }
        groups = GROUPS if ctx.parent is None else {}
        for title, names in (*groups.items(), ("Commands", dict(left))):
            rows = [(name, left.pop(name)) for name in names if name in left]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
                    if title in groups:
                        formatter.write_text(f"e.g. {EXAMPLES[rows[0][0]]}")
