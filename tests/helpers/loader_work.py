"""A data set that a DataLoader's worker processes can import: each sample is its own index."""

import torch
from torch.utils.data import Dataset


class Numbers(Dataset[int]):
    """The numbers from 0 to n − 1."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        return index


def as_tensor(batch: list[int]) -> torch.Tensor:
    return torch.tensor(batch)
