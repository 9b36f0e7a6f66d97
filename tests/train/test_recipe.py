from pathlib import Path

import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.recipe import load_recipe, recipe_from_dict
from edgeattr_train.recipe_files import named_recipes


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
        ("schedule.epochs=many", "wants int, got str"),
        ("schedule.epochs=1.5", "wants int"),
        ("schedule=3", "wants a table"),
        ("height=16", "key height: expected int >= 32"),
        ("precision=fp8", "precision wants one of fp32, bf16, fp16; got 'fp8'"),
        ("epochs", "not key=value"),
        ("schedule.batch=0", "key schedule.batch: expected int >= 1"),
        ("schedule.epochs=0", "key schedule.epochs: expected int >= 1"),
        ("schedule.average_decay=1", "key schedule.average_decay: expected float < 1"),
        ("schedule.warm_up=1", "key schedule.warm_up: expected float < 1"),
        ("name.x=3", "not a table"),
        ("model.attend=k1", "wants a list, got str"),
        ('model.attend=["k3"]', "expected some of"),
        ("model.head=big", "wants one of edge, paper, srn; got 'big'"),
        ("model.aggregation=sum", "wants one of score, upsample, pool, stride"),
        ("model.primary=none", "wants one of linear, multi_task, strips"),
        ("model.neck=layer", "wants one of none, batch_norm"),
        ("model.embedding=-1", "key model.embedding: expected int >= 0"),
        ("loss.primary=hinge", "wants one of none, bce, class_weighted, focal, balanced"),
        ("loss.visibility=nan", "expected a finite number"),
        ("schedule.weight_decay=inf", "expected a finite number"),
        ("augment.flip=1.5", "key augment.flip: expected float <= 1"),
        ("augment.erase_area=0", "key augment.erase_area: expected float >= 0.02"),
        ("schedule.layer_decay=0", "key schedule.layer_decay: expected float > 0"),
        ("model.aggregation=pool", "joins the features of k1 and k2"),
        ("model.head=paper", "is tied to one"),
        ("schedule.rate=linear", "wants one of one_cycle, cosine, plateau, constant"),
        ("schedule.optimizer=lamb", "wants one of adamw, adam, sgd"),
        ("distillation.weight=2", "key distillation.weight: expected float <= 1"),
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


def test_the_backbone_has_a_table_of_its_own_on_the_command_line() -> None:
    recipe = load_recipe("smoke", ["backbone.weights=FILE", "backbone.name=resnet50"])
    assert (recipe.model.weights, recipe.model.backbone) == ("FILE", "resnet50")


def test_small_epochs_come_first() -> None:
    recipe = load_recipe("default", ["schedule.small_epochs=2"])
    assert [recipe.size_at(epoch) for epoch in (0, 1, 2)] == [(192, 96), (192, 96), (256, 128)]


def test_a_recipe_lies_over_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('extends = "peta_full"\n[loss]\ngamma = 2\n')
    recipe = load_recipe(str(tmp_path / "own.toml"))
    assert (recipe.name, recipe.model.backbone, recipe.model.head) == ("own", "resnet101", "paper")
    assert (recipe.loss.gamma, recipe.loss.primary) == (2.0, "focal")


@pytest.mark.parametrize("parent", ["nonesuch", "round"])
def test_extending_nothing_or_oneself_is_an_error(tmp_path: Path, parent: str) -> None:
    (tmp_path / "round.toml").write_text(f'extends = "{parent}"\n')
    with pytest.raises(UsageError, match="names no recipe, or goes round"):
        load_recipe(str(tmp_path / "round.toml"))


_MEANT = {  # recipe: what sets it apart, as PAPER's tables name the rows
    "peta_resnet101": ("resnet101", (), "bce", "none"),
    "peta_full": ("resnet101", ("k1", "k2"), "focal", "bce"),
    "peta_densenet121_class_weight": ("densenet121", (), "class_weighted", "none"),
    "peta_densenet121_focal": ("densenet121", (), "focal", "none"),
    "peta_densenet121_attention": ("densenet121", ("k2",), "focal", "bce"),
    "peta_densenet121_score": ("densenet121", ("k1", "k2"), "focal", "bce"),
    "wider_resnet152": ("resnet152", (), "bce", "none"),
    "wider_focal": ("resnet101", (), "focal", "none"),
    "wider_full": ("resnet101", ("k1", "k2"), "focal", "bce"),
}


@pytest.mark.parametrize("name", sorted(_MEANT))
def test_the_papers_recipes_are_what_their_rows_say(name: str) -> None:
    recipe = load_recipe(name)
    found = (recipe.model.backbone, recipe.model.attend, recipe.loss.primary, recipe.loss.attention)
    assert found == _MEANT[name]
    assert (recipe.height, recipe.width) == (224, 224)
    assert recipe.schedule.weight_decay == 5e-4


def test_the_recipe_of_the_person_detector() -> None:
    from edgeattr_train.detection.finish import load_person_recipe
    from edgeattr_train.recipe_files import detection_recipes

    path = detection_recipes()["person"]
    assert "person" not in named_recipes()
    assert load_person_recipe(path, ("steps=5",)).steps == 5
    with pytest.raises(UsageError, match="nonsense"):
        load_person_recipe(path, ("nonsense=1",))
