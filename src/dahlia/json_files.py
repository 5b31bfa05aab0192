"""Files of JSON that are one pydantic model."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from dahlia.errors import DahliaError

_Model = TypeVar("_Model", bound=BaseModel)


def load_json(path: Path, model: type[_Model], *, what: str, stage: str, error: type[DahliaError]) -> _Model:
    """Read JSON into its model.

    Args:
        path: of the file.
        model: what it must fit.
        what: for the message: the file `is not ... of this version`.
        stage: of the pipeline, that makes the file.
        error: to raise.

    Raises:
        DahliaError: `error`: the file is missing or does not fit.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise error(f"{path} was expected and is not there. Run `dvc repro {stage}` to make it.") from None
    except PydanticError as problem:
        first = problem.errors()[0]
        raise error(
            f"{path} is not {what} of this version ({problem.error_count()} problems, the first: "
            f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'its top'}). "
            f"Run `dvc repro {stage}` again."
        ) from problem
