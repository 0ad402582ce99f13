"""What a reporter was asked for and has not answered yet, as a client may show it."""

from gateway.flows.tracking.bodies import AskedField, AskView
from gateway.kernel.ledger import Erased, ReportKey
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy import Policy
from gateway.model.answers import Datatype

_KINDS = {"reporter.phone": Datatype.PHONE, "reporter.national_id": Datatype.NIK}


def asks_shown(whole: Whole, key: ReportKey | None, policy: Policy, language: str) -> tuple[AskView, ...]:
    """Return the open questions, in a language; without a key the words stay sealed."""
    return tuple(_shown(whole, ask, key, policy, language) for ask in whole.asks)


def _shown(whole: Whole, ask: Row, key: ReportKey | None, policy: Policy, language: str) -> AskView:
    case = whole.case(ask["case_id"])
    service = policy.services.get(case["service"])
    form = {field.code: field for field in service.fields} if service is not None else {}
    needs = policy.needs(language)
    fields = []
    for name in ask["fields"]:
        field = form.get(name)
        label = needs.get(name, name) if field is None else field.label.get(language)
        datatype = _KINDS.get(name, Datatype.STRING) if field is None else field.datatype
        fields.append(AskedField(name=name, label=label, datatype=str(datatype)))
    return AskView(
        case=case["number"],
        app=case["app"],
        by=ask["by"],
        at=ask["at"],
        fields=tuple(fields),
        text=_text(ask, key),
        opens=ask["opens"],
    )


def _text(ask: Row, key: ReportKey | None) -> str | None:
    if key is None or ask["sealed"] is None:
        return None
    try:
        return key.open("question", ask["sealed"], str)
    except Erased:
        return None
