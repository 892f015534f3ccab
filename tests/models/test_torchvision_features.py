"""Features of torchvision's classifiers: what they are, and that nothing is fetched for them."""

import pytest
import torch
from torchvision import models as zoo

from hybrid_sbir.models.torchvision_features import TorchvisionFeatures


def image(side=64):
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def write(name, path):
    torch.manual_seed(0)
    model = zoo.get_model(name, weights=None).eval()
    torch.save(model.state_dict(), path)
    return model


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 512), ("mobilenet_v3_small", 1024), ("shufflenet_v2_x0_5", 1024)]
)
def test_the_last_layer_of_the_features_gives_the_models_own_answer(name, size, tmp_path):
    model = write(name, tmp_path / "weights.pth")
    features = TorchvisionFeatures(name, tmp_path / "weights.pth").eval()
    last = [part for part in model.modules() if isinstance(part, torch.nn.Linear)][-1]
    found = features.features(image())
    assert found.shape == (2, size)
    assert features.num_features == size
    assert torch.allclose(last(found), model(image()), atol=1e-5)


def test_weights_in_torchvisions_cache_are_used_and_nothing_is_fetched(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no pretrained weights of torchvision's resnet18 .*resnet18-.*\.pth"):
        TorchvisionFeatures("resnet18")
    url = zoo.ResNet18_Weights.DEFAULT.url
    (tmp_path / "checkpoints").mkdir()
    model = write("resnet18", tmp_path / "checkpoints" / url.rpartition("/")[2])
    found = TorchvisionFeatures("resnet18").eval().features(image())
    assert torch.allclose(model.fc(found), model(image()), atol=1e-5)


def test_mistakes_are_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match=r"no classification model 'resnet5'; it has .*resnet50"):
        TorchvisionFeatures("resnet5")
    with pytest.raises(ValueError, match="no classification model 'fasterrcnn_resnet50_fpn'"):
        TorchvisionFeatures("fasterrcnn_resnet50_fpn")
    write("squeezenet1_1", tmp_path / "squeeze.pth")
    with pytest.raises(FileNotFoundError, match="timm:test_resnet needs a file of weights"):
        TorchvisionFeatures("timm:test_resnet")
    with pytest.raises(ValueError, match=r"squeeze.pth holds no weights of torchvision:resnet18: missing"):
        TorchvisionFeatures("resnet18", tmp_path / "squeeze.pth")
    with pytest.raises(FileNotFoundError, match="no checkpoint nowhere"):
        TorchvisionFeatures("resnet18", "nowhere.pth")
