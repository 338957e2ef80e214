"""Batch normalisation over several processes: what BatchNorm1d gives for all photos together."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from captioner.train.joint_norm import JointBatchNorm, normalise_jointly
from captioner.train.processes import Processes

SIZE = 4


@pytest.fixture
def plain() -> nn.BatchNorm1d:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(SIZE, momentum=0.01)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    return norm


def model_of(norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(SIZE, SIZE), norm)


def sums_with(others: Tensor) -> Callable[[Processes, Tensor], Tensor]:
    """As if another process had these photos; it computes no loss of its own."""
    others = others.double()
    theirs = torch.cat([others.new_tensor([len(others)]), others.sum(0), others.square().sum(0)])
    calls: list[Tensor] = []

    def summed(_: Processes, value: Tensor) -> Tensor:
        calls.append(value)
        return value + theirs if len(calls) % 2 else value  # forward, backward

    return summed


@pytest.mark.parametrize("theirs", [1, 3, 5])
def test_a_share_is_normalised_as_within_the_whole(
    theirs: int, plain: nn.BatchNorm1d, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values, gradients and running statistics; also far from zero, and where shares differ in size."""
    for shift in (0.0, 1000.0):
        photos = torch.randn(3 + theirs, SIZE) + shift
        ours = photos[:3].clone().requires_grad_()
        joint = JointBatchNorm(copy.deepcopy(plain), Processes(0, 2))
        monkeypatch.setattr(Processes, "sum", sums_with(photos[3:]))
        found, expected, wanted = joint(ours), copy.deepcopy(plain).double(), photos.double().requires_grad_()
        whole = expected(wanted)
        weights = torch.randn(3, SIZE)
        (found * weights).sum().backward()
        (whole[:3] * weights).sum().backward()
        assert wanted.grad is not None
        torch.testing.assert_close(found, whole[:3].float(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.grad, wanted.grad[:3].float(), rtol=1e-4, atol=1e-4)
        for name, value in joint.state_dict().items():
            torch.testing.assert_close(value.double(), expected.state_dict()[name].double())


def test_a_model_keeps_its_tensors_under_their_names(plain: nn.BatchNorm1d) -> None:
    model = model_of(plain)
    before = {name: value.data_ptr() for name, value in model.state_dict().items()}
    normalise_jointly(model, Processes(0, 2))
    assert isinstance(model[1], JointBatchNorm)
    assert {name: value.data_ptr() for name, value in model.state_dict().items()} == before


def test_it_changes_nothing_in_use_or_alone(plain: nn.BatchNorm1d) -> None:
    photos = torch.randn(5, SIZE)
    joint = JointBatchNorm(plain, Processes(0, 2)).eval()
    assert torch.equal(joint(photos), plain.eval()(photos))
    model = model_of(plain)
    normalise_jointly(model, Processes.single())
    assert model[1] is plain


def test_a_single_photo_in_all_has_no_variance(plain: nn.BatchNorm1d) -> None:
    joint = JointBatchNorm(plain, Processes.single())
    with pytest.raises(ValueError, match="2 photos or more"):
        joint(torch.randn(1, SIZE))
    assert torch.equal(joint.state_dict()["running_var"], torch.ones(SIZE))


def test_a_variance_is_never_less_than_nothing(plain: nn.BatchNorm1d) -> None:
    """It is the difference of two sums that are rounded: of these photos -0.03, instead of 0.0099."""
    photos = torch.full((100, SIZE), 14_000_003.0)
    photos[0] += 1
    joint = JointBatchNorm(plain, Processes.single())
    assert joint(photos).isfinite().all()
    assert torch.equal(joint.state_dict()["running_var"], torch.full((SIZE,), 0.99))
