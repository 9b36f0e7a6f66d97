"""From TOML to frozen dataclasses: unknown keys and wrong types are errors that name the key."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from edgeattr.core.errors import InputError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["build", "parse_value", "read_toml", "with_environment"]

_T = TypeVar("_T")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """The values of a TOML file.

    Args:
        path: of the file.
        what: it should be, for the error: ``recipe``.

    Raises:
        InputError: missing, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: not a valid {what}: {error.strerror or error}") from error
    except ValueError as error:  # of TOML, and of UTF-8
        raise InputError(f"{path}: not a valid {what}: {error}") from error


def parse_value(text: str) -> Any:
    """One TOML value; text that is none stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def build(kind: type[_T], values: Mapping[str, Any], *, what: str, prefix: str = "") -> _T:
    """A dataclass of plain values, its fields converted as they are annotated.

    Args:
        kind: a dataclass; fields may be numbers, text, paths, literals, optional, tuples of text
            or of dataclasses, and dataclasses.
        values: by field name.
        what: they are keys of, for errors: ``recipe``.
        prefix: of the keys, for errors: ``loss.``.

    Raises:
        UsageError: an unknown key, a missing one, or a value of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise UsageError(
            f"unknown {what} key {prefix}{unknown[0]}; expected one of "
            f"{', '.join(prefix + name for name in hints)}"
        )
    arguments = {
        key: _convert(hints[key], value, what, f"{prefix}{key}") for key, value in values.items()
    }
    for field in dataclasses.fields(typing.cast(Any, kind)):
        optional = field.default, field.default_factory
        if field.name not in arguments and optional == (dataclasses.MISSING, dataclasses.MISSING):
            raise UsageError(f"{what} key {prefix}{field.name} is missing")
    return kind(**arguments)


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


def _variable(name: str, where: str) -> str:
    if name not in os.environ:
        raise UsageError(f"{where} names the environment variable {name}, which is not set")
    return os.environ[name]


def _convert(hint: Any, value: Any, what: str, key: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{what} key {key} is a table, not {_kind(value)}")
        return build(hint, value, what=what, prefix=f"{key}.")
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _tuple(typing.get_args(hint)[0], value, what, key)
    if origin in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return _convert(kinds[0], value, what, key)
    if origin is Literal:
        if value not in typing.get_args(hint):
            wanted = ", ".join(map(str, typing.get_args(hint)))
            raise UsageError(f"{what} key {key} wants one of {wanted}; got {value!r}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not hint:
        raise UsageError(f"{what} key {key} wants {_named(hint)}, got {_kind(value)}")
    return value


def _tuple(kind: Any, value: Any, what: str, key: str) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        if dataclasses.is_dataclass(kind):
            return tuple(
                _convert(kind, entry, what, f"{key}[{number}]")
                for number, entry in enumerate(value)
            )
        if all(type(entry) is kind for entry in value):
            return tuple(value)
    wanted = "a list of tables" if dataclasses.is_dataclass(kind) else "a list of strings"
    raise UsageError(f"{what} key {key} wants {wanted}, got {_kind(value)}")


def _kind(value: Any) -> str:
    """What a value is, without saying it: it may be a secret in the wrong place."""
    return type(value).__name__


def _named(hint: Any) -> str:
    return "a path" if hint is Path else str(getattr(hint, "__name__", hint))
