"""CABRANK_ORIGINS: whose pages, and which apps, may call."""

import pytest

from runtime.environment import load
from runtime.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://app.example", "https://app.example"),
        ("https://APP.example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("http://tauri.localhost", "http://tauri.localhost"),
        ("app://obsidian.md", "app://obsidian.md"),
        (
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        ),
    ],
)
def test_an_origin_is_taken_as_browsers_say_it(given: str, taken: str) -> None:
    settings = load({"CABRANK_ORIGINS": f"{given}, https://other.example"})
    assert settings.origin_list() == [taken, "https://other.example"]


@pytest.mark.parametrize(
    "given",
    [
        "*",
        "null",
        "app.example",
        "https://",
        "https://app.example/path",
        "https://app.example?x",
        "https://u@app.example",
        "https://app.example:0",
        "https://app.example:99999",
        "https://*.example",
        "file://localhost",
        "javascript://x",
        "capacitor:localhost",
        "https://a b",
    ],
)
def test_what_is_no_origin_is_told(given: str) -> None:
    with pytest.raises(SettingsError, match="CABRANK_ORIGINS"):
        load({"CABRANK_ORIGINS": given})


def test_no_origin_is_none() -> None:
    assert Settings(origins=" , ").origin_list() == []
