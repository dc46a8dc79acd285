"""The curves of the table as a picture: human seconds against accuracy, one panel a collection."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hundredfold.chassis.errors import InvalidArgument
from hundredfold.client.simulation.measuring import ONE_BY_ONE_SECONDS
from tests.benchmarks.looping.results import newest

_STYLES = {
    "system": ("#2f56e0", 2.4, "hundredfold"),
    "no-fine-tuning": ("#d9822b", 1.5, "without fine-tuning"),
    "singles-by-margin": ("#8a8f98", 1.5, "single images by margin"),
}
"""The rows that are drawn: colour, width, words."""
_FACTORS = (1, 5, 10, 15, 20)
_INK = "#2b2f36"
_FAINT = "#c9ced6"
_LOWEST = 0.4


def draw(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of results into a PNG file."""
    lines = [each for each in newest(lines) if each["row"] in _STYLES]
    names = list(dict.fromkeys(each["collection"] for each in lines))
    if not names:
        raise InvalidArgument("nothing was measured that could be drawn", field="plot")
    with mpl.rc_context({"font.size": 10, "text.color": _INK, "axes.labelcolor": _INK}):
        figure = Figure(figsize=(4.6 * len(names) + 0.4, 4.4), dpi=160, layout="constrained")
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, names, strict=True):
            _panel(panel, name, [each for each in lines if each["collection"] == name])
        panels[0].set_ylabel("right in the complete labelling")
        _legend(figure, lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def _panel(panel: Axes, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
    images = lines[0]["outcome"]["images"]
    end = _end(lines)
    _speedup_lines(panel, images, end)
    for row in reversed(_STYLES):  # the system lies on top
        for line in lines:
            if line["row"] == row:
                _curve(panel, line["outcome"], row)
    panel.set_title(f"{name}, {images:,} images", loc="left", fontsize=11, weight="bold")
    panel.set_xlim(0, end)
    panel.set_ylim(_LOWEST, 1.005)
    panel.set_xlabel("human seconds")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.tick_params(colors=_INK, length=3, color=_FAINT)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(_FAINT)


def _end(lines: Sequence[Mapping[str, Any]]) -> float:
    """Where a panel ends: somewhat after the last proof of the system, else of the last curve."""
    systems = [each["outcome"] for each in lines if each["row"] == "system"]
    shown = systems or [each["outcome"] for each in lines]
    return 1.3 * max(each["curve"][-1]["seconds"] for each in shown)


def _speedup_lines(panel: Axes, images: int, end: float) -> None:
    """Where labelling some times faster than one by one would be: straight lines from nothing."""
    for factor in _FACTORS:
        slope = factor / (ONE_BY_ONE_SECONDS * images)
        if slope * end < _LOWEST + 0.08:
            continue  # it would only touch the corner
        panel.plot([0, end], [0, slope * end], color=_FAINT, linewidth=0.8, zorder=0)
        at = min(end * 0.985, 0.985 / slope)
        panel.annotate(
            f"{factor} x",
            (at, slope * at),
            ha="right",
            va="bottom" if at < end * 0.98 else "center",
            fontsize=8,
            color="#8a8f98",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=1,
        )


def _curve(panel: Axes, outcome: Mapping[str, Any], row: str) -> None:
    colour, width, _ = _STYLES[row]
    seconds = [each["seconds"] for each in outcome["curve"]]
    right = [each["accuracy"] for each in outcome["curve"]]
    panel.plot(seconds, right, color=colour, linewidth=width, alpha=0.8, solid_capstyle="round")
    for reached in outcome["milestones"]:
        if reached["ended"] == "certificate":
            panel.plot(
                *(reached["seconds"], reached["accuracy"]),
                marker="o",
                markersize=7 if row == "system" else 5,
                markerfacecolor="white",
                markeredgecolor=colour,
                markeredgewidth=1.8,
                linestyle="none",
                zorder=4,
            )


def _legend(figure: Figure, lines: Sequence[Mapping[str, Any]]) -> None:
    there = {each["row"] for each in lines}
    handles = [
        mpl.lines.Line2D([], [], color=colour, linewidth=width, label=words)
        for row, (colour, width, words) in _STYLES.items()
        if row in there
    ]
    handles.append(
        mpl.lines.Line2D(
            *([], []),
            marker="o",
            markerfacecolor="white",
            markeredgecolor=_INK,
            linestyle="none",
            label="target proved by an audit (95 %, then 98 %)",
        )
    )
    handles.append(
        mpl.lines.Line2D([], [], color=_FAINT, linewidth=1, label="times faster than one by one")
    )
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9
    )
