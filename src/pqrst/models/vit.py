"""ViT-B/16: a transformer over the patches of a picture, by MONAI; it needs `pip install "pqrst[images]"`.

Layers: each patch of 16 × 16 pixels becomes a vector of 768, to which one learned for its place is added; a learned class
token goes in front; 12 blocks of layer norm, self-attention of 12 heads with biases, layer norm and 768→3072→768 with
GELU, each part added to its input; layer norm; linear 768→classes on the class token. Any size that the patch divides.

The weights start random, as MONAI draws them, and the published results need pretrained ones. The names of the weights are
MONAI's: weights saved from torchvision or timm do not load.
# Differs: the class token has no place of its own, 768 parameters fewer. The place would only be added to the token, which is
learned itself, so what the network can compute is the same.
# Differs: MONAI builds a layer norm a block for cross-attention, which nothing here attends to; it is taken out.

Sources: Dosovitskiy et al., ICLR 2021, arXiv:2010.11929 (layer norm eps 1e-6, from its code); as a baseline of
github.com/ScaleMind-C9308A/HeartResearch, where the new head was never used and 1,000 outputs stayed.

>>> sum(w.numel() for w in build((3, 224, 224), 9, Params()).parameters())
85804809
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.models._blocks import Rate, Size

ACCEPTS = "image"
EPSILON = 1e-6  # of layer norms


@dataclass(frozen=True)
class Params:
    """Patch in pixels; width, inner width, blocks and heads of the transformer; and the dropout of its parts."""

    patch: Size = 16
    width: Size = 768
    inner: Size = 3072
    layers: Size = 12
    heads: Size = 12
    dropout: Rate = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SettingsError(f"width, {self.width}, must be a multiple of heads, {self.heads}")


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for pictures (channels, height, width) whose sides the patch divides."""
    if len(in_shape) != 3:
        raise SettingsError(f"models.vit takes an image (channels, height, width), got the shape {in_shape}")
    channels, height, width = in_shape
    if height % p.patch or width % p.patch:
        raise SettingsError(f"models.vit.patch is {p.patch}, which does not divide an image of {height} x {width}")
    model = _logits_only(_monai())(
        channels, (height, width), p.patch, hidden_size=p.width, mlp_dim=p.inner, num_layers=p.layers, num_heads=p.heads,
        classification=True, num_classes=n_classes, dropout_rate=p.dropout, spatial_dims=2, post_activation="none",
        qkv_bias=True,
    )  # fmt: skip
    for block in model.blocks:
        block.norm_cross_attn = nn.Identity()
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = EPSILON
    return model


def _monai() -> Any:
    """Import MONAI's transformer, which costs seconds."""
    try:
        import einops  # noqa: F401, PLC0415 (MONAI needs it, and misses it only when a network is built)
        from monai.networks.nets.vit import ViT  # noqa: PLC0415 (few runs need it)
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f'models.vit needs MONAI and einops ({reason}); pip install "pqrst[images]"') from None
    return ViT


def _logits_only(kind: Any) -> Any:
    """Derive the network that gives its logits and not each block's output beside them; the weights keep their names."""

    class ViT(kind):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[0]  # (B, channels, h, w) -> (B, classes)

    return ViT
