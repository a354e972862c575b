"""What tells the compiled likelihoods of one version of this project from those of another, for caches on disk."""

from hashlib import sha256
from pathlib import Path

from bayesmix import family_designs, family_integral, family_kernel, family_mode, joint_kernel, kernel
from em import store_modes

SOURCES = (kernel, family_designs, family_integral, family_kernel, family_mode, joint_kernel, store_modes)
CACHE_KEY = sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in SOURCES)).hexdigest()
