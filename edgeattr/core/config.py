"""From TOML to frozen dataclasses: unknown keys and wrong types are errors that name the key."""

from __future__ import annotations

import dataclasses
import difflib
import keyword
import math
import os
import re
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from edgeattr.core.errors import InputError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_T = TypeVar("_T")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_INVALID = re.compile(r"(?P<said>.*?)(?: - at `\$\.?(?P<key>.*)`)?")  # of msgspec
_KINDS = {"object": "a table", "array": "a list", "path": "a path"}  # names of msgspec's


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """The values of a TOML file, with or without a byte order mark.

    Args:
        path: of the file.
        what: it should be, for the error: ``recipe``.

    Raises:
        InputError: missing, not TOML, or with a number that is not finite.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _check_finite(values, "")
        return values
    except OSError as error:
        raise InputError(f"{path}: not a valid {what}: {error.strerror or error}") from error
    except ValueError as error:  # of TOML, and of UTF-8
        raise InputError(f"{path}: not a valid {what}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: not a valid {what}: nested too deeply") from error


def parse_value(text: str) -> Any:
    """One TOML value; text that is none stands for itself.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    _check_finite(value, "it")
    return value


def build(kind: type[_T], values: Mapping[str, Any], *, what: str) -> _T:
    """A dataclass of plain values, its fields converted as they are annotated.

    Args:
        kind: a dataclass, whose fields are what msgspec converts, paths or dataclasses. A field
            ``for_`` is the key ``for``, which is no name in Python.
        values: by field name.
        what: they are keys of, for errors: ``recipe``.

    Raises:
        UsageError: an unknown key, a missing one, or a value of the wrong type; the text does not
            repeat values, which may be secrets in the wrong place.
    """
    import msgspec

    values = _in_python(values)
    _check_names(kind, values, what)
    try:
        return msgspec.convert(values, kind, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(_explained(str(error), kind, what)) from error


def refused_entry(kind: Any, values: Mapping[str, Any], refusal: UsageError) -> str:
    """The key of the entry of a list that a dataclass inside ``kind`` refuses to be built of, as in
    ``sources[1].zones[0]``; empty if it is none of them.

    Args:
        kind: what :func:`build` raised for.
        values: likewise.
        refusal: what it raised.
    """
    import msgspec

    hints = typing.get_type_hints(kind)
    for key, value in _in_python(values).items():
        if key not in hints:  # build's error names it
            return ""
        for inner in filter(dataclasses.is_dataclass, _kinds(hints[key])):
            for number, entry in enumerate(value if isinstance(value, list) else ()):
                try:
                    msgspec.convert(entry, inner, dec_hook=_path)
                except msgspec.ValidationError:  # build's error names the key
                    return ""
                except UsageError as error:
                    if str(error) != str(refusal):
                        return ""
                    deeper = refused_entry(inner, entry, refusal)
                    return f"{key}[{number}]{'.' if deeper else ''}{deeper}"
    return ""


def with_environment(value: Any, *, where: str) -> Any:
    """``${NAME}`` in texts, and in the texts of tables and lists, replaced by that variable.

    Raises:
        UsageError: there is no such environment variable.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match.group(1), where), value)
    if isinstance(value, Mapping):
        return {
            key: with_environment(entry, where=f"{where}.{key}") for key, entry in value.items()
        }
    if isinstance(value, list):
        return [with_environment(entry, where=where) for entry in value]
    return value


def _in_python(value: Any) -> Any:
    """Keys that are words of Python with the ``_`` that their fields end in."""
    if isinstance(value, Mapping):
        return {
            f"{key}_" if keyword.iskeyword(key) else key: _in_python(entry)
            for key, entry in value.items()
        }
    return [_in_python(entry) for entry in value] if isinstance(value, list) else value


def _check_finite(value: Any, key: str) -> None:
    """Raise ValueError, with the key, where a value is TOML's ``nan`` or ``inf``."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key} is {value}; expected a finite number")
    if isinstance(value, Mapping):
        for name, entry in value.items():
            _check_finite(entry, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            _check_finite(entry, f"{key}[{number}]")


def _variable(name: str, where: str) -> str:
    if name not in os.environ:
        raise UsageError(f"{where} names the environment variable {name}, which is not set")
    return os.environ[name]


def _path(kind: Any, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        if "\0" in str(value):
            raise ValueError("A path holds no null character")
        return Path(value)
    raise ValueError(f"Expected `{kind.__name__.lower()}`, got `{type(value).__name__}`")


def _check_names(kind: Any, values: Any, what: str, prefix: str = "") -> None:
    """Refuse keys that a dataclass, or one inside it, does not have."""
    if not isinstance(values, Mapping):
        return
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            hint = f" (did you mean {near[0].rstrip('_')}?)" if near else ""
            raise UsageError(
                f"unknown {what} key {prefix}{key}{hint}; expected one of "
                f"{', '.join(prefix + name.rstrip('_') for name in hints)}"
            )
        for inner in filter(dataclasses.is_dataclass, _kinds(hints[key])):
            if isinstance(value, list):
                for number, entry in enumerate(value):
                    _check_names(inner, entry, what, f"{prefix}{key}[{number}].")
            else:
                _check_names(inner, value, what, f"{prefix}{key}.")


def _kinds(hint: Any) -> tuple[Any, ...]:
    """A type, and those that it is made of."""
    return (hint, *typing.get_args(hint))


def _explained(text: str, kind: Any, what: str) -> str:
    """A message of msgspec's in terms of keys."""
    found = _INVALID.fullmatch(text)
    assert found
    said, key = found["said"], (found["key"] or "").rstrip("_")
    words = [_KINDS.get(word, word) for word in re.findall(r"`([^`]*)`", said)]
    if said.startswith("Object missing"):
        missing = re.findall(r"`([^`]*)`", said)[0]
        return f"{what} key {key}{'.' if key else ''}{missing} is missing"
    if said.startswith("Invalid enum value"):
        return f"{what} key {key} wants one of {', '.join(map(str, _choices(kind, key)))}; got " + (
            said.removeprefix("Invalid enum value ")
        )
    if len(words) != 2:
        return f"{what} key {key}: {said[0].lower()}{said[1:].replace('`', '')}"
    wanted = [_KINDS.get(word, word) for word in words[0].split(" | ") if word != "null"]
    return f"{what} key {key} wants {' or '.join(wanted)}, got {words[1]}"


def _choices(kind: Any, key: str) -> tuple[Any, ...]:
    """What a literal may be."""
    *tables, last = re.sub(r"\[\d+\]", "", key).split(".")
    for table in tables:
        hint = typing.get_type_hints(kind)[table]
        kind = next(filter(dataclasses.is_dataclass, _kinds(hint)))
    kinds = _kinds(typing.get_type_hints(kind)[last])
    return typing.get_args(next(one for one in kinds if typing.get_origin(one) is typing.Literal))
