"""Image networks of timm: EfficientNetV2-S, RegNetY-3.2GF and ResNeXt50-32x4d; it needs timm and a torchvision that fits torch.

`name` is timm's. efficientnetv2_s pads as PyTorch does, tf_efficientnetv2_s as TensorFlow does; the second is the one whose
ImageNet weights timm publishes. The weights start random; the names of the weights are timm's, and the published
results need pretrained ones.

Sources: Tan and Le, ICML 2021, arXiv:2104.00298; Radosavovic et al., CVPR 2020, arXiv:2003.13678; Xie et al., CVPR 2017,
arXiv:1611.05431; github.com/huggingface/pytorch-image-models. As baselines of github.com/ScaleMind-C9308A/HeartResearch,
where RegNetY and ResNeXt kept 1,000 outputs, since the new head was never used.

With 1,000 classes and 3 channels they have 21,458,488, 19,436,338 and 25,028,904 parameters.

>>> Params().name
'efficientnetv2_s'
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from pqrst.errors import SettingsError
from pqrst.models._blocks import Rate

ACCEPTS = "image"


@dataclass(frozen=True)
class Params:
    """timm's name of the network, and the dropout before its last layer."""

    name: Literal["efficientnetv2_s", "tf_efficientnetv2_s", "regnety_032", "resnext50_32x4d"] = "efficientnetv2_s"
    dropout: Rate = 0.0


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for images (channels, height, width), of any size."""
    if len(in_shape) != 3:
        raise SettingsError(f"models.timm_image takes an image (channels, height, width), got the shape {in_shape}")
    model: nn.Module = _timm().create_model(
        p.name, pretrained=False, in_chans=in_shape[0], num_classes=n_classes, drop_rate=p.dropout
    )
    return model


def _timm() -> Any:
    """Import timm, or say why that fails: most often a torchvision that was built for another torch."""
    fitting = f"the torchvision that was built for torch {torch.__version__}"
    try:
        import timm  # noqa: PLC0415 (costs seconds, and few runs need it)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"models.timm_image needs the package {error.name}; pip install timm, and {fitting}"
        ) from None
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(
            f"models.timm_image cannot import timm ({type(error).__name__}: {reason}); install {fitting}, "
            "or take models.efficientnet_b0"
        ) from None
    return timm
