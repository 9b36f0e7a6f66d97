"""The portable model: a directory ``NAME.edgeattr/`` (or a zip of it) that every device reads.

    bundle.json    what the model is: schema, input, thresholds, training facts, variants
    golden-*.npz   a few crops with the reference logits: crops uint8 [n, H, W, 3], logits [n, C]
    model-*        one file per variant

What a newer version of edgeattr has added to it is passed over, and kept where the bundle is
written again; see :mod:`edgeattr.core.bundle_format`.

``bundle.json`` has a SHA-256 of all the rest of it: one that was changed by hand is refused.

Names carry the start of the content's SHA-256, so a new version never overwrites a file that the
old ``bundle.json`` names. Each variant's SHA-256 is checked when it is loaded, and its answers on
the golden crops are compared with the reference before it serves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_files import BundleFiles, GoldenArrays, check_input
from edgeattr.core.decision import Decision
from edgeattr.core.errors import BundleError
from edgeattr.core.posterior import TrackFusion
from edgeattr.core.schema import AttributeSchema

RESIZE_RULE = "stretch; INTER_AREA where both sides shrink, else INTER_LINEAR"

_SUPPORTED = {"layout": "NHWC", "dtype": "uint8", "colour": "BGR", "resize": RESIZE_RULE}


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What the model takes: a batch of crops of one size."""

    height: int  # pixels
    width: int  # pixels
    layout: str = "NHWC"
    dtype: str = "uint8"
    colour: str = "BGR"
    resize: str = RESIZE_RULE


@dataclass(frozen=True, eq=False)
class Golden(GoldenArrays):
    """Reference crops and answers."""

    crops: npt.NDArray[np.uint8]  # [n, H, W, 3], BGR
    logits: npt.NDArray[np.float32]  # [n, C], from the first variant's parent


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle(BundleFiles):
    """A model with everything needed to run it. Immutable; ``with_variant`` returns a new one."""

    task = "attributes"  # nothing in ``bundle.json`` means this too
    own_sections = frozenset({"schema", "input", "thresholds", "probability", "track"})

    schema: AttributeSchema
    input: InputSpec
    thresholds: tuple[float, ...]  # per attribute: a probability above it says yes
    scale: tuple[float, ...]  # per attribute: probability = sigmoid(scale * logit + offset)
    offset: tuple[float, ...]
    golden: Golden
    track: TrackFusion | None = None  # how crops of one person are fused; None: the plain way

    def decision(self, *, include_sensitive: bool = False) -> Decision:
        """What turns logits into answers: calibration, thresholds, and the margins around them.

        Args:
            include_sensitive: whether answers show age and gender.
        """
        return Decision(
            schema=self.schema,
            thresholds=self.thresholds,
            scale=self.scale,
            offset=self.offset,
            yes_margin=self.track.yes_margin if self.track else (),
            no_margin=self.track.no_margin if self.track else (),
            prior=self.track.prior if self.track else (),
            include_sensitive=include_sensitive,
        )

    def sections(self) -> dict[str, Any]:
        """What ``bundle.json`` has of this task's own."""
        return {
            "schema": self.schema.to_json(),
            "input": dataclasses.asdict(self.input),
            "thresholds": list(self.thresholds),
            "probability": {"scale": list(self.scale), "offset": list(self.offset)},
            **({"track": self.track.to_json()} if self.track else {}),
        }

    @classmethod
    def _own_fields(
        cls, index: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> dict[str, Any]:
        schema, track = AttributeSchema.from_json(index["schema"]), index.get("track")
        if track is not None:
            track = TrackFusion.from_json(track, len(schema), len(schema.exclusive))
        return {
            "golden": Golden(arrays["crops"], arrays["logits"]),
            "schema": schema,
            "input": InputSpec(**index["input"]),
            "thresholds": tuple(map(float, index["thresholds"])),
            "scale": tuple(map(float, index["probability"]["scale"])),
            "offset": tuple(map(float, index["probability"]["offset"])),
            "track": track,
        }

    def _check_sections(self, where: str) -> None:
        attributes = len(self.schema)
        for field_name in ("thresholds", "scale", "offset"):
            count = len(getattr(self, field_name))
            if count != attributes:
                raise BundleError(f"{where} has {count} {field_name} for {attributes} attributes")
            if not np.isfinite(getattr(self, field_name)).all():
                raise BundleError(f"{where} has {field_name} that are no numbers")
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise BundleError(f"{where} has thresholds outside 0..1")
        check_input(where, self.input, _SUPPORTED)
        crops, logits = self.golden.crops.shape, self.golden.logits.shape
        expected = (crops[0], self.input.height, self.input.width, 3)
        if not crops[0] or crops != expected or logits != (crops[0], attributes):
            raise BundleError(
                f"{where}: golden crops {crops} and logits {logits} do not fit the model"
            )
