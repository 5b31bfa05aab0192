"""What clients may choose: a domain, a kind of classification, platforms, names and descriptions.

Texts are those that both databases and every log line can hold.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from dahlia.errors import ServiceError
from dahlia.server.contract.domains import DEFAULT, DOMAINS, DomainRecord, domain_of
from dahlia.server.contract.enums import Classifier, DomainType, ExportPlatform

AUGMENTATION = {
    "rotation": True,
    "scaling": True,
    "translation": True,
    "horizontal flip": True,
    "equalize": True,
    "solarize": True,
    "padtosquare": True,
}
"""What clients read and write as `augmentationMethods`. Kept and given back; how trainings vary photos is the
domain's matter."""

MAX_NAME = 128
MAX_DESCRIPTION = 2000
_MAX_URI = 2048
_BREAKS = ("Cc", "Cs", "Zl", "Zp")
_LAYOUT = "\n\r\t"


def chosen_domain(identity: str | None) -> DomainRecord:
    """The domain of a new project; General where none is named.

    Raises:
        ServiceError: there is no such domain, or none may be made of it any more.
    """
    if not identity:
        return DEFAULT
    try:
        domain = domain_of(identity.strip())
    except ServiceError:
        raise _unknown_domain(identity, "which is none") from None
    if not domain.enabled:
        raise _unknown_domain(identity, f"{domain.name}, which was withdrawn")
    return domain


def chosen_classification(given: str | None, domain: DomainRecord) -> str | None:
    """One tag for an image or several; the latter where nothing is said; None for detection.

    Raises:
        ServiceError: it is neither `Multiclass` nor `Multilabel`, in any case of letters.
    """
    if domain.type is DomainType.DETECTION:
        return None
    if not given:
        return Classifier.MULTILABEL
    known = {each.lower(): each for each in Classifier}
    if given.lower() not in known:
        raise ServiceError(
            "BadRequestProjectUnknownClassification",
            f"Expected Multiclass or Multilabel as classificationType, received {given[:80]!r}. Choose one.",
        )
    return known[given.lower()]


def chosen_platforms(given: Iterable[str], domain: DomainRecord) -> list[str]:
    """The platforms to export to, as the API spells them, each once.

    Raises:
        ServiceError: the domain's iterations cannot be exported to one of them.
    """
    spelled = {each.lower(): each.value for each in ExportPlatform}
    platforms = [spelled.get(name.strip().lower(), name) for name in given]
    for platform in platforms:
        if platform not in domain.platforms:
            raise ServiceError(
                "BadRequestProjectUnsupportedExportPlatform",
                f"Expected platforms that {domain.name} exports to ({_listed(domain.platforms)}), received "
                f"{platform[:80]!r}. {_advice(platform)}",
            )
    return list(dict.fromkeys(platforms))


def chosen_augmentation(given: Mapping[str, bool], present: Mapping[str, bool]) -> dict[str, bool]:
    """The present choice with what was given put in.

    Raises:
        ServiceError: there is no such method.
    """
    for name in given:
        if name not in AUGMENTATION:
            raise ServiceError(
                "BadRequestProjectImagePreprocessingSettings",
                f"Expected augmentationMethods among {', '.join(AUGMENTATION)}, received {name[:80]!r}. "
                "Leave it out.",
            )
    return {**present, **given}


def chosen_uri(given: str | None, what: str) -> str | None:
    """An address of a project's owner.

    Raises:
        ServiceError: it is no http(s) address, or longer than 2048 characters.
    """
    if not given:
        return None
    plain = given.isascii() and given.isprintable() and " " not in given
    if len(given) > _MAX_URI or not plain or not _is_web(given):
        raise ServiceError(
            "BadRequestInvalidUri",
            f"Expected {what} to be an address that begins with https:// or http:// and has at most "
            f"{_MAX_URI} characters, percent-encoded; received something else. Send another one, "
            "or omit it.",
        )
    return given


def one_line(text: str, what: str, code: str) -> str:
    """A name without spaces around it: one line of 1 to `MAX_NAME` characters.

    Args:
        text: as it was sent.
        what: whose name, for the message, such as `project`.
        code: of the refusal.

    Raises:
        ServiceError: it is empty, too long, or holds a control character or half of a surrogate pair.
    """
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise ServiceError(
            code,
            f"Expected the name of a {what} with 1 to {MAX_NAME} characters, received {len(name)}. "
            "Choose another one.",
        )
    _check(name, f"the name of a {what}", code, allowed="")
    return name


def description_of(text: str | None, what: str, code: str) -> str:
    """A description, which may have several lines; empty where there is none.

    Raises:
        ServiceError: it is longer than `MAX_DESCRIPTION` characters, or holds a control character.
    """
    if text is None:
        return ""
    if len(text) > MAX_DESCRIPTION:
        raise ServiceError(
            code,
            f"Expected the description of a {what} with at most {MAX_DESCRIPTION} characters, received "
            f"{len(text)}. Shorten it.",
        )
    _check(text, f"the description of a {what}", code, allowed=_LAYOUT)
    return text


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _unknown_domain(identity: str, problem: str) -> ServiceError:
    offered = ", ".join(f"{domain.name} ({domain.type})" for domain in DOMAINS if domain.enabled)
    return ServiceError(
        "BadRequestProjectUnknownDomain",
        f"Expected the id of a domain, received {identity[:80]!r}, {problem}. Take an id from get_domains: "
        f"{offered}.",
    )


def _listed(platforms: tuple[str, ...]) -> str:
    return ", ".join(platforms) or "none, its iterations are served only"


def _advice(platform: str) -> str:
    if platform == ExportPlatform.VAIDK:
        return "The Vision AI Dev Kit is discontinued; ONNX or TensorFlow run on most devices."
    return "Choose among these, or a compact domain."


def _check(text: str, place: str, code: str, allowed: str) -> None:
    for letter in text:
        if letter not in allowed and unicodedata.category(letter) in _BREAKS:
            raise ServiceError(
                code,
                f"Expected plain text as {place}, received the character U+{ord(letter):04X}. Take it out.",
            )
