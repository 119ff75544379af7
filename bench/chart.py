"""The chart of a run as SVG: per row one dot for each implementation, as its speed relative to the limit."""

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
