"""Everything edgeattr raises on purpose.

EdgeAttrError
├── UsageError            the request itself makes no sense (exit code 2)
│   └── QueryError        a query that cannot be read, or asks for what there is not
├── InputError            an image, video, data set or file that cannot be used
│   └── BundleError       a model bundle that is missing, damaged or from another version
├── OutputError           a result cannot be written where it was asked for
├── MissingDependency     an optional package is not installed
├── DownloadError         a download failed, or its checksum did not match
├── RuntimeFailure        an inference engine could not be started or failed
└── ContractNotMet        a converted model is not as good as was asked for (exit code 3)
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator


class EdgeAttrError(Exception):
    """Base class of every error that edgeattr raises; its text says how to go on."""

    exit_code = 1


class UsageError(EdgeAttrError):
    """The request cannot be carried out as it was made: a wrong option or argument."""

    exit_code = 2


class QueryError(UsageError):
    """A query that cannot be read, or that asks for an attribute or stream that there is not.

    Args:
        message: what is wrong, with the query and a mark under the wrong part.
        span: that part: its first character in the query, and the one after its last.
    """

    def __init__(self, message: str, *, span: tuple[int, int]) -> None:
        super().__init__(message)
        self.span = span

    def __reduce__(self) -> tuple[Callable[[str], QueryError], tuple[str]]:
        """So that it can come from another process."""
        return functools.partial(QueryError, span=self.span), (str(self),)


class InputError(EdgeAttrError):
    """An image, video, data set or other file is missing, unreadable or unfit."""


class BundleError(InputError):
    """A model bundle is missing, damaged, or written by an incompatible version."""


class OutputError(EdgeAttrError):
    """A result cannot be written: no permission, no space, or its reader went away."""


class MissingDependency(EdgeAttrError):
    """An optional package is needed and not installed.

    Args:
        package: name of the missing package, as it is imported.
        extra: the extra of edgeattr that brings it.
        purpose: what it is needed for, completing "... is needed to".
    """

    def __init__(self, package: str, *, extra: str | None, purpose: str) -> None:
        target = f'"edgeattr[{extra}]"' if extra else package
        super().__init__(f"{package} is needed to {purpose}: pip install {target}")
        self.package = package
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[Callable[[str], MissingDependency], tuple[str]]:
        """So that it can come from another process."""
        rebuild = functools.partial(MissingDependency, extra=self.extra, purpose=self.purpose)
        return rebuild, (self.package,)


@contextlib.contextmanager
def importing(
    package: str, *, extra: str | None, purpose: str, mend: str = "Install it again"
) -> Iterator[None]:
    """A block of imports of a package that may be absent or broken.

    Args:
        package: its name, as it is imported.
        extra: the extra of edgeattr that brings it.
        purpose: what it is needed for, completing "... is needed to".
        mend: what to do where it is installed and cannot be loaded, a sentence.

    Raises:
        MissingDependency: the package, or another one of the block, is not installed.
        RuntimeFailure: it is, but cannot be loaded: most often a library that it is linked to.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        raise MissingDependency(missing, extra=extra, purpose=purpose) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise RuntimeFailure(
            f"{package} is installed but cannot be loaded: {error}. {mend}"
        ) from error


class DownloadError(EdgeAttrError):
    """A file could not be downloaded, or what came is not what was expected."""


class RuntimeFailure(EdgeAttrError):
    """An inference engine could not be started, was closed, or failed while running."""


class ContractNotMet(EdgeAttrError):
    """A converted model loses more accuracy, or gains less speed, than was allowed."""

    exit_code = 3
