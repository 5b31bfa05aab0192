"""Training a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from dahlia.server.api.parameters import ProjectId, Version, any_case, one_id
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import TrainingParameters
from dahlia.server.contract.enums import TrainingType
from dahlia.server.contract.iterations import Iteration
from dahlia.server.http.access import TheServer, Trains, allow
from dahlia.server.iterations.orders import Order, check_address, check_budget
from dahlia.server.iterations.training import start_training
from dahlia.server.iterations.views import iteration_answer
from dahlia.server.keys.scopes import Access, Scope

router = training_router("Training")

_Type = Annotated[
    TrainingType | None,
    any_case(TrainingType),
    Query(alias="trainingType", description="default: Regular"),
]
_Hours = Annotated[
    int, Query(alias="reservedBudgetInHours", description="budget of Advanced training, in hours")
]
_Force = Annotated[bool, Query(alias="forceTrain", description="train although nothing has changed")]
_Address = Annotated[
    str | None,
    Query(
        alias="notificationEmailAddress",
        description="checked and ignored: this server sends no mail; poll the iteration",
    ),
]


@router.post(PROJECT + "/train")
def train_project(
    project_id: ProjectId,
    version: Version,
    access: Trains,
    server: TheServer,
    training_type: _Type = None,
    reserved_budget_in_hours: _Hours = 0,
    force_train: _Force = False,
    notification_email_address: _Address = None,
    body: TrainingParameters | None = None,
) -> Iteration:
    """Train the workspace as it is now; answers at once. Poll the iteration while it is Training."""
    server.rates.take(access.key_id, "train_project", server.settings.rates.train_project)
    check_address(notification_email_address)
    advanced = training_type is TrainingType.ADVANCED
    order = Order(
        type=training_type or TrainingType.REGULAR,
        budget_hours=reserved_budget_in_hours if advanced else 0,
        tags=tuple(dict.fromkeys(one_id(tag) for tag in body.selected_tags)) if body else (),
        base=_base(body, access),
        force=force_train,
    )
    check_budget(order, server.settings.jobs.training_timeout_hours)
    with server.database.write() as session:
        row = start_training(session, server, access, project_id, order)
        return iteration_answer(row, project_id, version)


def _base(body: TrainingParameters | None, access: Access) -> tuple[str, str] | None:
    named = body.custom_base_model_info if body else None
    if named is None:
        return None
    project_id = one_id(named.project_id)
    allow(access, Scope.READ, project_id)  # it may be another project than that of the path
    return project_id, one_id(named.iteration_id)
