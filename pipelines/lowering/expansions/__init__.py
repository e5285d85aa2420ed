"""Elementary functions of f32 and f64 in basic operations: the same on all targets, to 2 units in the last place.

`reals` has the arithmetic and what compilers do to it, `doubled` numbers of twice the digits, `coefficients` the
constants (written by `docs/coefficients.py`), the other files a family of functions each, as functions of `Real`s.
"""
