"""The rows above the table: how the server is, its figures, and curves of the last minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from collab_tui.palette import Ink, Palette
from collab_tui.safe_text import safe_text
from collab_tui.top import units
from collab_tui.top.curves import curve
from collab_tui.top.figures import Figures, Spread
from collab_tui.top.lines import Line
from collab_tui.top.rates import Measure, Rates
from collab_tui.top.state import Look, TopState

_GAUGE_CELLS: Final = 38
"""So wide at least is one gauge: its label, two latencies, and a curve that one can see."""

_COLUMNS: Final = (5, 2)
_GAUGE_MOST: Final = 80
_LABEL_CELLS: Final = 9
_CURVE_MOST: Final = 60
_CURVE_LEAST: Final = 6
_FREE_LEAST: Final = 1e9
"""A disk with less is nearly full."""


def status_bar(state: TopState, now: float, width: int, palette: Palette, *, is_ascii: bool) -> Line:
    """Return the first row: whether all is well, and of when the figures are."""
    look = state.shown
    words, ink = _status(state, now, palette)
    line = Line(ink if ink in (palette.bar_bad, palette.bar_warn) else palette.bar)
    line.put(f" {safe_text(words, ascii_marks=is_ascii)}", ink)
    if look is not None:
        figures = look.figures
        up = f"up {units.span(figures.up_s)}"
        version = safe_text(figures.version, ascii_marks=is_ascii)
        behind = (f"{up} · collab {version} · pid {figures.pid} ", f"{up} · collab {version} ", f"{up} ")
        for text in behind:
            before = line.cells
            line.put_right(text, width, None if line.base is not palette.bar else palette.bar_muted)
            if line.cells > before:
                break
    return line


def _status(state: TopState, now: float, palette: Palette) -> tuple[str, Ink]:
    look = state.latest
    if look is None:
        return (f"✗ {state.trouble}", palette.bar_bad) if state.trouble else ("asking…", palette.bar)
    if state.is_old(now):
        age = units.span(now - look.at)
        why = state.trouble or "the server does not answer"
        return f"✗ figures {age} old: {why}", palette.bar_bad
    if state.held is not None:
        return f"paused at {state.held.clock}", palette.bar_warn
    figures = look.figures
    if figures.trouble:
        return f"✗ {figures.trouble}", palette.bar_bad
    return ("✓ ready", palette.bar_good) if figures.is_ready else ("✗ not ready", palette.bar_bad)


def facts(look: Look, width: int, base: Ink, palette: Palette, *, most_rows: int) -> list[Line]:
    """Return how much of everything there is, in rows; what is less important goes first."""
    rows: list[Line] = []
    for label, value, is_alarming in facts_of(look.figures, look.rates):
        cells = cell_len(label) + cell_len(value) + 1
        if not rows or rows[-1].cells + 3 + cells > width:
            if len(rows) == most_rows:
                break
            rows.append(Line(base))
            rows[-1].put(" ")
        else:
            rows[-1].put("   ")
        rows[-1].put(f"{label} ", palette.hint)
        rows[-1].put(value, palette.field_bad if is_alarming else None)
    return rows


def facts_of(figures: Figures, rates: Rates) -> Iterable[tuple[str, str, bool]]:
    """Yield what there is: label, value, and whether that is alarming; the more important first."""
    rooms = units.count(figures.rooms_loaded)
    if figures.rooms_stored is not None:
        rooms += f" of {units.count(figures.rooms_stored)}"
    yield "people", units.count(figures.people), False
    yield "connections", units.count(figures.connections), False
    yield "rooms", rooms, False
    yield "CPU", units.percent(rates.cpu), (rates.cpu or 0) > 0.9
    yield "memory", units.size(figures.memory_bytes), False
    if figures.store_bytes is not None:
        yield "store", units.size(figures.store_bytes), False
    if figures.free_bytes is not None:
        yield "free", units.size(figures.free_bytes), figures.free_bytes < _FREE_LEAST


@dataclass(frozen=True, slots=True)
class _Gauge:
    label: str
    measure: Measure
    draw: Callable[[Figures, Rates], str]
    full: float
    """Its curve is full at this, or at more if there was more; in the unit of the measure."""
    alarms_at: float = float("inf")


def _rate(measure: Measure) -> Callable[[Figures, Rates], str]:
    return lambda _, rates: _by_the_second(rates.of(measure), units.rate)


def _bytes(measure: Measure) -> Callable[[Figures, Rates], str]:
    return lambda _, rates: _by_the_second(rates.of(measure), units.size)


def _by_the_second(value: float | None, shown: Callable[[float | None], str]) -> str:
    return units.UNKNOWN if value is None else f"{shown(value)}/s"


def _spread(spread: Spread) -> str:
    if spread.p50 is None and spread.p99 is None:
        return units.UNKNOWN
    return f"{units.latency(spread.p50)}, p99 {units.latency(spread.p99)}"


def _stalls(spread: Spread) -> str:
    p99, most = spread.p99, spread.most
    if most is None:
        return f"p99 {units.latency(p99)}"
    # A percentile is the bound of its bucket, and may lie above the largest.
    return f"p99 {units.latency(None if p99 is None else min(p99, most))}, max {units.latency(most)}"


_GAUGES: Final[Sequence[_Gauge]] = (
    _Gauge("updates", Measure.UPDATES, _rate(Measure.UPDATES), 10),
    _Gauge("receipt", Measure.RECEIPT_P99, lambda figures, _: _spread(figures.receipt), 0.02, 0.25),
    _Gauge("in", Measure.BYTES_IN, _bytes(Measure.BYTES_IN), 1e3),
    _Gauge("commit", Measure.COMMIT_P99, lambda figures, _: _spread(figures.commit), 0.02, 0.25),
    _Gauge("out", Measure.BYTES_OUT, _bytes(Measure.BYTES_OUT), 1e3),
    _Gauge("stalls", Measure.STALL, lambda figures, _: _stalls(figures.stall), 0.02, 0.25),
    _Gauge("receipts", Measure.RECEIPTS, _rate(Measure.RECEIPTS), 10),
    _Gauge("lagging", Measure.LAGGING, lambda _, rates: units.count(rates.of(Measure.LAGGING)), 4, 1),
    _Gauge("refused", Measure.REFUSED, _rate(Measure.REFUSED), 4, 1),
    _Gauge("hostile", Measure.HOSTILE, _rate(Measure.HOSTILE), 1, 0.001),
)
"""The more important ones first: a low window has no room for all."""


def gauges_of(figures: Figures, rates: Rates) -> list[tuple[str, str]]:
    """Return what is measured, label and value."""
    return [(gauge.label, gauge.draw(figures, rates)) for gauge in _GAUGES]


def gauges(
    state: TopState, look: Look, width: int, base: Ink, palette: Palette, *, most_rows: int, is_ascii: bool
) -> list[Line]:
    """Return what happens by the second, and how fast, each beside its curve."""
    columns = next((columns for columns in _COLUMNS if width >= columns * _GAUGE_CELLS), 1)
    cells = min(_GAUGE_MOST, width // columns)
    shown = _GAUGES[: max(0, most_rows) * columns]
    return [
        _gauge_row(state, look, shown[first : first + columns], cells, base, palette, is_ascii=is_ascii)
        for first in range(0, len(shown), columns)
    ]


def _gauge_row(
    state: TopState,
    look: Look,
    shown: Sequence[_Gauge],
    cells: int,
    base: Ink,
    palette: Palette,
    *,
    is_ascii: bool,
) -> Line:
    line = Line(base)
    for at, gauge in enumerate(shown):
        line.put(" " * (at * cells - line.cells))
        value = gauge.draw(look.figures, look.rates)
        is_alarming = (look.rates.of(gauge.measure) or 0.0) >= gauge.alarms_at
        line.put(f" {gauge.label:<{_LABEL_CELLS}}", palette.hint)
        line.put(value, palette.field_bad if is_alarming else None)
        left = (at + 1) * cells - line.cells - 3
        if left >= _CURVE_LEAST:
            room = min(left, _CURVE_MOST)
            peaks = state.history.peaks(gauge.measure, look.at, room, state.interval_s)
            line.put(" " * (left - room + 2))
            line.put(curve(peaks, gauge.full, is_ascii=is_ascii), palette.change)
    return line
