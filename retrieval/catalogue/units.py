"""Units of a geologic map: their codes in words, as those of SIM 3292 (Tanaka et al. 2014) are built.

A code is one or two ages and a group: ``lApc`` is Late Amazonian, polar, cap. Groups and ages can therefore
be read off any code; names come from the file, else from a table beside it, else from the code itself.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from retrieval.catalogue.columns import find, key, read_table, texts

AGES = {"A": "Amazonian", "H": "Hesperian", "N": "Noachian"}
PARTS = {"e": "Early", "m": "Middle", "l": "Late", "": ""}
GROUPS = {
    **{"a": "apron", "b": "basin", "h": "highland", "i": "impact", "l": "lowland", "p": "polar"},
    **{"t": "transition", "v": "volcanic"},
}
KINDS = {
    **{"c": "cap", "d": "dunes", "e": "edifice", "f": "field", "m": "massif", "o": "outflow"},
    **{"u": "undivided", "": ""},
}
CODES = ("unit", "unit_code", "unit_symbol", "age")
DESCRIPTIONS = ("unitdesc", "unit_desc", "unit_name", "description")
MOST_TABLE_BYTES = 1_000_000

_CODE = re.compile(r"(?P<ages>(?:[elm]?[AHN]){1,3})(?P<group>[abhilptv])(?P<kind>[cdefmou]?)")


def add_units(rows: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Columns of the units of a geologic map, where a file has their codes; otherwise the rows as they are.

    Adds ``unit`` (the code), ``unit_name`` (*Late Amazonian polar cap unit*), ``unit_group`` (*polar*),
    ``unit_age`` (*Late Amazonian*), and ``landform`` (the name with underscores) if the file has none. A
    table of units in the same folder (columns ``name`` with the code, ``description``) is joined by code
    without regard to case.

    Returns
    -------
    rows, notes
    """
    name = find(rows, CODES)
    if name is None:
        return rows, []
    codes = texts(rows, CODES)
    known = codes[codes != ""]
    if not len(known) or not known.str.fullmatch(_CODE).all():
        return rows, []
    described = texts(rows, DESCRIPTIONS).tolist()
    beside, table = _table_beside(path, set(known))
    names = [
        _bare(own, code) or beside.get(code.casefold(), "") or unit_name(code)
        for own, code in zip(described, codes, strict=True)
    ]
    taken = {"unit", "unit_name", "unit_group", "unit_age"}
    found = rows.drop(columns=[column for column in rows.columns if key(column) in taken])
    found["unit"], found["unit_name"] = codes.to_numpy(), names
    found["unit_group"] = [unit_group(code) for code in codes]
    found["unit_age"] = [unit_age(code) for code in codes]
    if find(found, ("landform",)) is None:
        found["landform"] = [text.lower().replace(" ", "_") for text in names]
    notes = [f"geologic units from column {name}" + (f", their names from {table}" if table else "")]
    return found, notes


def unit_age(code: str) -> str:
    """*Amazonian and Hesperian* of ``AHi``; blank if it is no code."""
    match = _CODE.fullmatch(code)
    if match is None:
        return ""
    ages = re.findall(r"([elm]?)([AHN])", match["ages"])
    return " and ".join(f"{PARTS[part]} {AGES[age]}".strip() for part, age in ages)


def unit_group(code: str) -> str:
    """*polar* of ``lApc``; blank if it is no code."""
    match = _CODE.fullmatch(code)
    return "" if match is None else GROUPS[match["group"]]


def unit_name(code: str) -> str:
    """*Late Amazonian polar cap unit* of ``lApc``; blank if it is no code."""
    match = _CODE.fullmatch(code)
    if match is None:
        return ""
    return " ".join(filter(None, (unit_age(code), unit_group(code), KINDS[match["kind"]], "unit")))


def _bare(description: str, code: str) -> str:
    # The legend writes "lApc - Late Amazonian polar cap unit".
    return re.sub(rf"^{re.escape(code)}\s*[-–—:,]\s*", "", description).strip() if code else description


def _table_beside(path: Path, codes: set[str]) -> tuple[dict[str, str], str]:
    """Names by code in lower case, and the file that has them; nothing if no table names all codes."""
    wanted = {code.casefold() for code in codes}
    for file in sorted(path.parent.glob("*units*.csv")):
        try:
            if file == path or file.stat().st_size > MOST_TABLE_BYTES:
                continue
            table = read_table(file.read_bytes(), file)
        except (OSError, ValueError):  # a neighbour that cannot be read is no fault of this file
            continue
        code, text = find(table, ("name", "unit", "code")), find(table, ("description", "unitdesc"))
        if code is None or text is None:
            continue
        names = dict(
            zip(table[code].astype(str).str.casefold(), table[text].astype(str).str.strip(), strict=True)
        )
        if wanted <= set(names):
            return names, file.name
    return {}, ""
