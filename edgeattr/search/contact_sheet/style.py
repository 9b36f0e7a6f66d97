"""The contact sheet's look: light, dark, on a phone and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

_LIGHT = """
  --paper: #f3f5f8; --card: #ffffff; --ink: #1b2430; --soft: #515c6b; --line: #d9dfe7;
  --fill: #2463a8; --track: #dfe5ec; --good: #0b6a55; --good-panel: #e5f5f0; --warn: #7a4a00;
  --warn-panel: #fdf3df; --well: #e9edf2;
"""
_DARK = """
  --paper: #10151b; --card: #1a212a; --ink: #e8edf3; --soft: #a9b5c3; --line: #343f4d;
  --fill: #6fb0ee; --track: #2c3643; --good: #6ad6b8; --good-panel: #123029; --warn: #f2c46d;
  --warn-panel: #33280f; --well: #0c1015;
"""
_PAGE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .8rem; }
.query { display: block; background: var(--card); border: 1px solid var(--line);
  border-left: 5px solid var(--fill); border-radius: 8px; padding: .7rem 1rem; font-size: 1.05rem;
  font-family: ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere;
  white-space: pre-wrap; max-height: 12rem; overflow-y: auto; }
.facts { color: var(--soft); margin: .7rem 0; overflow-wrap: anywhere; }
.warning { color: var(--warn); background: var(--warn-panel); border-radius: 8px;
  padding: .6rem 1rem; margin: .8rem 0 1.4rem; }
:focus-visible { outline: 2px solid var(--fill); outline-offset: 2px; }
"""
_CARDS = """
.people { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.person { display: grid; grid-template-columns: 8.5rem 1fr; min-width: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.picture { background: var(--well); display: flex; align-items: flex-start;
  justify-content: center; min-height: 15rem; }
.picture img { display: block; width: 100%; height: auto; max-height: 19rem; object-fit: contain; }
.nothing { color: var(--soft); font-size: .82rem; padding: 2rem .7rem; min-width: 0;
  text-align: center; overflow-wrap: anywhere; }
.about { padding: .8rem 1rem .7rem; min-width: 0; }
.about h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.about p { margin: 0; color: var(--soft); font-size: .88rem; font-variant-numeric: tabular-nums; }
.why { list-style: none; margin: .7rem 0 0; padding: 0; display: grid; gap: .35rem; }
.why li { border-radius: 6px; padding: .2rem .55rem; font-size: .9rem; display: flex; gap: .5rem;
  justify-content: space-between; overflow-wrap: anywhere; background: var(--good-panel);
  color: var(--good); font-weight: 600; min-width: 0; }
.why li.not { background: none; color: var(--soft); font-weight: 400;
  box-shadow: inset 0 0 0 1px var(--line); }
.why span { min-width: 0; } .why b { white-space: nowrap; font-variant-numeric: tabular-nums; }
details { margin-top: .6rem; font-size: .88rem; }
summary { cursor: pointer; color: var(--soft); padding: .25rem 0; }
dl { display: grid; grid-template-columns: 1fr max-content 2.6rem; gap: .1rem .7rem;
  margin: .3rem 0 0; }
dt, dd { margin: 0; min-width: 0; } dt { overflow-wrap: anywhere; } dd { color: var(--soft); }
dd.p { text-align: right; font-variant-numeric: tabular-nums; }
dt.yes { font-weight: 600; } dt.asked { color: var(--good); }
.id { overflow-wrap: anywhere; margin-top: .5rem !important; font-size: .8rem !important; }
"""
_NARROW = """
@media (max-width: 40rem) {
  body { padding: 1.2rem .8rem 3rem; } h1 { font-size: 1.35rem; }
  .person { grid-template-columns: 7rem 1fr; } .picture { min-height: 12rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; background: none; }
  .people { grid-template-columns: 1fr 1fr; } .person { break-inside: avoid; }
  .query { max-height: none; }
  .why li, .warning { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

STYLE = (
    f":root {{ color-scheme: light dark;{_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ :root {{{_DARK}}} }}"
    f"{_PAGE}{_CARDS}{_NARROW}"
)
"""The content of the page's ``<style>``."""
