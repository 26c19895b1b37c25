"""The rule that reads bounds off the curve of a range test."""
