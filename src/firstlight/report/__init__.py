"""The page: Records → one self-contained HTML file, made without running anything again."""

from firstlight.report.page import PAGE_FILE as PAGE_FILE
from firstlight.report.page import render as render
from firstlight.report.page import write as write
