"""Parameters and operations against the thesis's Table 3.1."""

import pytest
import torch

from hybrid_sbir.complexity import measure, models
from hybrid_sbir.models import Classifier, create_backbone
from tests.models.thesis_numbers import TABLE_3_1


def build(name, activation, in_channels=3):
    with torch.device("meta"):
        return Classifier(create_backbone(name, activation=activation, in_channels=in_channels), 250)


@pytest.mark.parametrize("name", TABLE_3_1)
def test_parameters_are_exact_in_both_orders(name):
    counts = tuple(sum(p.numel() for p in build(name, order).parameters()) for order in ("pre", "post"))
    assert counts == TABLE_3_1[name][:2]


@pytest.mark.parametrize("name", TABLE_3_1)
def test_macs(name):
    assert measure(build(name, "post"), 224, 224).macs / 1e9 == pytest.approx(TABLE_3_1[name][2], rel=1e-4)


@pytest.mark.parametrize("name", TABLE_3_1)
def test_the_thesis_counting_rule_gives_its_table_to_the_digit(name):
    operations = measure(build(name, "post", in_channels=1), 224, 224).thesis_operations
    assert round(operations / 1e9, 4) == TABLE_3_1[name][3]


def test_macs_follow_the_size_and_leave_the_model_alone():
    model = Classifier(create_backbone("resnet26", width=0.125), 5).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small, large = measure(model, 64, 64), measure(model, 128, 128)
    assert 3.9 < large.macs / small.macs < 4.0
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_listing_names_each_backbone_once(capsys):
    models("hib_nl_[23]*")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["hib_nl_2_2", "hib_nl_3_1"]
    assert "10,199,866" in lines[1]


def test_a_pattern_that_matches_nothing_lists_the_names():
    with pytest.raises(ValueError, match=r"no backbone matches 'vgg\*'; there are botnet26"):
        models("vgg*")
