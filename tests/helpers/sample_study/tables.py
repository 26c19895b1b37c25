"""The sample study's tables."""

from firstlight.studies.study import Sheet

SHEETS = (
    Sheet(
        "scales",
        (
            "Layer", "Shape", "Channels", "Mean γ", "Lowest γ", "Highest γ", "Mean β",
            "Running mean", "Running variance",
        ),
        lambda r: [
            ["C1", "6 × 28 × 28", 6, 0.98123, 0.91, 1.13, -0.0123, 0.0004, 1.02],
            ["C3", "16 × 10 × 10", 16, 1.01, 0.88, 1.2, 0.0321, -0.2, None],
        ],
        "Learned scales & shifts.",
    ),
    Sheet("absent", ("A",), lambda r: [], "Nothing.", when=lambda r: False),
)  # fmt: skip
