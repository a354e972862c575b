"""What tells the compiled likelihoods of one version of this project from those of another, for caches on disk."""

from hashlib import sha256
from pathlib import Path
from types import ModuleType

from bayesmix import family_designs, family_integral, family_kernel, family_mode, joint_kernel, kernel
from em import store_modes


def key_of(*modules: ModuleType) -> str:
    """Changes with the source of any of the modules."""
    return sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in modules)).hexdigest()


CACHE_KEY = key_of(kernel)
FAMILY_KEY = key_of(kernel, family_designs, family_integral, family_kernel, family_mode, store_modes)
JOINT_KEY = key_of(kernel, family_designs, family_integral, family_kernel, family_mode, joint_kernel, store_modes)
