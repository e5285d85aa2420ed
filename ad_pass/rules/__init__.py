"""The rules of every op, one file for each op family; importing this package fills the tables of `ad_pass.registry`."""

from difc.ad_pass.rules import (  # noqa: F401 - importing a family registers its rules
    call,
    contraction,
    control,
    control_batch,
    convolution,
    creation,
    cumulative,
    elementwise,
    factor,
    indexing,
    ordering,
    reduction,
    scan,
    shape,
    special,
    spectral,
)
