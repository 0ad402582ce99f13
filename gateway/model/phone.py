"""Telephone numbers: one form inside, E.164 (ITU-T), whatever people and apps write."""

import phonenumbers


def e164(text: str) -> str | None:
    """Return a number as E.164, read as Indonesian where it has no country code; None if it cannot be dialled.

    Short codes (110, 112, 119) are no numbers of a person and give None.
    """
    try:
        number = phonenumbers.parse(text, "ID")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
