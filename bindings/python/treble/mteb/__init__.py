"""Treble in mteb: the engine as an encoder, tasks from local folders, several temperatures compared. docs/mteb.md

>>> import mteb, treble.mteb
>>> model = treble.mteb.TrebleEncoder("models/all-MiniLM-L6-v2", temperature="log:64")
>>> results = mteb.evaluate(model, treble.mteb.load_task("scifact"))
"""

try:
    import mteb as _mteb  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"treble.mteb needs {error.name}: pip install 'mteb>=2.26'", name=error.name) from error

from treble.mteb._encoder import TrebleEncoder, content_revision, register
from treble.mteb._folders import TaskFolder, read_task
from treble.mteb._table import Row
from treble.mteb._tasks import load_task
from treble.mteb.evaluation import EvaluateOptions, Evaluation, evaluate

__all__ = [
    "EvaluateOptions",
    "Evaluation",
    "Row",
    "TaskFolder",
    "TrebleEncoder",
    "content_revision",
    "evaluate",
    "load_task",
    "read_task",
    "register",
]
