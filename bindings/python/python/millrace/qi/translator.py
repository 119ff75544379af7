"""Texts in other languages, with the names of libqi's package, over Python's gettext."""

from __future__ import annotations

import gettext
import logging
from typing import Optional

_logger = logging.getLogger("qi.translator")


class Translator:
    """Finds texts in catalogs of gettext: ``share/locale/LANGUAGE/LC_MESSAGES/DOMAIN.mo`` below Python's prefix, and where
    ``gettext.bindtextdomain`` says. What has no translation is given as it is.

    >>> from millrace import qi
    >>> translator = qi.Translator("greeter")
    >>> translator.setDefaultDomain("greeter")
    >>> translator.setCurrentLocale("fr_FR")
    >>> translator.translate("not in any catalog")
    'not in any catalog'
    """

    def __init__(self, name: str) -> None:
        #: The name of the program.
        self.name = name
        self._domains: list[str] = []
        self._domain = ""
        self._locale = ""

    def translate(self, message: str, domain: str = "", locale: str = "", context: str = "") -> str:
        """A text in the language of ``locale``, as ``fr_FR``: from the catalog ``domain``, the default one, or one that was added."""
        domain, locale = domain or self._domain, locale or self._locale
        if not domain and not self._domains:
            _logger.warning("a translator needs setDefaultDomain first")
        if not locale:
            _logger.warning("a translator needs setCurrentLocale first")
            return message
        for each in [domain, *self._domains]:
            found = _look_up(message, each, locale, context) if each else None
            if found is not None:
                return found
        return message

    def addDomain(self, domain: str) -> None:
        """One more catalog to look into."""
        self._domains.append(domain)

    def setDefaultDomain(self, domain: str) -> None:
        """The catalog of what names none."""
        self._domain = domain

    def setCurrentLocale(self, locale: str) -> None:
        """The language of what names none."""
        self._locale = locale


def _look_up(message: str, domain: str, locale: str, context: str) -> Optional[str]:
    catalog = gettext.translation(domain, gettext.bindtextdomain(domain), [locale], fallback=True)
    found = catalog.pgettext(context, message) if context else catalog.gettext(message)
    return None if found == message else found


_default: Optional[Translator] = None


def defaultTranslator(name: str) -> Translator:
    """The translator of the program, which :func:`tr` uses; made when it is first asked for."""
    global _default
    if _default is None:
        _default = Translator(name)
    return _default


def tr(message: str, domain: str = "", locale: str = "") -> str:
    """A text by the program's translator."""
    if _default is None:
        _logger.warning("there is no translator: call defaultTranslator first")
        return message
    return _default.translate(message, domain, locale)
