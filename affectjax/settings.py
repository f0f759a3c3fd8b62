"""How a run trains: the section `train` of a config, with every default."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long, how much at once, how often, and what the run starts from."""

    batch: int = 8
    micro_batches: int = 1
    epochs: float = 200.0
    steps: int = 0  # instead of epochs, where not 0
    seed: int = 0
    ema: float = 0.0  # decay of the averaged weights, which are then evaluated and exported
    log_every: int = 50
    evaluate_every: int = 0  # on the validation part, in steps; 0: at the end alone
    checkpoint_every: int = 500
    patience: int = 0  # evaluations without a better checkpoint.best before it stops; 0: never
    bad_records: str = "fail"  # or "skip": a row of weight 0
    bad_limit: int = 100  # skipped rows before the run stops
    workers: int = 0  # processes that read; 0: threads
    init_from: str | None = None  # an export whose parameters the run starts from
    init_from_weights: tuple = ()  # pairs: a network of the model, its folder of converted weights
    init_new: tuple = ()  # path patterns of parameters that start afresh all the same
    init_drop: tuple = ()  # path patterns of the export's parameters that the run leaves out
    deterministic: bool = False  # on GPUs: slower operations that give the same bits every time
    tensorboard: bool = True
    stuck_after: float = 1800.0  # seconds in which nothing moves before a process ends; 0: never
