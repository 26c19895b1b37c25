"""Problem 3: batch normalization and dropout on LeNet-5."""
