from pathlib import Path

import pytest

from edgeattr.errors import InputError, UsageError
from edgeattr_train.recipe import load_recipe, named_recipes, recipe_from_dict


@pytest.mark.parametrize("name", sorted(named_recipes()))
def test_every_recipe_loads_and_survives_a_checkpoint(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe_from_dict(recipe.to_dict()) == recipe


def test_overrides_take_toml_values_and_bare_words() -> None:
    changes = ["schedule.epochs=3", "loss.gamma=1", "model.weights=a/b.npz", 'precision="fp32"']
    recipe = load_recipe("default", changes)
    assert recipe.schedule.epochs == 3
    assert recipe.loss.gamma == 1.0
    assert recipe.model.weights == "a/b.npz"
    assert recipe.precision == "fp32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.epoch=3", "unknown recipe key schedule.epoch"),
        ("schedule.epochs=many", "wants int, got 'many'"),
        ("schedule.epochs=1.5", "wants int"),
        ("schedule=3", "is a table"),
        ("height=100", "multiple of 32"),
        ("precision=fp8", "expected fp32 or bf16"),
        ("epochs", "not key=value"),
        ("schedule.batch=0", "schedule.batch=0; expected at least 1"),
        ("schedule.warm_up=1", "between 0 and 1"),
        ("name.x=3", "not a table"),
    ],
)
def test_bad_overrides(change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe("default", [change])


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor one of"):
        load_recipe("nonesuch")
    (tmp_path / "bad.toml").write_text("height = ")
    with pytest.raises(InputError, match="not a valid recipe"):
        load_recipe(str(tmp_path / "bad.toml"))


def test_small_epochs_come_first() -> None:
    recipe = load_recipe("default", ["schedule.small_epochs=2"])
    assert [recipe.size_at(epoch) for epoch in (0, 1, 2)] == [(192, 96), (192, 96), (256, 128)]
