"""The page of a run folder, made from its records alone."""

from firstlight.report.page import PAGE_FILE as PAGE_FILE
from firstlight.report.page import render as render
from firstlight.report.page import write as write
