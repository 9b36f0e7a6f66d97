"""The conversion report's look: light, dark, on a phone and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

_LIGHT = """
  --paper: #ffffff; --panel: #f5f7fa; --ink: #1b2430; --soft: #515c6b; --line: #d9dfe7;
  --fill: #2463a8; --track: #dfe5ec; --loss: #b4501c; --kept: #f2c9ad; --stripe: #b4501c;
  --good: #0b6a55; --good-panel: #e5f5f0; --bad: #a5320f; --bad-panel: #fdeee7;
"""
_DARK = """
  --paper: #12171e; --panel: #1b222c; --ink: #e8edf3; --soft: #a9b5c3; --line: #343f4d;
  --fill: #6fb0ee; --track: #2c3643; --loss: #f19a62; --kept: #6b3f22; --stripe: #f7ac7a;
  --good: #6ad6b8; --good-panel: #123029; --bad: #ffa07a; --bad-panel: #38211a;
"""
_PAGE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: var(--paper); font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .3rem 0 1rem; color: var(--soft); max-width: 46rem; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
.muted { color: var(--soft); font-weight: 400; } .name, .layer { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .3rem 1.2rem;
  margin: .5rem 0; }
dt, dd { overflow-wrap: anywhere; min-width: 0; } dt { color: var(--soft); } dd { margin: 0; }
summary { cursor: pointer; color: var(--soft); padding: .5rem 0; }
:focus-visible { outline: 2px solid var(--fill); outline-offset: 2px; }
img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
"""
_VERDICT = """
.verdict { border: 1px solid var(--good); border-left-width: 6px; border-radius: 8px;
  background: var(--good-panel); padding: 1rem 1.2rem; }
.verdict.broken { border-color: var(--bad); background: var(--bad-panel); }
.verdict p { color: var(--ink); margin: 0 0 .3rem; }
.verdict .word { font-size: 1.25rem; font-weight: 700; color: var(--good); }
.verdict.broken .word { color: var(--bad); }
.proofs { list-style: none; padding: 0; margin: .8rem 0 0; }
.proofs > li { border-top: 1px solid var(--line); padding: .6rem 0; }
.proofs > li:last-child { padding-bottom: 0; } .proofs p { margin: .2rem 0; }
.badge { display: inline-block; border: 1px solid var(--line); border-radius: 99px;
  padding: 0 .55rem; font-size: .8rem; font-weight: 600; white-space: nowrap; color: var(--soft); }
.badge.met { color: var(--good); border-color: var(--good); }
.badge.broken { color: var(--bad); border-color: var(--bad); }
"""
_TABLES = """
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; } tbody th.group { font-weight: 700; padding-top: 1rem; }
.variants thead th { color: var(--ink); overflow-wrap: anywhere; }
.variants th[scope="row"] { min-width: 9rem; max-width: 16rem; }
.variants td { min-width: 7rem; max-width: 14rem; }
.variants tbody th:not(.group), .variants thead th:first-child { position: sticky; left: 0;
  background: var(--paper); }
.tree, .tree ul { list-style: none; margin: 0; padding: 0; }
.tree ul { margin-left: .9rem; }
.tree ul > li { position: relative; padding-left: 1.5rem; }
.tree ul > li::before { content: ""; position: absolute; left: 0; top: 0; height: 1.9rem;
  width: 1.1rem; border: solid var(--soft); border-width: 0 0 2px 2px;
  border-bottom-left-radius: 8px; }
.tree ul > li:not(:last-child)::after { content: ""; position: absolute; left: 0; top: 0;
  bottom: 0; border-left: 2px solid var(--soft); }
.node { display: inline-flex; flex-wrap: wrap; align-items: center; gap: .3rem 1rem;
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: .45rem .8rem .6rem; margin: .3rem 0; font-size: .95rem; max-width: 100%; }
.file { width: 14rem; max-width: 100%; } .file b { display: block; }
"""
_CHARTS = """
svg { display: block; overflow: visible; }
.bars svg, .layers svg:last-child, .file svg { width: 100%; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.fill { fill: var(--fill); } .track { fill: var(--track); } .loss { fill: var(--loss); }
.kept { fill: var(--kept); } .stripes { fill: var(--stripe); } .mark { fill: var(--loss); }
.stripe { stroke: var(--stripe); stroke-width: 2; fill: none; } .hit { fill: transparent; }
.zero { stroke: var(--soft); } .grid { stroke: var(--line); }
g:hover > .hit { fill: var(--track); opacity: .6; }
.bars { display: grid; grid-template-columns: minmax(4rem, max-content) 1fr max-content
  max-content; column-gap: .9rem; align-items: center; font-size: .88rem; line-height: 1.2;
  font-variant-numeric: tabular-nums; margin: .8rem 0; }
.bars b { text-align: right; }
.layers { display: grid; grid-template-columns: 52px 1fr; padding-right: 14px; }
.legend { font-size: .88rem; margin: .3rem 0 1rem; display: flex; flex-wrap: wrap;
  gap: .2rem 1.5rem; }
.legend svg { display: inline-block; vertical-align: -2px; overflow: hidden; }
"""
_PHONE = """
@media (max-width: 40rem) {
  body { padding: 1.2rem 1rem 3rem; } h1 { font-size: 1.4rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .bars { grid-template-columns: minmax(4rem, 8.5rem) 1fr max-content; column-gap: .6rem; }
  .bars .muted { display: none; }
  th, td { padding: .3rem .5rem; } .variants th[scope="row"] { min-width: 7.5rem; max-width: 8rem; }
  .variants td { min-width: 6rem; } .layer { display: block; min-width: 8rem; }
  .minor { display: none; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; } h2, h3 { break-after: avoid; }
  tr, .node, .verdict, .layers, figure, .bars > * { break-inside: avoid; }
  .scroll { overflow: visible; } .layers { min-width: 0 !important; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .badge, .verdict, .node { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

STYLE = (
    f":root {{ color-scheme: light dark;{_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ :root {{{_DARK}}} }}"
    f"{_PAGE}{_VERDICT}{_TABLES}{_CHARTS}{_PHONE}"
)
"""The content of the page's ``<style>``. Colours are variables, so that SVG follows dark mode."""
