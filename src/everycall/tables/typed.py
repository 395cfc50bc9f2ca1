"""The rows of the flat table as types, for type checkers. A test compares them with the columns."""

from datetime import datetime
from typing import Literal, TypedDict

View = Literal["default", "extended"]
"""default: eight columns. extended: all columns."""


class DefaultRow(TypedDict):
    """A row of the default view. Instants are in UTC, durations in seconds; None is an empty cell."""

    conversationId: str
    channel: str | None
    startTime: datetime | None
    endTime: datetime | None
    duration: float | None
    queueName: str | None
    agentName: str | None
    disposition: str | None


class ExtendedRow(DefaultRow):
    """A row of the extended view: the columns of the default one, and those for reports."""

    queueId: str | None
    agentId: str | None
    queueIds: tuple[str, ...] | None
    userIds: tuple[str, ...] | None
    originatingDirection: str | None
    customerAddress: str | None
    ani: str | None
    dnis: str | None
    messageType: str | None
    flowName: str | None
    flowExitReason: str | None
    divisionNames: tuple[str, ...] | None
    disconnectType: str | None
    endedBy: str | None
    handledEnd: datetime | None
    waitSeconds: float | None
    talkSeconds: float | None
    holdSeconds: float | None
    acwSeconds: float | None
    handleSeconds: float | None
    transfers: int | None
    abandoned: bool | None
    minMos: float | None
    wrapUpNote: str | None
    wrapUpCodes: tuple[str, ...] | None
    evaluationScore: float | None
    surveyScore: float | None
    promoterScore: int | None
