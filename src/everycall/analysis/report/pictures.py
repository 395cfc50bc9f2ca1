"""The pictures of a report as Vega-Lite specifications, without their data. Pure.

Colours are the page's CSS variables, so that one picture serves light, dark and paper. What a colour says, a shape, a
position or a number says too. A specification names fields only; texts of the org are values of the data, which Vega
never evaluates.

Source: Vega-Lite 6 (https://vega.github.io/vega-lite/docs/).
"""

from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]

DATA = "rows"
"""The name under which the page gives a picture its rows."""

HEAT = tuple(f"var(--heat-{step})" for step in range(6))
"""From few to many."""

OUTCOMES = ("offered", "answered", "abandoned")
OUTCOME_COLOURS = ("var(--ink-1)", "var(--ink-2)", "var(--ink-3)")
OUTCOME_SHAPES = ("circle", "square", "triangle-up")
OUTCOME_DASHES = ([1, 0], [6, 3], [2, 2])

WORK = ("talk", "hold", "after-call work", "dialing")
WORK_COLOURS = ("var(--ink-1)", "var(--ink-4)", "var(--ink-2)", "var(--ink-3)")

LANES = ("proven", "provisional", "not proven", "not counted", "not read")
"""How far a window can be relied on; each has a line of its own in the picture. Provisional ones are proven, too."""

LANE_COLOURS = ("var(--good)", "var(--good-soft)", "var(--bad)", "var(--muted)", "var(--bad)")

ROOM: Spec = {"domainMax": {"expr": "room"}, "nice": False}
"""Bars end before the edge, so that the texts behind them fit; the page says where."""

WHOLE = "datum.value % 1 ? '' : format(datum.value, ',')"
"""Labels of whole numbers only."""

CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--text)", "titleColor": "var(--muted)", "gridColor": "var(--line)",
        "domainColor": "var(--line)", "tickColor": "var(--line)",
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelLimit": 150,
    },
    "legend": {
        "orient": "top", "direction": "horizontal", "titleLimit": 400, "labelColor": "var(--text)",
        "titleColor": "var(--muted)", "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "columns": 4,
    },
    "text": {"fill": "var(--text)", "fontSize": 12},
}  # fmt: skip
"""What all pictures have in common."""


def pictures() -> dict[str, Spec]:
    """Each picture by its name; one ending in `-narrow` is for a narrow screen."""
    return {
        "volume": volume(is_narrow=False),
        "volume-narrow": volume(is_narrow=True),
        "days": days(),
        "level": level(),
        "targets": targets(),
        "waits": waits(),
        "handle": worked("queue"),
        "agents": worked("agent"),
        "media": counts("medium", "offered"),
        "codes": counts("code", "times given"),
        "coverage": coverage(),
    }


def whole(**parts: Any) -> Spec:
    """A picture as wide as its place, of the named data.

    The page multiplies the step of the height by the names on it, and gives the picture its parameter: `room`, where
    bars end, or `dates`, how days are written.
    """
    fit = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "autosize": fit, "data": {"name": DATA}, "config": CONFIG, **parts}


def volume(*, is_narrow: bool) -> Spec:
    """Offered conversations by half hour and weekday; weekdays are columns on a narrow screen.

    The page replaces the bounds of the steps of colour by round ones that fit the data.
    """
    hours: Spec = {
        "field": "time",
        "type": "ordinal",
        "title": None,
        "axis": {"labelAngle": 0, "labelExpr": "indexof(datum.value, ':00') > 0 ? datum.value : ''", "ticks": False},
    }
    weekdays: Spec = {
        "field": "weekday", "type": "ordinal", "title": None, "sort": {"field": "weekday_number"},
        "axis": {"labelAngle": 0, "ticks": False},
    }  # fmt: skip
    if is_narrow:
        weekdays["axis"]["orient"] = "top"
    else:
        hours["axis"]["labelOverlap"] = "greedy"
    return whole(
        height={"step": 13 if is_narrow else 30},
        mark={"type": "rect", "tooltip": True, "stroke": "var(--paper)", "strokeWidth": 1},
        encoding={
            "x": weekdays if is_narrow else hours,
            "y": hours if is_narrow else weekdays,
            "color": {
                "field": "mean", "type": "quantitative", "title": "offered in a half hour, on average",
                "scale": {"type": "threshold", "range": list(HEAT), "domain": [1, 2, 3, 4, 5]},
                "legend": {"orient": "bottom", "format": "~r", "labelLimit": 60, "columns": 6},
            },
            "tooltip": [
                {"field": "weekday", "title": "weekday"}, {"field": "time", "title": "half hour from"},
                {"field": "mean", "title": "offered on average", "format": ".1f"},
                {"field": "offered", "title": "offered in all", "format": ","},
            ],
        },
    )  # fmt: skip


def days() -> Spec:
    """Offered, answered and abandoned by day, as lines of different shapes."""
    colour: Spec = {"field": "what", "type": "nominal", "title": None, "sort": list(OUTCOMES)}
    y: Spec = {"field": "count", "type": "quantitative", "title": None, "axis": {"tickCount": 5, "labelExpr": WHOLE}}
    return whole(
        height=240,
        params=[{"name": "dates", "value": "%a %-d %b"}],
        encoding={"x": _day_axis()},
        layer=[
            *_provisional(),
            {
                "transform": [{"filter": "isValid(datum.count)"}],
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": y,
                    "color": {**colour, "scale": _scale(OUTCOMES, OUTCOME_COLOURS)},
                    "strokeDash": {**colour, "scale": _scale(OUTCOMES, OUTCOME_DASHES)},
                },
            },
            {
                "transform": [{"filter": "isValid(datum.count)"}],
                "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
                "encoding": {
                    "y": y,
                    "color": {**colour, "scale": _scale(OUTCOMES, OUTCOME_COLOURS)},
                    "shape": {**colour, "scale": _scale(OUTCOMES, OUTCOME_SHAPES)},
                    "tooltip": [
                        {"field": "label", "title": "day"}, {"field": "what", "title": " "},
                        {"field": "count", "title": "conversations", "format": ","}, {"field": "note", "title": "note"},
                    ],
                },
            },
        ],
    )  # fmt: skip


def level() -> Spec:
    """Service level by day, with the target where all chosen queues have the same one."""
    y: Spec = {
        "field": "level", "type": "quantitative", "title": None, "scale": {"domain": [0, 100]},
        "axis": {"tickCount": 5, "labelExpr": "datum.label + ' %'"},
    }  # fmt: skip
    verdicts = ("reached", "missed", "no common target")
    return whole(
        height=240,
        params=[{"name": "dates", "value": "%a %-d %b"}],
        encoding={"x": _day_axis()},
        layer=[
            *_provisional(),
            {
                "transform": [{"filter": "isValid(datum.level)"}],
                "mark": {"type": "line", "strokeWidth": 2, "color": "var(--ink-1)"},
                "encoding": {"y": y},
            },
            {
                "transform": [{"filter": "isValid(datum.target)"}],
                "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 2, "color": "var(--ink-3)"},
                "encoding": {"y": {**y, "field": "target"}},
            },
            {
                "transform": [{"filter": "isValid(datum.level)"}],
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "y": y,
                    "color": {
                        "field": "verdict", "type": "nominal", "title": None,
                        "scale": _scale(verdicts, ("var(--ink-1)", "var(--ink-3)", "var(--ink-1)")),
                    },
                    "shape": {
                        "field": "verdict", "type": "nominal", "title": None,
                        "scale": _scale(verdicts, ("circle", "triangle-down", "diamond")),
                    },
                    "tooltip": [
                        {"field": "label", "title": "day"}, {"field": "level_text", "title": "service level"},
                        {"field": "target_text", "title": "target"}, {"field": "note", "title": "note"},
                    ],
                },
            },
        ],
    )  # fmt: skip


def targets() -> Spec:
    """Service level of each queue and medium as a bar, with its target as a tick across it."""
    tooltip = [
        {"field": "queue", "title": "queue"}, {"field": "medium", "title": "medium"},
        {"field": "level_text", "title": "service level"}, {"field": "target_text", "title": "target"},
    ]  # fmt: skip
    x: Spec = {
        "field": "level", "type": "quantitative", "title": None, "scale": {"domain": [0, 100]},
        "axis": {"tickCount": 5, "labelExpr": "datum.label + ' %'", "orient": "top"},
    }  # fmt: skip
    return whole(
        height={"step": 26},
        encoding={"y": _names("name")},
        layer=[
            {
                "mark": {"type": "bar", "color": "var(--ink-4)", "height": {"band": 0.6}},
                "encoding": {"x": x, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "align": "left", "baseline": "middle", "x": 4, "fill": "var(--on-ink-4)"},
                "encoding": {"text": {"field": "text"}},
            },
            {
                "transform": [{"filter": "isValid(datum.target)"}],
                "mark": {"type": "tick", "thickness": 3, "height": {"band": 0.9}, "color": "var(--ink-3)"},
                "encoding": {"x": {**x, "field": "target"}, "tooltip": tooltip},
            },
        ],
    )


def waits() -> Spec:
    """How long those waited who were answered, and those who gave up."""
    outcomes = ("answered", "abandoned")
    y: Spec = {
        "field": "wait", "type": "nominal", "title": None, "sort": {"field": "step", "op": "min"},
        "axis": {"ticks": False},
    }  # fmt: skip
    offset: Spec = {"field": "what", "type": "nominal", "sort": list(outcomes)}
    x: Spec = {
        "field": "count",
        "type": "quantitative",
        "title": None,
        "scale": ROOM,
        "axis": {"tickCount": 4, "labelExpr": WHOLE},
    }
    return whole(
        height={"step": 28},
        params=[{"name": "room", "value": 1}],
        encoding={"y": y, "yOffset": offset},
        layer=[
            {
                "mark": {"type": "bar", "tooltip": True},
                "encoding": {
                    "x": x,
                    "color": {**offset, "title": None, "scale": _scale(outcomes, ("var(--ink-2)", "var(--ink-3)"))},
                    "tooltip": [
                        {"field": "wait", "title": "waited"}, {"field": "what", "title": " "},
                        {"field": "count", "title": "conversations", "format": ","},
                        {"field": "share_text", "title": "share of these"},
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.count > 0"}],
                "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 4, "fontSize": 11},
                "encoding": {"x": x, "text": {"field": "text"}},
            },
        ],
    )  # fmt: skip


def worked(title: str) -> Spec:
    """The average handle time by name, in its pieces, and as a number behind the bar."""
    x: Spec = {
        "field": "minutes", "type": "quantitative", "title": "minutes", "scale": ROOM,
        "axis": {"tickCount": 5, "orient": "top"},
    }  # fmt: skip
    return whole(
        height={"step": 26},
        params=[{"name": "room", "value": 1}],
        encoding={"y": _names("name")},
        layer=[
            {
                "mark": {"type": "bar", "height": {"band": 0.7}},
                "encoding": {
                    "x": {**x, "stack": "zero"},
                    "color": {
                        "field": "what", "type": "nominal", "title": None, "sort": list(WORK),
                        "scale": _scale(WORK, WORK_COLOURS),
                    },
                    "order": {"field": "step", "type": "quantitative"},
                    "tooltip": [
                        {"field": "name", "title": title}, {"field": "what", "title": "part"},
                        {"field": "part_text", "title": "on average"}, {"field": "total_text", "title": "in all"},
                        {"field": "handled", "title": "handled", "format": ","},
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.step == 0"}],
                "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 5},
                "encoding": {"x": {**x, "field": "total"}, "text": {"field": "total_text"}},
            },
        ],
    )  # fmt: skip


def counts(title: str, count: str) -> Spec:
    """A count by name, as bars with their numbers."""
    x: Spec = {
        "field": "count",
        "type": "quantitative",
        "title": None,
        "scale": ROOM,
        "axis": {"tickCount": 4, "labelExpr": WHOLE, "orient": "top"},
    }
    return whole(
        height={"step": 26},
        params=[{"name": "room", "value": 1}],
        encoding={"y": _names("name")},
        layer=[
            {
                "mark": {"type": "bar", "color": "var(--ink-2)", "height": {"band": 0.7}},
                "encoding": {
                    "x": x,
                    "tooltip": [
                        {"field": "name", "title": title}, {"field": "count", "title": count, "format": ","},
                        {"field": "text", "title": " "},
                    ],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 5},
                "encoding": {"x": x, "text": {"field": "text"}},
            },
        ],
    )  # fmt: skip


def coverage() -> Spec:
    """The windows of the export along the time, each on the line of its verdict."""
    return whole(
        height={"step": 26},
        params=[{"name": "dates", "value": "%-d %b"}],
        mark={"type": "bar", "height": {"band": 0.6}, "stroke": "var(--paper)", "strokeWidth": 1, "minBandSize": 2},
        encoding={
            "x": {
                "field": "start", "type": "temporal", "title": None, "scale": {"type": "utc"},
                "axis": {"labelExpr": "utcFormat(datum.value, dates)", "labelOverlap": "greedy", "tickCount": 6},
            },
            "x2": {"field": "end"},
            "y": {
                "field": "lane", "type": "nominal", "title": None, "sort": list(LANES), "axis": {"ticks": False},
            },
            "color": {"field": "lane", "type": "nominal", "legend": None, "scale": _scale(LANES, LANE_COLOURS)},
            "tooltip": [
                {"field": "from_", "title": "from"}, {"field": "until", "title": "up to"},
                {"field": "lane", "title": "verdict"}, {"field": "windows", "title": "windows"},
                {"field": "conversations", "title": "conversations", "format": ","},
            ],
        },
    )  # fmt: skip


def _names(field: str) -> Spec:
    """An axis of names, in the order of the rows."""
    return {"field": field, "type": "nominal", "title": None, "sort": None, "axis": {"ticks": False}}


def _day_axis() -> Spec:
    """Local days by their dates, which are drawn as they are, in no time zone."""
    return {
        "field": "day", "type": "ordinal", "title": None, "scale": {"paddingInner": 0, "paddingOuter": 0},
        "axis": {
            "labelExpr": "utcFormat(toDate(datum.value), dates)", "labelAngle": 0, "labelOverlap": "greedy",
            "labelSeparation": 8, "labelPadding": 10, "ticks": False,
        },
    }  # fmt: skip


def _provisional() -> Sequence[Spec]:
    """A band behind the days whose figures can still change, with the word above it."""
    return (
        {"transform": [{"filter": "datum.band"}], "mark": {"type": "rect", "color": "var(--band)", "opacity": 1}},
        {
            "transform": [{"filter": "datum.band_label"}],
            "mark": {
                "type": "text", "align": "right", "baseline": "bottom", "y": -3, "dx": 20, "fill": "var(--muted)",
                "fontSize": 11,
            },
            "encoding": {"text": {"field": "band_label"}},
        },
    )  # fmt: skip


def _scale(domain: Sequence[str], values: Sequence[Any]) -> Spec:
    return {"domain": list(domain), "range": list(values)}
