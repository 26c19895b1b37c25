"""Problem 4: range tests of learning rate and batch size, and both in cycles, on MiniGoogLeNet."""
