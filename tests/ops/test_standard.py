"""The operators in standard functions: the same numbers as explicit loops, and nothing of ours in what is traced."""

import pytest
import torch
from hypothesis import given, settings

from hybrid_sbir import ops
from hybrid_sbir.models import create_backbone
from hybrid_sbir.models.san import SANBlock
from tests.ops.arguments import geometries, make_arguments
from tests.ops.test_functional import OPERATORS, expected, run


@pytest.mark.parametrize("operator", OPERATORS)
@given(case=geometries())
@settings(max_examples=25, deadline=None)
def test_agrees_with_explicit_loops_on_any_window(operator, case):
    arguments = make_arguments(operator, *case)
    with ops.standard_functions():
        found = run(operator, arguments, case[0])
    torch.testing.assert_close(found, expected(operator, arguments, case[0]))


def traced_operators(block):
    program = torch.export.export(block, (torch.zeros(2, 32, 8, 8),), strict=False)
    return {str(node.target).partition(".")[0] for node in program.graph.nodes if node.op == "call_function"}


@pytest.mark.parametrize("attention", ["pairwise", "patchwise"])
def test_what_is_traced_inside_holds_pytorchs_own_functions_only(attention):
    block = SANBlock(32, attention, 3).eval()
    assert "hybrid_sbir" in traced_operators(block)
    with ops.standard_functions():
        assert ops.standard_functions_chosen()
        assert "hybrid_sbir" not in traced_operators(block)
    assert not ops.standard_functions_chosen()


@pytest.mark.parametrize("name", ["sasa26", "san10_pair", "san10_patch"])
def test_a_backbone_gives_the_same_map(name):
    torch.manual_seed(0)
    backbone = create_backbone(name, in_channels=1, width=0.125, stem="small").double().eval()
    image = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        wanted = backbone.stage_features(image)[2]
        with ops.standard_functions():
            found = backbone.stage_features(image)[2]
    torch.testing.assert_close(found, wanted)
