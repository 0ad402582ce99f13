"""The catalogue and the territory as clients read them."""

from typing import Any, Self

import msgspec

from gateway.kernel.policy import Policy
from gateway.model.catalogue import Service, json_schema
from gateway.model.gazetteer import Gazetteer
from gateway.model.problem import Fault, Problem
from gateway.model.territory import Territory


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """A service: `form` is JSON Schema (2020-12) of `attributes`; `requires` names other parts of a report."""

    code: str
    name: str
    description: str
    group: str
    kind: str
    emergency: bool
    priority: str
    agency: str
    keywords: tuple[str, ...]
    requires: tuple[str, ...]
    identity_may_be_hidden: bool
    form: dict[str, Any]

    @classmethod
    def of(cls, service: Service, policy: Policy, language: str) -> Self:
        """Return the view in one language."""
        return cls(
            code=service.code,
            name=service.name.get(language),
            description=service.description.get(language),
            group=service.group,
            kind=str(service.kind),
            emergency=service.emergency,
            priority=str(service.priority),
            agency=policy.agencies[service.agency].short_name,
            keywords=service.keywords,
            requires=tuple(sorted(str(need) for need in service.requires)),
            identity_may_be_hidden=service.hides_allowed,
            form=json_schema(service, language),
        )


class Group(msgspec.Struct, frozen=True):
    """A heading under which services are found."""

    code: str
    name: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All active services; `digest` changes when the configuration does."""

    digest: str
    groups: list[Group]
    services: list[ServiceView]

    @classmethod
    def of(cls, policy: Policy, language: str) -> Self:
        """Return the catalogue in one language."""
        return cls(
            digest=policy.digest,
            groups=[Group(code, words.get(language)) for code, words in policy.groups.items()],
            services=[ServiceView.of(one, policy, language) for one in policy.services.values() if one.active],
        )


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A district or village; `score` in (0, 1] and `reason` where it is only a candidate."""

    code: str
    level: str
    name: str
    parent: str
    latitude: float
    longitude: float
    score: float | None = None
    reason: str | None = None
    distance_m: float | None = None


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Territories, or ranked candidates (`ranked`)."""

    ranked: bool
    items: list[PlaceView]

    @classmethod
    def of(cls, gazetteer: Gazetteer, lat: float | None, lon: float | None, name: str | None) -> Self:
        """Return candidates for a point or a name, else the whole territory."""
        if (lat is None) != (lon is None):
            raise Problem(
                "invalid-parameter", faults=[Fault(code="missing-field", parameter="lat" if lat is None else "lon")]
            )
        if lat is not None and lon is not None:
            found = gazetteer.by_point(lat, lon)
        elif name:
            found = gazetteer.by_name(name)
        else:
            return cls(ranked=False, items=[_view(territory) for territory in gazetteer])
        return cls(
            ranked=True,
            items=[
                msgspec.structs.replace(
                    _view(one.territory), score=one.score, reason=str(one.reason), distance_m=one.distance_m
                )
                for one in found
            ],
        )


def _view(territory: Territory) -> PlaceView:
    return PlaceView(
        code=territory.code,
        level=str(territory.level),
        name=territory.name,
        parent=territory.parent,
        latitude=territory.latitude,
        longitude=territory.longitude,
    )
