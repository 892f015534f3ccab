"""Where a model runs."""

import torch


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device once something was computed on it.

    Raises:
        ValueError: if there is none of this name here, or it cannot be used.
    """
    try:
        found = torch.device(device)
        (torch.zeros(1, device=found) + 1).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as problem:
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        raise ValueError(
            f"the device {str(device)!r} cannot be used here ({reason}); give cpu, or on a machine with a GPU cuda"
        ) from problem
    return found
