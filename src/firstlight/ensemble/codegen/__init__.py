"""Writes the machine code that trains an ensemble: a program with every weight by name, for LLVM.

``plan`` says what is constant in it, ``vector`` writes arithmetic on one number of each network,
``network`` one update, ``program`` the whole training, ``jit`` compiles it, ``blocks`` runs it.

Why not numba: the same training written for numba (``benchmarks/ensemble_numba.py``), with lanes,
threads and shuffle likewise inside one compiled function, reaches RATIO of this code's rate. It
takes about 8 s of processor time to compile where this code takes 1 s, and numba keeps no code
that was built from text on disk.
"""
