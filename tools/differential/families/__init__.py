"""The families: a small configuration in the published form, and the switches that published configurations use.

A switch is a list of options; an option is a set of keys of config.json to set, or to leave out (ABSENT). A switch
whose name begins with "form-" says the same in another way: it must not change any vector. All others must.
"""

from __future__ import annotations

from differential.families import bert, decoders, layered, relative, rotary
from differential.families.family import POSITIONS, Family, Option, Table

FAMILIES: dict[str, Family] = bert.FAMILIES | relative.FAMILIES | rotary.FAMILIES | layered.FAMILIES | decoders.FAMILIES

__all__ = ["FAMILIES", "POSITIONS", "Family", "Option", "Table"]
