"""What a checkpoint gives back, and what is refused."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeattr.core.errors import InputError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_state,
    take_matching,
    write_state,
)
from edgeattr_train.model import AttributeNet, ModelOptions, build_model
from edgeattr_train.recipe import Recipe

_SCHEMA = AttributeSchema(
    tuple(Attribute(name=name, group="any", source="") for name in ("hat", "bag", "skirt"))
)
_OPTIONS = ModelOptions(attention_channels=8, weights="gone.npz", start="gone.pt")


def _checkpoint(seed: int = 0, **changes: Any) -> Checkpoint:
    options = dataclasses.replace(_OPTIONS, **changes)
    recipe = Recipe(name="tiny", height=64, width=32, model=options)
    torch.manual_seed(seed)
    built = dataclasses.replace(options, weights="none", start="")
    model = build_model(len(_SCHEMA), built, (64, 32)).eval()
    return Checkpoint(model=model, recipe=recipe, schema=_SCHEMA, facts={"epoch": 3, "mA": 81.5})


def _written(path: Path, **changes: Any) -> AttributeNet:
    checkpoint = _checkpoint(**changes)
    write_state(path, checkpoint.state())
    return checkpoint.model


def test_a_checkpoint_gives_back_what_was_kept(tmp_path: Path) -> None:
    """The files that it once started from need not be there any more."""
    model = _written(tmp_path / "best.pt")
    loaded = load_checkpoint(tmp_path / "best.pt")
    assert loaded.recipe == _checkpoint().recipe
    assert loaded.schema == _SCHEMA
    assert loaded.facts == {"epoch": 3, "mA": 81.5}
    assert not loaded.model.training
    crops = torch.randint(0, 256, (2, 64, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(loaded.model(crops).logits, model(crops).logits)


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_state(tmp_path / "last.pt", {"epoch": 1})
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        write_state(tmp_path / "last.pt", {"epoch": 2, "not to be stored": lambda: None})
    assert read_state(tmp_path / "last.pt")["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pt is missing"):
        load_checkpoint(tmp_path / "none.pt")
    _written(tmp_path / "best.pt")
    whole = (tmp_path / "best.pt").read_bytes()
    for content in (b"PK\x03\x04half", b"", whole[: len(whole) // 3], whole[: -len(whole) // 99]):
        (tmp_path / "cut.pt").write_bytes(content)
        with pytest.raises(InputError, match=r"cut\.pt: damaged or not a checkpoint"):
            load_checkpoint(tmp_path / "cut.pt")
    for name, content in (("other.pt", {"other": 1}), ("old.pt", {"format": 1}), ("t.pt", [1])):
        torch.save(content, tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: not a checkpoint of this version"):
            load_checkpoint(tmp_path / name)


class _Command:
    """Would run code in a reader that is careless."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was-here"),)


def test_no_code_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 2, "model": _Command()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="damaged or not a checkpoint"):
        read_state(tmp_path / "evil.pt")
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("key", ["recipe", "schema", "model", "facts"])
def test_a_checkpoint_that_lacks_something(key: str, tmp_path: Path) -> None:
    state = _checkpoint().state()
    write_state(tmp_path / "a.pt", {name: value for name, value in state.items() if name != key})
    with pytest.raises(InputError, match=rf"not a model checkpoint of this version.*{key}"):
        load_checkpoint(tmp_path / "a.pt")
    broken = {"recipe": {"heigth": 1}, "schema": {}, "model": {}}
    if key in broken:
        write_state(tmp_path / "a.pt", {**state, key: broken[key]})
        with pytest.raises(InputError, match="not a model checkpoint of this version"):
            load_checkpoint(tmp_path / "a.pt")


def test_matching_weights_are_taken(tmp_path: Path) -> None:
    """Another width of the attention: its convolutions stay, all else comes from the file."""
    theirs = _written(tmp_path / "best.pt", seed=1).state_dict()
    mine = _checkpoint(seed=2, attention_channels=4).model
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    found, of = take_matching(mine, tmp_path / "best.pt")
    after = mine.state_dict()
    fitting = {name for name, value in after.items() if theirs[name].shape == value.shape}
    assert (found, of) == (len(fitting), len(after))
    assert 0 < of - found < 30
    for name, value in after.items():
        assert torch.equal(value, theirs[name] if name in fitting else before[name]), name
    assert "branches.0.attention.scores.0.weight" not in fitting
    assert "primary.weight" in fitting


def test_weights_of_another_network_do_not_fit(tmp_path: Path) -> None:
    """The scale of the pixels alone, which has one shape everywhere, is no match."""
    _written(tmp_path / "best.pt")
    options = ModelOptions(backbone="osnet_0287", attend=())
    mine = build_model(5, options, (64, 32))
    mean = mine.mean.clone()
    with pytest.raises(InputError, match=r"best\.pt: none of its weights fit"):
        take_matching(mine, tmp_path / "best.pt")
    assert torch.equal(mine.mean, mean)
    write_state(tmp_path / "last.pt", {"learner": {}})
    with pytest.raises(InputError, match=r"last\.pt: none of its weights fit"):
        take_matching(mine, tmp_path / "last.pt")
