"""A kill at the border of two stages, after the last state was kept and before the run is recorded as finished."""

from saboteurs import Signal


class AtTheEnd(Signal):
    """Kill the run when training ends: ``place`` is ``train_end``."""

    def on_train_end(self, trainer, pl_module):
        self.passing("train_end")
