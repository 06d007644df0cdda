"""Blocks of content as parts of ours, each with its path. One block may be several parts, such as a document's."""

from collections.abc import Sequence
from typing import TypeAlias

from antiphon.dialects.messages.wire import (
    AssistantBlock,
    Base64Source,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    ResultPart,
    SearchResultBlock,
    TextBlock,
    TextSource,
    ToolResultBlock,
    UrlSource,
)
from antiphon.types.content import InputFile, InputImage, InputText

Part: TypeAlias = InputText | InputImage | InputFile


class Blocks:
    """Reads blocks. `is_cached` says whether one of those seen asked to be cached."""

    def __init__(self, notes: list[str]) -> None:
        self.is_cached = False
        self._notes = notes

    def see(self, block: ResultPart | ToolResultBlock | AssistantBlock) -> None:
        """Note whether a block asks to be cached."""
        self.is_cached = self.is_cached or bool(block.cache_control)

    def parts(self, blocks: Sequence[ResultPart], path: str) -> list[tuple[Part, str]]:
        """Return the parts of a list of blocks, each with its path."""
        return [told for index, block in enumerate(blocks) for told in self.told(block, f"{path}[{index}]")]

    def told(self, block: ResultPart, path: str) -> list[tuple[Part, str]]:
        """Return the parts of a block, each with its path."""
        self.see(block)
        match block:
            case TextBlock(text=text):
                return [(InputText(text=text), path)]
            case ImageBlock():
                return [(self._image(block, path), path)]
            case DocumentBlock():
                return self._document(block, path)
            case SearchResultBlock():
                texts = "\n".join(part.text for part in block.content)
                self._notes.append(f"{path}: search_result told as text")
                return [(InputText(text=f"{block.title}\n{block.source}\n\n{texts}"), path)]

    def _image(self, block: ImageBlock, path: str) -> InputImage:
        if block.transformations:
            self._notes.append(f"{path}.transformations left out")
        match block.source:
            case Base64Source() as source:
                return InputImage(image_url=_data_url(source))
            case UrlSource(url=url):
                return InputImage(image_url=url)
            case FileSource(file_id=file_id):
                return InputImage(file_id=file_id)

    def _document(self, block: DocumentBlock, path: str) -> list[tuple[Part, str]]:
        if (block.citations or {}).get("enabled"):
            self._notes.append(f"{path}.citations left out")
        about: list[tuple[Part, str]] = [(InputText(text=said), path) for said in (block.title, block.context) if said]
        match block.source:
            case Base64Source() as source:
                file = InputFile(file_data=_data_url(source), filename=block.title or _name(source))
                return [*about[bool(block.title) :], (file, path)]
            case UrlSource(url=url):
                return [*about, (InputFile(file_url=url), path)]
            case FileSource(file_id=file_id):
                return [*about, (InputFile(file_id=file_id), path)]
            case TextSource(data=text):
                return [*about, (InputText(text=text), path)]
            case ContentSource(content=content):
                if isinstance(content, str):
                    return [*about, (InputText(text=content), path)]
                return [*about, *self.parts(content, f"{path}.source.content")]


def _data_url(source: Base64Source) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _name(source: Base64Source) -> str:
    """Return a name for a document that has none: some providers want one."""
    return f"document.{source.media_type.rpartition('/')[2]}"
