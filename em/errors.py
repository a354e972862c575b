"""The one error a user can cause, and so the one that ends in exit code 2."""


class InputError(ValueError):
    """The data, the call or an output place is wrong; the message names the place and what was expected."""


def impossible_segments(k: int, n_stores: int) -> InputError:
    """That there are more segments than stores, or none."""
    told = f"K is {k}; expected a number of segments from 1 to the number of stores, {n_stores}"
    return InputError(told + "; a long file names its column of stores by --store" * (n_stores == 1))
