from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from collab_protocol.errors import FaultCode
from collab_server.meters import Meters, Reason, Way
from collab_server.monitoring.catalogue import METRICS, Kind, Metric
from collab_server.monitoring.exposition import Exposition, names
from collab_server.monitoring.figures import Disk, Survey

from .scraping import OPENMETRICS

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2"
)
"""What it accepts (scrape/manager.go)."""

_COUNTED = ("connections", "sessions", "people", "readers", "rooms", "ready", "writable")
"""Gauges end in what they count, or in what they claim."""


def survey(meters: Meters | None = None, disk: Disk | None = None) -> Survey:
    return Survey(
        meters=Meters() if meters is None else meters,
        version='1.0"\\\n',
        connections={Way.UNIX: 2, Way.TCP: 3},
        pending=1,
        sessions=4,
        people=2,
        rooms_loaded=2,
        rooms_stored=None,
        unsettled_s=0.25,
        reassembly_bytes=10,
        holding_bytes=20,
        is_ready=True,
        is_storing=False,
        disk=Disk() if disk is None else disk,
    )


class TestConventions:
    @pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
    def test_a_name_says_what_it_is_and_in_what(self, metric: Metric) -> None:
        assert re.fullmatch(r"collab(_[a-z]+)+", metric.name)
        assert re.fullmatch(r"[A-Z][^\n]+\.", metric.help)
        assert re.fullmatch(r"[a-z_]*", metric.label)
        assert metric.label not in ("le", "quantile", "job", "instance")
        ends_in_total = metric.name.endswith("_total")
        match metric.kind:
            case Kind.COUNTER:
                assert ends_in_total
            case Kind.HISTOGRAM:
                assert metric.name.endswith(("_seconds", "_rows"))
            case Kind.GAUGE:
                assert not ends_in_total
                assert metric.unit or metric.name.endswith(_COUNTED)

    def test_no_two_have_one_name(self) -> None:
        assert len({metric.name for metric in METRICS}) == len(METRICS)

    def test_labels_are_few(self) -> None:
        for metric in METRICS:
            value = metric.read(survey())
            assert (isinstance(value, dict)) == bool(metric.label), metric.name
            assert not isinstance(value, dict) or len(value) <= 20, metric.name


class TestEncoding:
    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            ("", "text/plain; version=0.0.4; charset=utf-8"),
            ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
            (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
            (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0"),
        ],
    )
    def test_the_format_is_what_was_asked_for(self, accept: str, content_type: str) -> None:
        body, said = Exposition().encode(survey(), accept)
        assert said.startswith(content_type)
        assert body.endswith(b"# EOF\n") == ("openmetrics" in said)

    @pytest.mark.parametrize("accept", ["", OPENMETRICS])
    def test_prometheus_own_parser_reads_all_of_it(self, accept: str) -> None:
        meters = Meters()
        meters.refuse(Reason.ORIGIN)
        meters.faults[FaultCode.STALE] = 7
        for value in (0.0001, 0.004, 99.0):
            meters.receipt_s.observe(value)
        body, _ = Exposition().encode(survey(meters, Disk(5, None)), accept)
        families = list((parse_openmetrics if accept else text_string_to_metric_families)(body.decode()))
        assert all(family.documentation for family in families)
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }
        assert samples["collab_refusals_total", "origin"] == 1
        assert samples["collab_faults_total", "stale"] == 7
        assert samples["collab_connections", "tcp"] == 3
        assert (samples["collab_ready",], samples["collab_store_writable",]) == (1, 0)
        assert samples["collab_receipt_latency_seconds_bucket", "0.00025"] == 1
        assert samples["collab_receipt_latency_seconds_bucket", "0.005"] == 2
        assert samples["collab_receipt_latency_seconds_bucket", "10.0"] == 2
        assert samples["collab_receipt_latency_seconds_bucket", "+Inf"] == 3
        assert samples["collab_receipt_latency_seconds_count",] == 3
        assert samples["collab_store_size_bytes",] == 5
        for unknown in ("collab_store_free_bytes", "collab_stored_rooms"):
            assert (unknown,) not in samples  # rather than a number that is not true

    @pytest.mark.parametrize("accept", ["", OPENMETRICS])
    def test_all_names_are_known_beforehand(self, accept: str) -> None:
        body, _ = Exposition().encode(survey(disk=Disk(1, 2)), accept)
        parse = parse_openmetrics if accept else text_string_to_metric_families
        found = {sample.name for family in parse(body.decode()) for sample in family.samples}
        assert found <= names()
        assert names() - found == {"collab_stored_rooms"}
