"""The tables of cases, one file a subject: what lies in this folder is found."""

from __future__ import annotations

import importlib
import pkgutil

from tests.nn.modules.case import Case

__all__ = ["CASES", "TABLES"]

TABLES: dict[str, list[Case]] = {
    found.name: importlib.import_module(f"{__name__}.{found.name}").CASES
    for found in pkgutil.iter_modules(__path__)
}
CASES = [case for table in TABLES.values() for case in table]
