"""One step of the lockstep workload, and what it may have to wait for."""

from dataclasses import dataclass

READ, WRITE, CATALOG = "read", "write", "catalog"


@dataclass
class Step:
    """Batches that one session sends, one after the other, each with one ReadyForQuery."""

    text: str
    batches: list
    kind: str = READ        # WRITE: locks rows; CATALOG: may lock whole tables against readers
    sort: bool = False      # rows come in no particular order
    volatile: bool = False  # rows are not compared, and must not be a hit
    prepares: str = None    # the protocol's name of a statement that the last batch may make
    then: object = None     # called with the session if no error came
    action: str = "send"    # or "reconnect", "cancel"
    reads: int = 0          # batches whose answers are a checked read
