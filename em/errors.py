"""The one error a user can cause, and so the one that ends in exit code 2."""


class InputError(ValueError):
    """The data, the call or an output place is wrong; the message names the place and what was expected."""
