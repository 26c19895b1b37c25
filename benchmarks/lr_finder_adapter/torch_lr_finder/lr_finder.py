"""The interface of pytorch-lr-finder; the sweep and what is put back are firstlight's."""

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.data import DataLoader

from firstlight.guard import Snapshot
from firstlight.ranges import Curve, learning_rate
from firstlight.ranges.trainable import ratios, set_rates
from firstlight.train import modes_kept


class DataLoaderIter:
    """Pairs of inputs and labels from a loader; a subclass may take batches apart in its own way."""

    def __init__(self, data_loader: DataLoader[Any]) -> None:
        self.data_loader = data_loader
        self._batches = iter(data_loader)

    def inputs_labels_from_batch(self, batch_data: Any) -> tuple[Any, Any]:
        """Return the pair that a batch holds."""
        if not isinstance(batch_data, list | tuple):
            raise ValueError(
                f"expected a batch of (inputs, labels), got {type(batch_data).__name__}"
            )
        return batch_data[0], batch_data[1]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, Any]:
        return self.inputs_labels_from_batch(next(self._batches))


class TrainDataLoaderIter(DataLoaderIter):
    """Begins again when it is through."""

    def __init__(self, data_loader: DataLoader[Any], auto_reset: bool = True) -> None:
        super().__init__(data_loader)
        self.auto_reset = auto_reset

    def __next__(self) -> tuple[Any, Any]:
        for batch in self._batches:
            return self.inputs_labels_from_batch(batch)
        if not self.auto_reset:
            raise StopIteration
        self._batches = iter(self.data_loader)
        return super().__next__()


class ValDataLoaderIter(DataLoaderIter):
    """One pass; ``iter`` begins another."""

    def __iter__(self) -> Self:
        self._batches = iter(self.data_loader)
        return self


class LRFinder:
    """A learning-rate range test that changes the model until ``reset``."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        criterion: Any,
        device: Any = None,
        memory_cache: bool = True,
        cache_dir: str | None = None,
        amp_backend: str | None = None,
        amp_config: dict[str, Any] | None = None,
        grad_scaler: Any = None,
    ) -> None:
        if amp_backend not in (None, "torch"):
            raise ValueError(f"Unknown amp backend: {amp_backend}")
        if amp_backend and grad_scaler is None:
            raise ValueError("`grad_scaler` is required for amp")
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.grad_scaler = grad_scaler
        self.amp_config = amp_config or {"device_type": "cpu", "enabled": False}
        self.device = next(model.parameters()).device if device is None else torch.device(device)
        self.history: dict[str, list[float]] = {"lr": [], "loss": []}
        self.best_loss, self.curve = math.inf, None
        self._start = Snapshot(model, optimizer, scaler=grad_scaler)

    curve: Curve | None

    def reset(self) -> None:
        """Put back the model and optimizer as they were given."""
        self._start.restore()

    def range_test(
        self,
        train_loader: Any,
        val_loader: Any = None,
        start_lr: float | None = None,
        end_lr: float = 10,
        num_iter: int = 100,
        step_mode: str = "exp",
        smooth_f: float = 0.05,
        diverge_th: float = 5,
        accumulation_steps: int = 1,
        non_blocking_transfer: bool = True,
    ) -> None:
        """Train at rising rates and note the smoothed losses in ``history``; read ``curve`` off them."""
        if num_iter <= 1:
            raise ValueError("`num_iter` must be larger than 1")
        if step_mode not in ("exp", "linear") or not 0 <= smooth_f < 1:
            raise ValueError(
                f"expected exp or linear and smooth_f in [0, 1), got {step_mode}, {smooth_f}"
            )
        train = _wrapped("train_loader", train_loader, TrainDataLoaderIter)
        val = None if val_loader is None else _wrapped("val_loader", val_loader, ValDataLoaderIter)
        self.model.to(self.device).train()
        self.history, self.best_loss = {"lr": [], "loss": []}, math.inf
        first = float(self.optimizer.param_groups[0]["lr"]) if start_lr is None else start_lr
        spaced = np.geomspace if step_mode == "exp" else np.linspace
        shares = ratios(self.optimizer)

        def step(batches: list[Any], lr: float) -> float:
            set_rates(self.optimizer, lr, shares)
            loss = self._train(batches)
            loss = loss if val is None else self._validate(val)
            past = self.history["loss"]
            if smooth_f > 0 and past:
                loss = smooth_f * loss + (1 - smooth_f) * past[-1]
            self.history["lr"].append(lr)
            past.append(loss)
            self.best_loss = min(self.best_loss, loss)
            return math.inf if 0 < diverge_th * self.best_loss < loss else loss

        rounds = iter(lambda: [next(train) for _ in range(accumulation_steps)], None)
        self.curve = learning_rate(
            step, rounds, candidates=spaced(first, end_lr, num_iter).tolist()
        )

    def _loss(self, inputs: Any, labels: Any) -> Tensor:
        inputs, labels = tree_map_only(Tensor, lambda t: t.to(self.device), (inputs, labels))
        with torch.autocast(**self.amp_config):
            loss: Tensor = self.criterion(self.model(inputs), labels)
        return loss

    def _train(self, batches: list[Any]) -> float:
        total, scaler = 0.0, self.grad_scaler
        self.optimizer.zero_grad()
        for inputs, labels in batches:
            loss = self._loss(inputs, labels) / len(batches)
            (loss if scaler is None else scaler.scale(loss)).backward()
            total += loss.item()
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()
        return total

    def _validate(self, batches: Iterator[Any]) -> float:
        losses, counts = [], []
        with modes_kept(self.model), torch.no_grad():
            self.model.eval()
            for inputs, labels in batches:
                losses.append(self._loss(inputs, labels).item())
                counts.append(len(labels))
        return float(np.average(losses, weights=counts))

    def plot(
        self,
        skip_start: int = 10,
        skip_end: int = 5,
        log_lr: bool = True,
        show_lr: float | None = None,
        ax: Any = None,
        suggest_lr: bool = True,
    ) -> Any:
        """Draw the losses; with ``suggest_lr`` return the axes and the rate of the steepest fall."""
        shown = slice(skip_start, len(self.history["lr"]) - skip_end)
        lrs, losses = list(self.history["lr"])[shown], self.history["loss"][shown]
        if suggest_lr and len(lrs) < 2:
            raise RuntimeError(f"Need at least 2 points to suggest a rate, got {len(lrs)}")
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots()[1]
        ax.plot(lrs, losses)
        ax.set_xscale("log" if log_lr else "linear")
        ax.set(xlabel="Learning rate", ylabel="Loss")
        if show_lr is not None:
            ax.axvline(show_lr, color="red")
        if not suggest_lr:
            return ax
        steepest = int(np.argmin(np.gradient(losses)))
        ax.scatter(lrs[steepest], losses[steepest], color="red", zorder=3)
        return ax, lrs[steepest]


def _wrapped(name: str, loader: Any, kind: type[Any]) -> Any:
    if isinstance(loader, DataLoader):
        return kind(loader)
    if not isinstance(loader, kind):
        raise ValueError(f"`{name}` has unsupported type: {type(loader).__name__}")
    return loader
