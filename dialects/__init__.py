"""The `dif` array dialect: op definitions, their builders and type rules, and the NumPy interpreter.

Usage: `from difc import dialects as dif`, then `dif.mul(x, y)` inside `use_builder(...)`. Imports nothing of AD or
lowering.
"""

from difc.dialects.base import OPS as OPS
from difc.dialects.base import Builder as Builder
from difc.dialects.base import OpDef as OpDef
from difc.dialects.base import context as context
from difc.dialects.base import current_builder as current_builder
from difc.dialects.base import emit as emit
from difc.dialects.base import use_builder as use_builder
from difc.dialects.body import *  # noqa: F403
from difc.dialects.call import *  # noqa: F403
from difc.dialects.contraction import *  # noqa: F403
from difc.dialects.control import *  # noqa: F403
from difc.dialects.convolution import *  # noqa: F403
from difc.dialects.creation import *  # noqa: F403
from difc.dialects.cumulative import *  # noqa: F403
from difc.dialects.elementwise import *  # noqa: F403
from difc.dialects.factor import *  # noqa: F403
from difc.dialects.indexing import *  # noqa: F403
from difc.dialects.ordering import *  # noqa: F403
from difc.dialects.reduction import *  # noqa: F403
from difc.dialects.shape import *  # noqa: F403
from difc.dialects.special import *  # noqa: F403
from difc.dialects.spectral import *  # noqa: F403
from difc.dialects.types import *  # noqa: F403
