"""Networks over pictures: our own small one, and those of libraries that need not be installed."""

import doctest
import sys
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.models import efficientnet_b0, picture_cnn, timm_image, vit
from pqrst.parsing import parse

OPTIONAL = [vit, timm_image]
SMALL = vit.Params(patch=8, width=24, inner=40, layers=2, heads=3)


def count(model):
    """Count the trainable parameters."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@pytest.fixture
def monai():
    """Skip where MONAI or what it needs is not installed."""
    pytest.importorskip("einops")
    return pytest.importorskip("monai.networks.nets")


def small_vit(shape=(2, 16, 24), n_classes=5, seed=0):
    """Build a small transformer whose token has moved from nought."""
    torch.manual_seed(seed)
    model = vit.build(shape, n_classes, SMALL)
    nn.init.normal_(model.cls_token)
    return model


# picture_cnn


def test_picture_cnn_is_small():
    """Stay below 300,000 parameters on the pictures it was made for, and grow by one layer for each more channel."""
    model = picture_cnn.build((2, 64, 64), 4, picture_cnn.Params())
    assert count(model) <= 300_000
    assert count(picture_cnn.build((3, 64, 64), 4, picture_cnn.Params())) == count(model) + 32 * 7 * 7
    assert count(picture_cnn.build((2, 224, 100), 4, picture_cnn.Params())) == count(model)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 64), (12, 28, 28), (3, 130, 97)])
def test_picture_cnn_takes_any_size(shape):
    """Give finite logits of a single pixel, a strip, and sizes that no stride divides."""
    out = picture_cnn.build(shape, 3, picture_cnn.Params())(torch.randn(4, *shape))
    assert out.shape == (4, 3)
    assert out.isfinite().all()


@pytest.mark.parametrize(("deep", "shape"), [(0, (8, 4, 4)), (2, (8, 4, 4))])
def test_picture_cnn_shrinks_by_its_strides(deep, shape):
    """Keep the size of the map in the layers that follow the last stride."""
    model = picture_cnn.build((2, 64, 32), 3, picture_cnn.Params(widths=(4, 6, 8), deep=deep))
    assert model.features(torch.randn(2, 2, 64, 64)).shape == (2, *shape)
    assert len(model.features) == 3 + deep


def test_picture_cnn_learns_to_tell_stripes():
    """Tell lying from standing stripes of any phase after a few dozen steps."""
    torch.manual_seed(0)
    across = torch.sin(torch.arange(64.0) + 6 * torch.rand(64, 2, 1, 1)).expand(64, 2, 64, 64).clone()
    y = torch.arange(64) % 2
    x = torch.where(y.view(-1, 1, 1, 1) == 0, across, across.transpose(2, 3)) + 0.5 * torch.randn(64, 2, 64, 64)
    model = picture_cnn.build((2, 64, 64), 2, picture_cnn.Params(widths=(4, 8, 16)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(x[:32]), y[:32]).backward()
        optimizer.step()
    assert (model.eval()(x[32:]).argmax(dim=1) == y[32:]).float().mean() > 0.95


@pytest.mark.parametrize(
    ("given", "says"),
    [({"widths": []}, "widths must name"), ({"stem_kernel": 4}, "kernel must be odd"), ({"deep": -1}, "deep must be")],
)
def test_picture_cnn_refuses_layers_that_cannot_be(given, says):
    """Name the setting."""
    with pytest.raises(SettingsError, match=says):
        parse(picture_cnn.Params, given, "models.picture_cnn")


# those that are optional


def test_the_optional_networks_are_the_ones_left_out_elsewhere():
    """Test here what the tests of all networks pass by."""
    assert [module.__name__.rpartition(".")[2] for module in OPTIONAL] == ["vit", "timm_image"]
    assert set(catalog.names("models")) >= {"vit", "timm_image"}


@pytest.mark.parametrize("module", OPTIONAL)
def test_it_accepts_images(module):
    """Declare images."""
    assert module.ACCEPTS == "image"


@pytest.mark.parametrize("module", OPTIONAL)
def test_a_signal_is_refused_before_anything_is_imported(module):
    """Say in one line which shape is wanted."""
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(SettingsError, match=rf"^models\.{name} takes an image .* got the shape \(12, 1000\)$"):
        module.build((12, 1000), 5, module.Params())


def expected(shape, n_classes, p):
    """Count a transformer's parameters by formula, with biases everywhere."""
    channels, height, width = shape
    d, norm = p.width, 2 * p.width
    patches = channels * p.patch**2 * d + d + height // p.patch * (width // p.patch) * d
    block = norm + (d * 3 * d + 3 * d) + (d * d + d) + norm + (d * p.inner + p.inner) + (p.inner * d + d)
    return patches + d + p.layers * block + norm + d * n_classes + n_classes  # d: the token


@pytest.mark.usefixtures("monai")
def test_vit_has_the_published_size():
    """Have ViT-B/16's parameters but for the 768 of the token's place: 86,567,656 with 1,000 classes."""
    model = vit.build((3, 224, 224), 9, vit.Params())
    assert count(model) == expected((3, 224, 224), 9, vit.Params()) == 85_804_809
    assert expected((3, 224, 224), 1000, vit.Params()) == 86_567_656 - 768
    assert len(model.blocks) == 12
    assert {layer.eps for layer in model.modules() if isinstance(layer, nn.LayerNorm)} == {1e-6}
    failed, tried = doctest.testmod(vit)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.usefixtures("monai")
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 16, 24), (3, 64, 40)])
def test_vit_takes_any_size_that_the_patch_divides(shape):
    """Give finite logits, without an activation, and the parameters of the formula."""
    model = vit.build(shape, 5, SMALL)
    out = model(torch.randn(4, *shape))
    assert out.shape == (4, 5)
    assert out.isfinite().all()
    assert count(model) == expected(shape, 5, SMALL)
    assert isinstance(model.classification_head, nn.Linear)


@pytest.mark.parametrize("shape", [(3, 60, 64), (3, 64, 7)])
def test_vit_refuses_a_size_that_the_patch_does_not_divide(shape):
    """Name the patch and the size."""
    with pytest.raises(SettingsError, match=rf"^models\.vit\.patch is 8, which .* of {shape[1]} x {shape[2]}$"):
        vit.build(shape, 5, SMALL)


def test_vit_wants_heads_that_share_its_width():
    """Refuse 5 heads for 24."""
    with pytest.raises(SettingsError, match="width, 24, must be a multiple of heads, 5"):
        parse(vit.Params, {"width": 24, "heads": 5}, "models.vit")


@pytest.mark.usefixtures("monai")
def test_vit_is_torchs_encoder():
    """Equal torch's own transformer with the same weights, behind patches that a loop cuts."""
    model, x = small_vit().eval(), torch.randn(3, 2, 16, 24)
    layer = nn.TransformerEncoderLayer(
        SMALL.width, SMALL.heads, SMALL.inner, 0.0, "gelu", vit.EPSILON, batch_first=True, norm_first=True
    )
    peer = nn.TransformerEncoder(layer, 2, nn.LayerNorm(SMALL.width, vit.EPSILON), enable_nested_tensor=False)
    names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj.": "attn.out_proj.", "linear": "mlp.linear"}
    state = model.state_dict()
    for key in peer.state_dict():
        ours = key.replace("layers.", "blocks.")
        for theirs, name in names.items():
            ours = ours.replace(theirs, name)
        peer.state_dict()[key].copy_(state[ours])
    patches = [x[:, :, i : i + 8, j : j + 8].flatten(1) for i in (0, 8) for j in (0, 8, 16)]  # (B, 2 * 8 * 8) each
    embed = model.patch_embedding
    seen = torch.stack(patches, 1) @ embed.patch_embeddings.weight.flatten(1).T + embed.patch_embeddings.bias
    seen = torch.cat([model.cls_token.expand(3, -1, -1), seen + embed.position_embeddings], dim=1)
    with torch.no_grad():
        logits = model.classification_head(peer.eval()(seen)[:, 0])
        torch.testing.assert_close(model(x), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("monai")
def test_the_gradient_reaches_every_parameter_of_vit():
    """Leave no weight without a gradient."""
    model = small_vit()
    (model(torch.randn(4, 2, 16, 24)) * torch.arange(1.0, 6.0)).sum().backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.usefixtures("monai")
def test_vit_answers_alike_row_by_row_and_in_any_layout():
    """Answer a row as among others, with channels last, and from a second network that took over the state."""
    model, x = small_vit().eval(), torch.randn(4, 2, 16, 24)
    other = small_vit(seed=1).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        out = model(x)
        assert torch.equal(other(x), out)
        torch.testing.assert_close(torch.cat([model(row) for row in x.split(1)]), out)
        last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, out)
    assert (out[0] - out[1]).abs().max() > 1e-3


@pytest.mark.parametrize("missing", ["einops", "monai.networks.nets.vit"])
def test_vit_says_what_to_install(monkeypatch, missing):
    """Name the extra in one line when MONAI, or what it needs, is not there."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError, match=r'^models\.vit needs MONAI and einops .*; pip install "pqrst\[images\]"$'):
        vit.build((3, 16, 16), 5, SMALL)


def test_timm_is_asked_for_the_named_network(monkeypatch):
    """Hand name, channels, classes and dropout on, without weights, and give the network as it comes."""
    asked = []
    fake = ModuleType("timm")
    fake.create_model = lambda name, **given: asked.append((name, given)) or nn.Identity()
    monkeypatch.setitem(sys.modules, "timm", fake)
    for name in ("efficientnetv2_s", "tf_efficientnetv2_s", "regnety_032", "resnext50_32x4d"):
        p = parse(timm_image.Params, {"name": name, "dropout": 0.1}, "models.timm_image")
        assert isinstance(timm_image.build((2, 64, 48), 9, p), nn.Identity)
        assert asked.pop() == (name, {"pretrained": False, "in_chans": 2, "num_classes": 9, "drop_rate": 0.1})


def test_timm_networks_are_chosen_by_name():
    """Suggest the nearest name."""
    with pytest.raises(SettingsError, match=r"^models\.timm_image\.name must be one of .*did you mean regnety_032\?$"):
        parse(timm_image.Params, {"name": "regnety_32"}, "models.timm_image")


def test_a_missing_timm_is_named(monkeypatch):
    """Say which package is not there, and what to install."""
    monkeypatch.setitem(sys.modules, "timm", None)
    says = r"^models\.timm_image needs the package timm; pip install timm, and the torchvision .* for torch 2\.\S+$"
    with pytest.raises(SettingsError, match=says):
        timm_image.build((3, 64, 64), 9, timm_image.Params())


@pytest.mark.parametrize("error", ["RuntimeError", "ImportError", "OSError"])
def test_a_timm_that_does_not_import_says_why(monkeypatch, tmp_path, error):
    """Give the reason's first line, and what would mend it."""
    (tmp_path / "timm.py").write_text(f"raise {error}('operator torchvision::nms does not exist\\nand more')")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    says = rf"\({error}: operator torchvision::nms does not exist\); install the torchvision .* for torch 2\."
    with pytest.raises(SettingsError, match=says) as caught:
        timm_image.build((3, 64, 64), 9, timm_image.Params())
    assert "\n" not in str(caught.value)


# a peer for efficientnet_b0


def test_efficientnet_b0_is_monais(monai):
    """Equal MONAI's EfficientNet-B0 with the same weights, once that pads on both sides and has torchvision's batch norm."""
    torch.manual_seed(0)
    norm = ("batch", {"eps": 1e-5, "momentum": 0.1})
    peer = monai.EfficientNetBN("efficientnet-b0", pretrained=False, num_classes=9, norm=norm)
    for layer in [module for module in peer.modules() if hasattr(module, "_depthwise_conv_padding")]:
        layer._depthwise_conv_padding = nn.Identity()
        layer._depthwise_conv.padding = tuple(side // 2 for side in layer._depthwise_conv.kernel_size)
    peer._conv_stem_padding, peer._conv_stem.padding = nn.Identity(), (1, 1)
    ours = efficientnet_b0.build((3, 224, 224), 9, efficientnet_b0.Params())
    assert count(peer) == count(ours) == 4_019_077
    for layer in ours.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # take the batch's own statistics whole, so that values keep their size to the end
    ours(torch.randn(4, 3, 224, 224))
    pairs = zip(peer.state_dict().values(), ours.state_dict().values(), strict=True)  # both name layers in their order
    for theirs, own in pairs:
        assert theirs.shape == own.shape
        theirs.copy_(own)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        out = ours.eval()(x)
        torch.testing.assert_close(peer.eval()(x), out, atol=1e-5, rtol=1e-5)
    assert (out[0] - out[1]).abs().max() > 1e-3
