"""How loops that Numba compiles into others are marked: as NumPy does arithmetic, and callable from compiled code only.

They stay plain Python functions, which tests and debuggers may call.
"""

from numba.extending import register_jitable

OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

allocating = register_jitable(**OPTIONS)  # may make arrays
kernel = register_jitable(_nrt=False, **OPTIONS)  # makes none: counting references takes half of compiling
