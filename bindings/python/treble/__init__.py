"""Text embeddings that are honest about long texts.

>>> import treble
>>> encoder = treble.SentenceEncoder("models/all-MiniLM-L6-v2")
>>> encoder.encode(["a letter from the harbour"]).shape
(1, 384)
"""

from treble._state import StateLike
from treble._temperature import TemperatureLike
from treble._treble import (
    PostTransform,
    StateControl,
    StateNorms,
    SweepData,
    Temperature,
    TemperatureProfile,
    cpu_path,
    git_commit,
    library_versions,
    numerics_version,
)
from treble._treble import version as _version
from treble.encoder import SentenceEncoder
from treble.encoding import Encoded
from treble.errors import (
    CancelledError,
    DeadlineExceededError,
    Error,
    InternalError,
    InterruptedByRequestError,
    InvalidArgumentError,
    InvalidFileError,
    IoError,
    NonFiniteError,
    NotFoundError,
    OverloadedError,
    TextTooLongError,
    TrebleWarning,
    TruncationWarning,
    UnavailableError,
    UnsupportedError,
)
from treble.multi_vector import max_sim
from treble.outputs import SparseArrays
from treble.quantization import load_ranges, quantize_embeddings
from treble.reranker import Reranker
from treble.results import Baked, Calibrated, InspectReport, SweepReport

__version__ = _version()

__all__ = [
    "Baked",
    "Calibrated",
    "CancelledError",
    "DeadlineExceededError",
    "Encoded",
    "Error",
    "InspectReport",
    "InternalError",
    "InterruptedByRequestError",
    "InvalidArgumentError",
    "InvalidFileError",
    "IoError",
    "NonFiniteError",
    "NotFoundError",
    "OverloadedError",
    "PostTransform",
    "Reranker",
    "SentenceEncoder",
    "SparseArrays",
    "StateControl",
    "StateLike",
    "StateNorms",
    "SweepData",
    "SweepReport",
    "Temperature",
    "TemperatureLike",
    "TemperatureProfile",
    "TextTooLongError",
    "TrebleWarning",
    "TruncationWarning",
    "UnavailableError",
    "UnsupportedError",
    "__version__",
    "cpu_path",
    "git_commit",
    "library_versions",
    "load_ranges",
    "max_sim",
    "numerics_version",
    "quantize_embeddings",
]
