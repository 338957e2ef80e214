"""The parts that are compiled; all else about the package stands in setup.cfg."""

from Cython.Build import cythonize
from setuptools import Extension, setup

# No debugging symbols: they are nine tenths of the file, and name the folder it was made in.
MODULES = [
    Extension(f"indexer.embedded.{name}", [f"indexer/embedded/{name}.pyx"], extra_compile_args=["-g0"])
    for name in ("decoder", "kernel")
]

compiled = cythonize(MODULES)
for extension in compiled:
    # Without a C compiler the same answers come from NumPy, more slowly (indexer/embedded/best.py). It is
    # told here, since Cython makes extensions of its own and passes this on to none.
    extension.optional = True

setup(ext_modules=compiled)
