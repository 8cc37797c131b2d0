"""An object store's stream, as dispatcher/region/objects.py uses it: metas, chunks."""

import base64
import json
from types import SimpleNamespace
from typing import Any

from nats.js.errors import NotFoundError


class ObjectStream:
    def __init__(self) -> None:
        self._seq = 0
        self._messages: dict[int, tuple[str, bytes]] = {}
        self._ids: set[str] = set()
        self._torn = 0
        """The meta of the object whose chunks were spoilt."""

    def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        identity = headers.get("Nats-Msg-Id")
        if identity in self._ids:
            return
        if identity is not None:
            self._ids.add(identity)
        if "Nats-Rollup" in headers:
            self.purge(subject)
        self._seq += 1
        self._messages[self._seq] = subject, data

    def next(self, subject: str, first: int) -> Any:
        for seq, (of, data) in self._messages.items():
            if of == subject and seq >= first:
                return SimpleNamespace(seq=seq, data=data)
        raise NotFoundError

    def last(self, subject: str) -> Any:
        for seq, (of, data) in reversed(self._messages.items()):
            if of == subject:
                return SimpleNamespace(seq=seq, data=data)
        raise NotFoundError

    def purge(self, subject: str) -> None:
        gone = [seq for seq, (of, _) in self._messages.items() if of == subject]
        for seq in gone:
            del self._messages[seq]

    def tear(self) -> None:
        """Spoil the newest object, if there is one and none is spoilt: with both gone
        a purged ledger has no beginning.
        """
        metas = [seq for seq, (of, _) in self._messages.items() if ".M." in of]
        if not metas or self._torn in self._messages:
            return
        self._torn = metas[-1]
        nuid = json.loads(self._messages[self._torn][1])["nuid"]
        for seq, (of, data) in self._messages.items():
            if of.endswith(f".C.{nuid}"):
                self._messages[seq] = of, b"{" * len(data)

    def objects(self) -> list[str]:
        """Names of what is there, the newest last."""
        return [
            base64.urlsafe_b64decode(of.rpartition(".")[2]).decode()
            for of, _ in self._messages.values()
            if ".M." in of
        ]
