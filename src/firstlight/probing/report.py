"""What a probe tells of the layers that it has seen."""

from torch import Tensor

from firstlight.probing.layers import Layer
from firstlight.probing.statistics import Sums


class Report:
    """The layers of a model, and what could not be measured of them.

    Args:
        known: every layer of the model, in the model's own order.
    """

    def __init__(self, known: list[Layer]) -> None:
        self._all = known
        self._called: dict[str, Layer] = {}
        self.notes: list[str] = []

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def layers(self) -> dict[str, Layer]:
        """Name → layer: those that ran, in the order of their first run, then the others."""
        rest = {layer.name: layer for layer in self._all}
        return {**self._called, **{k: v for k, v in rest.items() if k not in self._called}}

    def table(self) -> list[dict[str, str | int | float | None]]:
        """Return one row a layer; None where a quantity does not apply or nothing was seen.

        ``mean``, ``std``, ``zero`` and ``saturated`` are those of all the layer's outputs taken
        together; ``dead_units`` counts units that were zero on all data seen; ``gradient_norm`` is
        the root mean square over backward passes of the norm of the parameters' gradient;
        ``update_ratio`` the mean of ‖update‖ / ‖parameters‖; ``tied_to`` the first layer that holds
        the same parameter.
        """
        return [layer.row() for layer in self.layers.values()]

    def weights(self) -> list[dict[str, str | int | float | None]]:
        """Return one row a parameter as it is now: size, mean, std, zero and quantiles."""
        return [
            weight_row(layer.name, name, value)
            for layer in self._all
            for name, value in layer.parameters.items()
        ]


def weight_row(layer: str, name: str, value: Tensor) -> dict[str, str | int | float | None]:
    """Return statistics of a parameter: size, mean, standard deviation, zeros and quantiles."""
    numbers = Sums(1, value.device)
    numbers.add(value.detach().reshape(-1, 1, 1))
    empty = numbers.n == 0
    quantiles: dict[str, str | int | float | None] = {
        f"quantile_{q:g}": None if empty else numbers.quantile(q)
        for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    }
    return {
        "layer": layer,
        "parameter": name,
        "size": numbers.n,
        "mean": None if empty else float(numbers.mean[0]),
        "std": None if empty else float(numbers.std[0]),
        "zero": None if empty else int(numbers.zero[0]) / numbers.n,
        **quantiles,
    }
