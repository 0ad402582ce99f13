"""Routes for what a reporter does with his report later: adds files, withdraws, rates, reopens, claims it, and chooses
whether he is told by text message."""

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, SkipValidation

from gateway.flows.tracking.bodies import (
    AttachmentsBody,
    MessageBody,
    RatingBody,
    ReopeningBody,
    SmsBody,
    WithdrawalBody,
)
from gateway.flows.tracking.claim import Claimer
from gateway.flows.tracking.door import enter
from gateway.flows.tracking.eyes import Eyes, eyes_of
from gateway.flows.tracking.message import Messages
from gateway.flows.tracking.once import Caller, Once
from gateway.flows.tracking.rate import Rater
from gateway.flows.tracking.reopen import Reopener
from gateway.flows.tracking.withdraw import Withdrawer
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger
from gateway.kernel.policy import Policy
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem

Secret = Annotated[str | None, HeaderParameter(name="X-Report-Secret", max_length=80, description="given with the 201")]
Key = Annotated[str | None, HeaderParameter(name="Idempotency-Key", max_length=255)]


async def _caller(
    ledger: Ledger, principal: Principal, reach: Scope, actor: Actor, code: str, secret: str | None
) -> Caller:
    """Return the reporter of a report. Raises Problem `not-found`, for those who only work on it `forbidden`."""
    entered = await enter(ledger, principal, reach, code, secret)
    whole = entered.known.whole
    if eyes_of(principal, whole, entered.by_secret) is not Eyes.OWNER:
        raise Problem("forbidden")
    return Caller(principal=principal, scope=entered.scope, actor=actor, code=whole.code)


def _created(body: bytes) -> Response[bytes]:
    return Response(body, status_code=201, media_type="application/json")


@post("/v1/reports/{code:str}/attachments", summary="Add files to a report", tags=["reports"])
async def add_attachments(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[AttachmentsBody],
    secret: Secret = None,
    key: Key = None,
) -> Response[bytes]:
    """Keep uploads with the report, and carry them to every app that can take them; the others are named."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    message = MessageBody(text=data.text, attachments=data.attachments)
    messages = Messages(ledger, policy, host, wake)
    return _created(await messages.take(principal, caller.scope, actor, caller.code, message, key, lambda _: []))


@post("/v1/reports/{code:str}/withdrawal", summary="Take a report back", tags=["reports"])
async def withdraw(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[WithdrawalBody],
    secret: Secret = None,
    key: Key = None,
) -> Response[bytes]:
    """Stop what has not left, withdraw what has where the app can, and say where it goes on."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    withdrawer = Withdrawer(ledger, host)
    return _created(
        await Once(ledger, wake).do(
            caller, "withdrawal", key, data, lambda whole: withdrawer.withdraw(caller, data.reason.strip(), whole)
        )
    )


@post("/v1/reports/{code:str}/rating", summary="Rate how a report ended", tags=["reports"])
async def rate(
    ledger: NamedDependency[Ledger],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[RatingBody],
    secret: Secret = None,
    key: Key = None,
) -> Response[bytes]:
    """Keep one to five stars and a comment for a report that has ended; who is content closes it."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    body = msgspec.structs.replace(data, comment=data.comment.strip())
    rater = Rater(ledger)
    return _created(
        await Once(ledger, wake).do(caller, "rating", key, data, lambda whole: rater.rate(caller, body, whole))
    )


@post("/v1/reports/{code:str}/reopening", summary="Take a report up again", tags=["reports"])
async def reopen(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[ReopeningBody],
    secret: Secret = None,
    key: Key = None,
) -> Response[bytes]:
    """Open a report again that has ended not too long ago; those who worked on it are told."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    reason = data.reason.strip()
    if not reason:
        raise Problem("missing-field", pointer="/reason")
    reopener = Reopener(ledger, policy, host)
    return _created(
        await Once(ledger, wake).do(
            caller, "reopening", key, data, lambda whole: reopener.reopen(caller, reason, whole)
        )
    )


@post("/v1/reports/{code:str}/claim", summary="Take a report into an account", tags=["reports"])
async def claim(
    ledger: NamedDependency[Ledger],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    secret: Secret = None,
) -> Response[bytes]:
    """Put a report that was filed without an account into the caller's; the answer has its new secret."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    claimer = Claimer(ledger)
    return _created(
        await Once(ledger, wake).do(caller, "claim", None, None, lambda whole: claimer.claim(caller, whole))
    )


@post("/v1/reports/{code:str}/sms", summary="Text messages about a report", tags=["reports"])
async def text_messages(
    ledger: NamedDependency[Ledger],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[SmsBody],
    secret: Secret = None,
) -> Response[bytes]:
    """Stop the text messages about a report, or have them sent again."""
    caller = await _caller(ledger, principal, reach, actor, code, secret)
    claimer = Claimer(ledger)
    return _created(
        await Once(ledger, wake).do(caller, "sms", None, data, lambda whole: claimer.text(caller, data.wanted, whole))
    )


routes = [add_attachments, withdraw, rate, reopen, claim, text_messages]
