import subprocess
import sys
from collections.abc import Iterator

import pytest

from runtime import tracing
from runtime.settings import Settings, SettingsError
from tests.support.collector import Collector

CONTEXT = f"00-{'a' * 32}-{'b' * 16}-01"
IMPORTS = """
import sys
import cabrank.main, dispatcher.main, gateway.main, persistence.main
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running
        tracing.close()


def test_off_it_makes_no_span_and_carries_the_context_on() -> None:
    assert tracing.enter("a", "") is tracing.NONE
    assert tracing.begin("a", "") is tracing.NONE
    carried = tracing.enter("a", CONTEXT)
    assert carried.traceparent == CONTEXT
    assert not carried.is_recording


def test_off_nothing_of_opentelemetry_is_imported() -> None:
    made = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "[]"


def test_the_ratio_begins_traces_for_those_who_bring_none(collector: Collector) -> None:
    tracing.configure("x", Settings(otel_endpoint=collector.url, otel_ratio=1))
    span = tracing.enter("first", "", color="red")
    assert span.is_recording
    assert span.traceparent.endswith("-01")
    assert tracing.begin("inner", "") is tracing.NONE
    span.end("too late")
    span.end()
    tracing.close()
    (sent,) = collector.spans
    assert (sent.service, sent.name, sent.parent) == ("cabrank-x", "first", "")
    assert sent.attributes == {"color": "red"}
    assert sent.failed


def test_what_clients_have_recorded_is_bounded(collector: Collector) -> None:
    rate = {"otel_from_clients_per_s": 1e-6, "otel_ratio": 1}
    tracing.configure("x", Settings(otel_endpoint=collector.url, **rate))
    assert not tracing.enter("none is free yet", CONTEXT).is_recording
    rate["otel_from_clients_per_s"] = 0.3
    tracing.close()
    tracing.configure("x", Settings(otel_endpoint=collector.url, **rate))
    many = [tracing.enter("asked", CONTEXT) for _ in range(100)]
    recorded = [span for span in many if span.is_recording]
    assert 3 <= len(recorded) < 50  # and what came free meanwhile
    # Carried on, and recorded by nobody further down.
    assert many[-1].traceparent == CONTEXT[:-1] + "0"
    assert not tracing.begin("below", many[-1].traceparent).is_recording
    # Ours, and what belongs to one that was let in, are not the clients' to use up.
    with tracing.request(tracing.enter("own", "")) as own:
        assert own.is_recording
        below = [tracing.enter("a part of it", own.traceparent) for _ in range(10)]
        assert all(span.is_recording for span in below)


def test_standard_variables_turn_it_on_and_off(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not tracing.is_wanted(Settings())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    tracing.configure("y", Settings())
    with tracing.request(tracing.begin("asked", CONTEXT)) as span:
        assert tracing.current.get() == span.traceparent
    assert tracing.current.get() == ""
    tracing.close()
    assert [one.parent for one in collector.spans] == ["b" * 16]
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not tracing.is_wanted(Settings(otel_endpoint=collector.url))


def test_without_the_extra_the_setting_is_named_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"^CABRANK_OTEL_ENDPOINT .*cabrank\[otel"):
        tracing.configure("x", Settings(otel_endpoint="http://127.0.0.1:1"))
