"""A small plain U-Net of the nnU-Net kind: instance norm, leaky ReLU, strided convolutions down, transposed up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLIP, MEAN, DEVIATION = (-150.0, 250.0), 50.0, 100.0
Steps = tuple[int, int, int]


def normalised(hu: Tensor) -> Tensor:
    return (hu.clip(*CLIP) - MEAN) / DEVIATION


class Block(nn.Sequential):
    def __init__(self, wide_in: int, wide_out: int, layers: int, stride: Steps = (1, 1, 1)) -> None:
        parts: list[nn.Module] = []
        for layer in range(layers):
            first = layer == 0
            parts += [
                nn.Conv3d(wide_in if first else wide_out, wide_out, 3, stride if first else 1, padding=1, bias=False),
                nn.InstanceNorm3d(wide_out, affine=True),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        super().__init__(*parts)


class UNet(nn.Module):
    """Takes normalised HU, [n, 1, z, y, x]; gives logits, [n, classes, z, y, x], and the bottleneck's features,
    [n, 2 * widest]: mean and maximum of each channel, by which a scan of another kind can be told.

    ``fold``: so many voxels become one before anything else, and the logits are unfolded from there. On a CPU most of
    the time goes into reading and writing the finest level; folded, a step costs two fifths and the network can be
    twice as wide below.
    """

    def __init__(
        self, classes: int, widths: tuple[int, ...], strides: tuple[Steps, ...], fold: Steps = (1, 1, 1)
    ) -> None:
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:], strides, strict=True))
        folded = fold != (1, 1, 1)
        self.fold = _fold(widths[0], fold) if folded else nn.Identity()
        self.stem = Block(widths[0] if folded else 1, widths[0], 2)
        self.down = nn.ModuleList(Block(a, b, 2, stride) for a, b, stride in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, stride, stride) for a, b, stride in pairs)
        self.join = nn.ModuleList(Block(2 * a, a, 1) for a, _, _ in pairs)
        self.head = nn.ConvTranspose3d(widths[0], classes, fold, fold) if folded else nn.Conv3d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = [self.stem(self.fold(x))]
        for down in self.down:
            kept.append(down(kept[-1]))
        y = kept.pop()
        features = torch.cat([y.mean(dim=(2, 3, 4)), y.amax(dim=(2, 3, 4))], dim=1)
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            y = join(torch.cat([up(y), kept.pop()], dim=1))
        return self.head(y), features


def _fold(wide: int, fold: Steps) -> nn.Sequential:
    """A convolution that sees a voxel to each side of what it folds."""
    return nn.Sequential(
        nn.Conv3d(1, wide, [3 if n == 1 else n + 2 for n in fold], fold, padding=1, bias=False),
        nn.InstanceNorm3d(wide, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def locator() -> UNet:
    return UNet(2, (8, 16, 32, 48), ((2, 2, 2),) * 3)


def detector() -> UNet:
    return UNet(4, (16, 32, 64, 96), ((2, 2, 2),) * 3, fold=(1, 2, 2))
