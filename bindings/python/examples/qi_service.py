"""A service with a property on the object bus, and a client that sets it and watches it change.

    python qi_service.py

prints "level 5 was seen" and "6 degrees". The two would usually be two programs; the client gets the directory's address then.
"""

from __future__ import annotations

from millrace import qi


class Heater:
    """Warms the room."""

    def __init__(self) -> None:
        self.level = qi.Property(int)

    def warm(self, degrees: int = 1) -> str:
        """Raises the level, and says what it is."""
        self.level.setValue(self.level.value() + degrees)
        return f"{self.level.value()} degrees"


def main() -> None:
    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0")
        server.registerService("Heater", Heater())
        with qi.Session(server.url()) as client:
            heater = client.service("Heater")
            with heater.level.subscribe() as changes:
                heater.level.setValue(5)
                print(f"level {changes.get(timeout=10)} was seen")
            print(heater.warm())


main()
