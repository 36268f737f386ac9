"""What every bench gives: figures, each with what it is held against, as one table and one file."""

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

SCALE = float(os.environ.get("SCALE", "1"))
ROUNDS = 5
RESULTS = Path(os.environ.get("HUB_BENCH_RESULTS", ".data/bench"))


@dataclass(frozen=True)
class Figure:
    """A value. `ratio` is to the figure named by `against`; `met` is None where nothing was promised."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""
    target: float | None = None
    met: bool | None = None


def scaled(full: int, least: int = 1) -> int:
    """So many at full size; fewer in a quick run."""
    return max(least, round(full * SCALE))


def interleaved(works: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Measure everything in turn, round by round, so that the machine's moods meet all alike; medians.

    Every other round goes backwards: none always finds the caches as the same one before it left them.
    """
    measured = {name: [] for name in works}
    for turn in range(rounds):
        for name in [*works] if turn % 2 == 0 else reversed(works):
            measured[name].append(works[name]())
    return {name: statistics.median(values) for name, values in measured.items()}


def held(name: str, medians: dict[str, float], against: str, target: float | None = None, unit: str = "/s") -> Figure:
    """A figure of `medians` against another one, at least `target` times as much."""
    ratio = medians[name] / medians[against]
    met = None if target is None else ratio >= target
    return Figure(name, medians[name], unit, ratio, against, target, met)


def within(name: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that may be `limit` at most; its ratio is the share of it."""
    return Figure(name, value, unit, value / limit, "limit", limit, value <= limit)


def costs(name: str, value: float, unit: str, floor: Figure, target: float | None = None) -> Figure:
    """A figure that is `target` times the floor at most."""
    ratio = value / floor.value
    return Figure(name, value, unit, ratio, floor.name, target, None if target is None else ratio <= target)


def publish(bench: str, figures: list[Figure], how: str, results: Path = RESULTS) -> str:
    """Write `<bench>.json` and return the table a person reads; `how` its values came about."""
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{bench}.json").write_text(json.dumps([asdict(f) for f in figures], indent=1, ensure_ascii=False))
    rows = [("", "value", "", "ratio", "against", "target", ""), *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{bench} (scale {SCALE:g}, {how})", *lines])


def _row(figure: Figure) -> tuple[str, ...]:
    value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:,.2f}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    target = "" if figure.target is None else f"{figure.target:g}"
    met = {None: "", True: "met", False: "MISSED"}[figure.met]
    return figure.name, value, figure.unit, ratio, figure.against, target, met
