"""Django's sessions in the database, which is asked for no key that cannot be one."""

import re
from typing import Any

from django.contrib.sessions.backends import db

KEY = re.compile("[!-~]{8,40}")  # a cookie may hold anything, and PostgreSQL refuses a NUL with an error


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: Any) -> bool:
        return bool(KEY.fullmatch(key or ""))

    def exists(self, session_key: str) -> bool:
        return self._validate_session_key(session_key) and super().exists(session_key)
