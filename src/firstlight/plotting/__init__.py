"""How figures look and what they are made of; the studies draw, this room says how."""

from firstlight.plotting.flowchart import diagram as diagram
from firstlight.plotting.style import Plot as Plot
from firstlight.plotting.style import new_figure as new_figure
from firstlight.plotting.style import save as save
from firstlight.plotting.style import to_svg as to_svg
