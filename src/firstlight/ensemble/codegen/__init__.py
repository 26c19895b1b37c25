"""Writes the machine code that trains an ensemble: a program with every weight by name, for LLVM.

``plan`` says what is constant in it, ``llvm`` writes arithmetic on one number of each network and
compiles, ``network`` writes one update, ``blocks`` the whole training, and runs it.

Why not numba: the same training written for numba (``benchmarks/ensemble_numba.py``: lanes of
networks, shuffle and threads inside one compiled function, ReLU and Adam only) reaches 0.86 of this
code's rate once it is compiled, on two cores with AVX2. It is a writer of code too, of Python text;
it takes 7 s to compile each shape in every process, since numba keeps no code on disk that was built
from text, so that it reaches 0.64 over the quick ``dying-relu`` study; and its results differ in
their last bits. ``numba_share`` in ``benchmarks/ensemble.py`` prints these ratios.
"""
