import subprocess
from pathlib import Path

import pytest

from cabrank.stack import embedded


def test_the_configuration_is_durable_and_taken_by_the_server(tmp_path: Path) -> None:
    store = tmp_path / 'a "b" é'
    conf = tmp_path / "nats.conf"
    conf.write_text(embedded.config(4222, store))
    assert embedded.is_durable(conf.read_text())
    checked = subprocess.run(
        [embedded.program(), "-t", "-c", conf], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "text",
    [
        "port: 4222\n",
        "jetstream {\n  sync_interval: 2m\n}",
        "jetstream {\n  # sync_interval: always\n}",
    ],
)
def test_any_other_configuration_is_not_durable(text: str) -> None:
    assert not embedded.is_durable(text)
