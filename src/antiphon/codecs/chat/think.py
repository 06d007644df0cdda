"""Reasoning that a model writes into its text as `<think>…</think>`, told apart in any cut of the text."""

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Splits text into (is reasoning, text). Only a tag at the very start opens reasoning."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"  # start, thinking, after (its empty lines), text

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """Return the pieces that `text` completes."""
        self._held += text
        if self._state == "start" and not self._begin():
            return []
        if self._state == "thinking":
            return self._think()
        if self._state == "after":
            self._held = self._held.lstrip("\n")
            self._state = "text" if self._held else "after"
        said, self._held = self._held, ""
        return [(False, said)] if said else []

    def close(self) -> list[tuple[bool, str]]:
        """Return what was held back for a tag that never came."""
        held, self._held = self._held, ""
        return [(self._state == "thinking", held)] if held else []

    def _begin(self) -> bool:
        """Decide what the text begins with; False while that can't be told."""
        head = self._held.lstrip()
        if head.startswith(_OPEN):
            self._state, self._held = "thinking", head[len(_OPEN) :]
        elif head and not _OPEN.startswith(head):
            self._state = "text"
        return self._state != "start"

    def _think(self) -> list[tuple[bool, str]]:
        thought, found, rest = self._held.partition(_CLOSE)
        if found:
            self._state, self._held = "after", rest
            return [*([(True, thought)] if thought else []), *self.feed("")]
        keep = next((size for size in range(len(_CLOSE) - 1, 0, -1) if thought.endswith(_CLOSE[:size])), 0)
        said, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        return [(True, said)] if said else []
