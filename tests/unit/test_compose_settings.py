"""compose.yaml passes every setting on."""

from pathlib import Path

import yaml

from runtime.settings import Settings, variable

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
INSIDE = {
    *("database_url", "signing_key_file", "verify_keys_file", "nats_nkey_seed_file"),
    *("nats_credentials_file", "nats_tls_cert", "nats_tls_key"),
    *("host", "port", "listen_fds", "ops_port"),
}
"""Settings that are a container's own: its secrets and its ports."""


def test_every_setting_is_there() -> None:
    passed = yaml.safe_load(COMPOSE.read_text())["x-settings"]
    wanted = {variable(f) for f in Settings.__struct_fields__ if f not in INSIDE}
    assert passed.keys() == wanted
