"""Where all clients of a run report to."""

from msgspec import Struct, field

from cabrank.trial.load.figures import Figures
from cabrank.trial.oracle.conversations import Conversations
from cabrank.trial.oracle.explained import Explained
from cabrank.trial.oracle.history import History
from cabrank.trial.oracle.invariants import Checker


class Watch(Struct):
    checker: Checker
    figures: Figures
    conversations: Conversations
    offers: Explained
    history: History = field(default_factory=History)

    @classmethod
    def new(cls) -> "Watch":
        checker = Checker()
        conversations = Conversations(checker.violate)
        return cls(checker, Figures(), conversations, Explained(checker.violate))
