"""The frame of every HTML report: one file that holds its style and pictures itself and loads nothing from elsewhere."""

from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.2rem; font-size: 1.2rem; }
table { border-collapse: collapse; } th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } tr.lead { font-weight: 600; background: var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: 12px; } figure { margin: 0; } figcaption { font-size: .8rem; opacity: .75; }
svg { background: #000; } svg.chart { background: none; font-size: 11px; } svg.chart text { fill: currentColor; }
svg.chart .grid { stroke: var(--line); stroke-width: .6; }
.key { display: inline-block; width: 22px; height: 0; border-top: 3px solid; vertical-align: middle; margin: 0 .35rem 0 .9rem; }
.note { opacity: .8; }
ul.tight { margin: .3rem 0; padding-left: 1.2rem; } details { margin: .4rem 0; } td.text { text-align: left; }
.error { color: #e03131; font-weight: 600; } .warning { color: #e8890c; font-weight: 600; }
"""


def page(title: str, body: str) -> str:
    """A whole page; `body` is HTML, `title` is text."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>\n'
    )


def table(head: list[str], rows: list[list[str]], *, lead: str | None = None) -> str:
    """A table of texts; the row whose first cell is `lead` is set off."""
    lines = [f"<tr>{''.join(f'<th>{escape(text)}</th>' for text in head)}</tr>"]
    for row in rows:
        mark = ' class="lead"' if lead is not None and row[0] == lead else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    return f"<table>{''.join(lines)}</table>"
