import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cabrank.operate.listing import describe
from runtime import environment
from runtime.environment import load
from runtime.settings import Settings, SettingsError, variable

NUMBERS = [
    field
    for field in Settings.__struct_fields__
    if isinstance(getattr(Settings(), field), int | float)
]


def test_no_variables_give_the_defaults() -> None:
    assert load({}) == Settings()


def test_a_variable_is_the_field_in_capitals() -> None:
    assert variable("request_ttl_s") == "CABRANK_REQUEST_TTL_S"
    read = load(
        {
            "CABRANK_REQUEST_TTL_S": "2.5",
            "CABRANK_PORT": "0",
            "CABRANK_REPLICAS": "3",
            "CABRANK_NATS_URL": "nats://a:1,nats://b:2",
        }
    )
    assert read.request_ttl_s == 2.5
    assert (read.port, read.replicas) == (0, 3)
    assert read.nats_url == "nats://a:1,nats://b:2"


def test_names_of_other_programs_and_versions_are_let_pass() -> None:
    assert load({"CABRANK_OF_TOMORROW": "x", "PORT": "1"}) == Settings()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "eighty"),
        ("port", ""),
        ("access_ttl_s", "0"),
        ("access_ttl_s", "-5"),
        ("request_ttl_s", "soon"),
        ("replicas", "2"),
        ("matching", "random"),
        ("log_level", "loud"),
        ("region", "a.b"),
        ("region", ""),
        ("ledger_bytes_max", "-2"),
    ],
)
def test_a_value_that_does_not_fit_is_named_in_a_sentence(
    field: str, text: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load({variable(field): text})
    message = str(raised.value)
    assert message.startswith(f"{variable(field)} is {text!r}: ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e300", "9" * 30])
def test_a_number_without_end_is_refused(field: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable(field)} is '{text}': "):
        load({variable(field): text})


@given(st.sampled_from(Settings.__struct_fields__), st.text(max_size=40))
def test_any_text_is_read_or_refused(field: str, text: str) -> None:
    try:
        read = load({variable(field): text})
    except SettingsError:
        return
    assert isinstance(read, Settings)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"CABRANK_MATCH_WINDOW_S": "16"},
            "is longer than CABRANK_OFFER_TTL_S, which an offer lives.",
        ),
        (
            {
                "CABRANK_MATCH_WINDOW_S": "2",
                "CABRANK_OFFER_TTL_S": "9",
                "CABRANK_REQUEST_TTL_S": "1",
            },
            "is longer than CABRANK_REQUEST_TTL_S, which a trip waits.",
        ),
        (
            {"CABRANK_MATCH_WINDOW_S": "2", "CABRANK_BROADCAST_AFTER_S": "1.5"},
            "is longer than CABRANK_BROADCAST_AFTER_S, after which all are told.",
        ),
    ],
)
def test_a_window_that_outlasts_what_it_is_for_is_refused(
    environ: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load(environ)
    assert str(raised.value) == f"CABRANK_MATCH_WINDOW_S {told}"


@pytest.mark.parametrize("broadcast_after_s", ["0", "15", "120"])
def test_a_window_may_be_as_long_as_what_it_is_for(broadcast_after_s: str) -> None:
    """All are never told by 0."""
    environ = {"CABRANK_BROADCAST_AFTER_S": broadcast_after_s}
    assert load({"CABRANK_MATCH_WINDOW_S": "15", **environ}).match_window_s == 15


def test_lists_are_split_and_trimmed() -> None:
    read = load(
        {
            "CABRANK_REGIONS": " north, south ,,",
            "CABRANK_ORIGINS": "https://a.example/, https://b.example",
        }
    )
    assert read.region_list() == ["north", "south"]
    assert read.origin_list() == ["https://a.example", "https://b.example"]
    assert Settings().region_list() == ["main"]
    assert Settings().origin_list() == []


def test_every_setting_is_described_with_its_default() -> None:
    rows = {name: (default, meaning) for name, default, meaning in describe()}
    assert list(rows) == [variable(field) for field in Settings.__struct_fields__]
    assert rows["CABRANK_PORT"][0] == "8000"
    assert rows["CABRANK_REQUEST_TTL_S"][0] == "300"
    assert [name for name, (_, meaning) in rows.items() if not meaning] == []


def test_every_described_default_reads_back_as_itself() -> None:
    environ = {name: default for name, default, _ in describe()}
    assert load(environ) == Settings()


def test_any_setting_may_come_from_a_file(tmp_path: Path) -> None:
    for text, ending in (("12.5", ""), ("12.5", "\n"), ("12.5", "\r\n")):
        (tmp_path / "ttl").write_text(text + ending)
        read = load({"CABRANK_REQUEST_TTL_S_FILE": str(tmp_path / "ttl")})
        assert read.request_ttl_s == 12.5


def test_a_secret_is_not_shown_when_it_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("hunter2")
    with pytest.raises(SettingsError) as raised:
        load({"CABRANK_PORT_FILE": str(tmp_path / "port")})
    assert "hunter2" not in str(raised.value)
    for field in ("nats_url", "database_url"):
        with pytest.raises(SettingsError) as raised:
            load({variable(field): "foo://me:hunter2@here"})
        assert "hunter2" not in str(raised.value)


def test_both_a_value_and_its_file_are_refused() -> None:
    with pytest.raises(SettingsError, match="are both set"):
        load({"CABRANK_PORT": "1", "CABRANK_PORT_FILE": "/dev/null"})


def test_what_names_a_file_is_not_read_from_a_file() -> None:
    environ = {"CABRANK_SIGNING_KEY_FILE_FILE": "/nowhere"}
    assert load(environ) == Settings()
    assert load({"CABRANK_SIGNING_KEY_FILE": "/a"}).signing_key_file == "/a"


def read_by_somebody() -> set[str]:
    """Attributes of whatever is called settings, of `self` where settings lie, and what
    nats_login.py asks for by name. Who only checks them doesn't count.
    """
    found = set()
    root = Path(environment.__file__).parents[1]
    own = {"settings.py", "user_limits.py", "match_settings.py"}
    for package in (
        *("gateway", "dispatcher", "persistence", "webhooks", "cabrank", "runtime"),
    ):
        for file in (root / package).rglob("*.py"):
            if file.name == "contradictions.py":
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute):
                    of = ast.unparse(node.value)
                    is_self = of == "self" and file.name in own
                    if is_self or re.search(r"settings$|^values$|\bload\(\)$", of):
                        found.add(node.attr)
                elif isinstance(node, ast.Constant) and file.name == "nats_login.py":
                    found.add(str(node.value))
    return found


def test_every_setting_is_read_by_somebody() -> None:
    unread = set(Settings.__struct_fields__) - read_by_somebody()
    assert unread == set()
