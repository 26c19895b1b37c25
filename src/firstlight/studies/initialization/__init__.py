"""Problem 2.1: vanishing and exploding signals."""
