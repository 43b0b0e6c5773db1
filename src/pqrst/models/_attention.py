"""Self-attention over time, for the networks that can show it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)


class SelfAttention(nn.Module):
    """Scaled dot-product attention of a sequence with itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.project.weight)  # as in torch's own multi-head attention, which the original used
        nn.init.zeros_(self.project.bias)
        nn.init.zeros_(self.merge.bias)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give queries, keys and values, each (B, heads, steps, width / heads)."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.project(x).chunk(3, dim=2)
        )
        return query, key, value

    def forward(self, x: Tensor) -> Tensor:
        """Attend, (B, steps, width) to the same shape, without keeping the maps."""
        mixed = F.scaled_dot_product_attention(*self.split(x))
        return self.merge(mixed.transpose(1, 2).flatten(2))

    def maps(self, x: Tensor) -> Tensor:
        """Give what each step takes from each other, (B, heads, steps, steps); each row sums to 1."""
        query, key, _ = self.split(x)
        return torch.softmax(query @ key.transpose(2, 3) / query.shape[3] ** 0.5, dim=3)
