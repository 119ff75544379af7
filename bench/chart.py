"""Results as SVG: `svg` has one dot for each row and implementation, as its speed relative to the limit; `curves` has curves
over two logarithmic axes."""

import math
from xml.sax.saxutils import escape

# Colours that colour-blind readers can tell apart.
MARKS = {
    "ours": ("Millrace", "#0072b2", 6),
    "genuine": ("nanomsg", "#e69f00", 4),
    "nng": ("NNG", "#cc79a7", 4),
    "zmq": ("libzmq", "#009e73", 4),
    "rawspin": ("raw, spinning", "#999999", 4),
}
LEFT, WIDTH, TOP, STEP, RIGHT = 400, 640, 96, 22, 40
LOWEST, HIGHEST = 1e-4, 1e2


def base_of(row, values):
    """What counts as 1: bare sockets or queues, without them the best of the others."""
    if "raw" in values:
        return values["raw"]
    others = [v for i, v in values.items() if i != "ours"]
    return (min if row.lower else max)(others) if others else None


def speed(row, value, base):
    return base / value if row.lower else value / base


def x_of(factor):
    factor = min(max(factor, LOWEST), HIGHEST)
    return LEFT + WIDTH * math.log(factor / LOWEST) / math.log(HIGHEST / LOWEST)


def text(x, y, content, size=12, anchor="start", fill="#222222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}">'
            f"{escape(content)}</text>")


def axis(height):
    parts = []
    for exponent in range(round(math.log10(LOWEST)), round(math.log10(HIGHEST)) + 1):
        x, one = x_of(10.0**exponent), exponent == 0
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{height - 16}" '
                     f'stroke="{"#444444" if one else "#dddddd"}"/>')
        label = "limit = 1" if one else f"{10.0 ** exponent:g}"
        parts.append(text(x, TOP - 18, label, 11, "middle", "#555555"))
    return parts


def legend():
    parts, x = [], LEFT
    for name, colour, radius in MARKS.values():
        parts.append(f'<circle cx="{x}" cy="50" r="{radius}" fill="{colour}"/>')
        parts.append(text(x + 10, 54, name))
        x += 24 + 7 * len(name) + 14
    parts.append(f'<line x1="{x}" y1="43" x2="{x}" y2="57" stroke="#d55e00" stroke-width="3"/>')
    parts.append(text(x + 10, 54, "goal"))
    return parts


def row_marks(row, values, table, y, reference):
    base = base_of(row, values)
    parts = []
    if not base:
        return parts
    for goal in row.goals:
        wanted = reference(goal, row, values, table)
        if wanted and goal.factor:
            x = x_of(speed(row, goal.factor * wanted, base))
            parts.append(f'<line x1="{x:.1f}" y1="{y - 8}" x2="{x:.1f}" y2="{y + 8}" stroke="#d55e00" stroke-width="3"/>')
    # Ours last, so that no other dot hides it.
    for impl in reversed(MARKS):
        if values.get(impl):
            _, colour, radius = MARKS[impl]
            x = x_of(speed(row, values[impl], base))
            parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="{radius}" fill="{colour}" fill-opacity="0.9"/>')
    return parts


def svg(rows, table, verdict, reference):
    # A share of losses is no speed.
    rows = [r for r in rows if r.metric != "loss"]
    height, width = TOP + STEP * len(rows) + 24, LEFT + WIDTH + RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(16, 26, "How fast against bare sockets and queues (where there are none: the best peer); further right is "
                     "better", 14),
    ]
    parts += legend() + axis(height)
    for i, row in enumerate(rows):
        y = TOP + STEP * i + STEP // 2
        verdicts = [verdict(g, row, table[row.name], table) for g in row.goals]
        missed = "#b00020" if False in verdicts else "#222222"
        if i % 2:
            parts.insert(2, f'<rect x="0" y="{y - STEP / 2}" width="{width}" height="{STEP}" fill="#f6f6f6"/>')
        parts.append(text(LEFT - 12, y + 4, row.title, 12, "end", missed))
        parts += row_marks(row, table[row.name], table, y, reference)
    return "\n".join(parts + ["</svg>"]) + "\n"


# ---- Curves --------------------------------------------------------------------------------------------------------

PANEL, HIGH, GAP = 330, 260, 70


def decades(values):
    """From the power of ten below all to the one above."""
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def amount(exponent):
    return f"{10**exponent:,.0f}".replace(",", " ") if exponent >= 0 else f"{10.0**exponent:g}"


def panel(left, title, x_label, series, x_range, y_range):
    """One picture: its frame, and a curve for each library."""
    top = 110

    def place(x, y):
        along = (math.log10(x) - x_range[0]) / (x_range[1] - x_range[0])
        up = (math.log10(y) - y_range[0]) / (y_range[1] - y_range[0])
        return left + along * PANEL, top + HIGH - up * HIGH

    parts = [text(left, top - 12, title, 13)]
    for exponent in range(x_range[0], x_range[1] + 1):
        x, _ = place(10.0**exponent, 10.0 ** y_range[0])
        parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + HIGH}" stroke="#dddddd"/>')
        parts.append(text(x, top + HIGH + 16, f"10^{exponent}", 10, "middle", "#555555"))
    for exponent in range(y_range[0], y_range[1] + 1):
        _, y = place(10.0 ** x_range[0], 10.0**exponent)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + PANEL}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(text(left - 6, y + 4, amount(exponent), 10, "end", "#555555"))
    parts.append(text(left + PANEL / 2, top + HIGH + 34, x_label, 11, "middle", "#555555"))
    for impl in reversed(MARKS):
        points = [place(x, y) for x, y in sorted(series.get(impl, [])) if x > 0 and y > 0]
        colour, radius = MARKS[impl][1], MARKS[impl][2] - 1
        if len(points) > 1:
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{2 if impl == "ours" else 1.5}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>' for x, y in points]
    return parts


def curves(title, x_label, y_label, panels):
    """`panels` are (title, {implementation: [(x, y), ...]}); all have the same axes, both logarithmic."""
    points = [p for _, series in panels for curve in series.values() for p in curve if p[0] > 0 and p[1] > 0]
    x_range, y_range = decades([x for x, _ in points]), decades([y for _, y in points])
    width, height = 90 + len(panels) * (PANEL + GAP), 110 + HIGH + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             f'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             text(16, 26, f"{title} ({y_label} over {x_label})", 14)]
    x = 90
    for name, colour, radius in (MARKS[i] for i in MARKS if any(i in series for _, series in panels)):
        parts.append(f'<circle cx="{x}" cy="50" r="{radius}" fill="{colour}"/>' + text(x + 10, 54, name))
        x += 24 + 7 * len(name) + 14
    for at, (name, series) in enumerate(panels):
        parts += panel(90 + at * (PANEL + GAP), name, x_label, series, x_range, y_range)
    return "\n".join(parts + ["</svg>"]) + "\n"
