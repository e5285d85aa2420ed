"""The parts of SciPy that difc traces: `difc.scipy.special`."""
