"""The conversion report's family tree: which variant was made of which."""

from __future__ import annotations

from collections.abc import Sequence

from edgeattr_convert.proof import Proof
from edgeattr_convert.report_text import badge, plain, share, size

__all__ = ["lineage"]


def lineage(proofs: Sequence[Proof]) -> str:
    """Parents with their variants inside them, each with its size and verdict.

    Args:
        proofs: at least one.
    """
    largest = max(max(proof.bytes, proof.parent_bytes) for proof in proofs)
    made = {proof.variant for proof in proofs}
    roots = [proof for proof in proofs if proof.parent not in made]
    parents = {proof.parent: proof for proof in reversed(roots or proofs)}
    items, seen = "", set[int]()
    for name in reversed(parents):
        items += _parent(name, parents[name].parent_bytes, proofs, largest, seen)
    for place, proof in enumerate(proofs):  # those that only hang on each other
        if place not in seen:
            items += _parent(proof.parent, proof.parent_bytes, proofs, largest, seen)
    return f'<ul class="tree">\n{items}</ul>\n'


def _parent(name: str, count: int, proofs: Sequence[Proof], largest: int, seen: set[int]) -> str:
    """A model that was there before."""
    return (
        f'<li><div class="node">{_bar(name, count, largest)}<span class="muted">{size(count)}'
        '</span><span class="badge">parent</span></div>\n'
        f"{_children(name, proofs, largest, seen)}</li>\n"
    )


def _children(name: str, proofs: Sequence[Proof], largest: int, seen: set[int]) -> str:
    """What was made of ``name``, and of that in turn; each proof is shown once."""
    items = ""
    for place, proof in enumerate(proofs):
        if proof.parent != name or place in seen:
            continue
        seen.add(place)
        items += (
            f'<li><div class="node">{_bar(proof.variant, proof.bytes, largest)}'
            f'<span class="muted">{size(proof.bytes)}, {share(proof.bytes, proof.parent_bytes)} '
            f"of its parent</span>{badge(proof.met)}</div>\n"
            f"{_children(proof.variant, proofs, largest, seen)}</li>\n"
        )
    return f"<ul>\n{items}</ul>\n" if items else ""


def _bar(name: str, count: int, largest: int) -> str:
    """The name over a bar as long as the file is large."""
    width = 100 * count / largest if largest else 0
    return (
        f'<div class="file"><b class="name">{plain(name)}</b><svg height="8" aria-hidden="true">'
        '<rect class="track" width="100%" height="8" rx="2"/>'
        f'<rect class="fill" width="{width:.1f}%" height="8" rx="2"/></svg></div>'
    )
