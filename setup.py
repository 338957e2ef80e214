"""The part that is compiled; all else about the package stands in setup.cfg."""

from Cython.Build import cythonize
from setuptools import Extension, setup

# Optional: without a C compiler the same answers come from NumPy, more slowly (indexer/embedded/best.py).
KERNEL = Extension("indexer.embedded.kernel", ["indexer/embedded/kernel.pyx"], optional=True)

setup(ext_modules=cythonize([KERNEL]))
