"""Figures as Prometheus reads them: in its text format or in OpenMetrics.

Imported only where somebody is to read them, as prometheus_client is large.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from collab_protocol.versions import VERSIONS
from collab_server.meters import Histogram
from collab_server.monitoring.catalogue import METRICS, Kind, Metric
from collab_server.monitoring.figures import Survey

_BUILD: Final = "collab_build"


class Exposition:
    """Makes what a scrape is answered with."""

    def __init__(self) -> None:
        self._process = ProcessCollector(registry=None)

    def encode(self, survey: Survey, accept: str) -> tuple[bytes, str]:
        """Return the figures and their Content-Type, by what the Accept header says. Reads /proc."""
        try:
            encoder, content_type = choose_encoder(accept)
        except (TypeError, ValueError, LookupError):  # a version that is none
            encoder, content_type = choose_encoder("")
        return encoder(_Scrape(survey, self._process)), content_type


class _Scrape(Collector):
    def __init__(self, survey: Survey, process: ProcessCollector) -> None:
        self._survey = survey
        self._process = process

    def collect(self) -> Iterable[Family]:
        yield _build(self._survey)
        for metric in METRICS:
            value = metric.read(self._survey)
            if value is not None:
                yield _family(metric, value)
        yield from self._process.collect()


def names() -> frozenset[str]:
    """Return every name that a sample of a scrape may have."""
    made = [f"{_BUILD}_info"]
    for metric in METRICS:
        histogram = metric.kind is Kind.HISTOGRAM
        made += [f"{metric.name}{end}" for end in (("_bucket", "_count", "_sum") if histogram else ("",))]
    process = ProcessCollector(registry=None).collect()
    return frozenset([*made, *(sample.name for family in process for sample in family.samples)])


def _build(survey: Survey) -> Family:
    family = InfoMetricFamily(_BUILD, "What is running.")
    family.add_metric(
        [],
        {
            "version": survey.version,
            "protocol": ",".join(str(version) for version in VERSIONS),
            "python": platform.python_version(),
        },
    )
    return family


def _family(metric: Metric, value: float | Mapping[Any, float] | Histogram) -> Family:
    if isinstance(value, Histogram):
        return _histogram(metric, value)
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    name = metric.name.removesuffix("_total")
    labels = [metric.label] if metric.label else []
    family = kind(name, metric.help, labels=labels, unit=metric.unit)
    for label, each in value.items() if isinstance(value, Mapping) else [("", value)]:
        family.add_metric([label] if metric.label else [], each)
    return family


def _histogram(metric: Metric, histogram: Histogram) -> Family:
    # One copy, so that what is counted meanwhile is in all of it or in none.
    counts, total = list(histogram.counts), histogram.total
    buckets = list(zip(_bounds(histogram), accumulate(counts), strict=True))
    family = HistogramMetricFamily(metric.name, metric.help, unit=metric.unit)
    family.add_metric([], buckets=buckets, sum_value=total)
    return family


def _bounds(histogram: Histogram) -> Iterator[str]:
    yield from (repr(float(bound)) for bound in histogram.bounds)
    yield "+Inf"
