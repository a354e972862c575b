"""The rows that a posterior was fitted to, read again: its file holds the statistics of stores and no weeks."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from em.errors import InputError
from em.panel import Panel, read_panel

if TYPE_CHECKING:
    from bayesmix.fitted import Fit


def panel_of(fit: "Fit", path: str | Path | None = None) -> Panel:
    """The panel of a fit, from its data file.

    Parameters
    ----------
    path : where the file is now; None is where it was.

    Raises
    ------
    InputError
        When the file is not there, is not the one that was fitted, or the fit does not say how to read it.
    """
    path = Path(fit.data["file"] if path is None else path)
    if "columns" not in fit.data:
        raise InputError(f"{path}: the fit does not say which columns it was read by; fit it again")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as wrong:
        raise InputError(f"{path}: cannot be read ({wrong.strerror}); expected the data file of the fit") from wrong
    fitted = fit.data["sha256"]
    if digest != fitted:
        raise InputError(
            f"{path}: is not the file that was fitted (its sha256 begins {digest[:12]}, that of the fit {fitted[:12]})"
        )
    return read_panel(path, **fit.data["columns"])
