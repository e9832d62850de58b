"""Errors whose sentence may be shown to a user.

HeadwaterError
├── SettingsError          a setting has a value that is not allowed
├── QuestionError          the question itself cannot be answered (empty, too long, no letters)
├── LibraryEmpty           there is nothing to search yet
├── UnknownCollection      there is no collection of this name
├── Busy                   too many answers at once, or the model's budget is used up
├── TooManyQuestions       this user asks more often than is allowed
├── Interrupted            the process is being stopped
├── StoreError             the store directory cannot be used
│   ├── StoreLocked        another process holds it
│   └── VectorsError       its vector index, which can be built again from the library
├── DocumentError          one file could not be read; the others are not affected
│   ├── UnsupportedFormat  no reader for this suffix
│   ├── NoTextLayer        its pages are pictures: it needs OCR
│   ├── UnreadableTextLayer  the text that it has is not words: it needs OCR, too
│   ├── EmptyDocument      there is no text in it
│   ├── LinkedOutside      it is a link that leads out of the folder of the documents
│   └── NoProcess          nothing can be read: the process for it cannot be started
├── BackupError            a library could not be exported, or an exported one not be taken in
├── PageError              this Gradio is not the one that the page was made for
├── EmbedderError          the embedding model is unknown, damaged or cannot be loaded
├── QuestionsError         a file of questions to measure with cannot be read or does not fit
├── ModelError             the language model's server failed or refused
└── InternalError          a defect, in general words

Anything else that is raised is a defect: logged with its traceback, shown in general words.
"""

from __future__ import annotations

from collections.abc import Mapping

from .types import Language


class HeadwaterError(Exception):
    """Says in one sentence, in English and Vietnamese, what happened and what to do.

    `en` and `vi` are for whoever asks, a stranger too, and say nothing of where things lie on this
    machine. `owner` does: it stands in brackets in `str` of the error, which is for the log and the
    command line. `code` is stable and for programs; `retryable` means that asking again unchanged
    may work, `retry_after` after how many seconds, where that is known.
    """

    code = "error"
    retryable = False
    retry_after: int | None = None
    detail = ""

    def __init__(self, en: str, vi: str | None = None, *, owner: str = "") -> None:
        super().__init__(f"{en} ({owner})" if owner else en)
        self.en = en
        self.vi = vi or en

    def sentence(self, language: Language) -> str:
        return self.vi if language == "vi" else self.en


class SettingsError(HeadwaterError):
    code = "settings_error"


class QuestionError(HeadwaterError):
    code = "invalid_question"


class LibraryEmpty(HeadwaterError):
    code = "library_empty"


class UnknownCollection(HeadwaterError):
    code = "unknown_collection"


class Busy(HeadwaterError):
    code = "busy"
    retryable = True


class TooManyQuestions(HeadwaterError):
    code = "too_many_questions"
    retryable = True

    def __init__(self, en: str, vi: str, retry_after: int) -> None:
        super().__init__(en, vi)
        self.retry_after = retry_after


class Interrupted(HeadwaterError):
    code = "interrupted"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The server is being stopped, so no more comes here. Ask again in a moment.",
            "Máy chủ đang được dừng nên không còn gì thêm ở đây. Hãy hỏi lại sau giây lát.",
        )


class StoreError(HeadwaterError):
    code = "store_error"


class StoreLocked(StoreError):
    code = "store_locked"


class VectorsError(StoreError):
    pass


class DocumentError(HeadwaterError):
    """`pages` and `pages_with_text` are how many it has, where that is known."""

    code = "document_error"

    def __init__(
        self,
        en: str,
        vi: str | None = None,
        *,
        owner: str = "",
        pages: int = 0,
        pages_with_text: int = 0,
    ) -> None:
        super().__init__(en, vi, owner=owner)
        self.pages, self.pages_with_text = pages, pages_with_text


class UnsupportedFormat(DocumentError):
    code = "unsupported_format"


class NoTextLayer(DocumentError):
    code = "no_text_layer"


class UnreadableTextLayer(DocumentError):
    code = "unreadable_text_layer"


class EmptyDocument(DocumentError):
    code = "empty_document"


class LinkedOutside(DocumentError):
    code = "linked_outside"


class NoProcess(DocumentError):
    """There is none to read a file in, whichever that is."""

    code = "no_process"


class BackupError(HeadwaterError):
    code = "backup_error"


class PageError(HeadwaterError):
    code = "page_error"


class EmbedderError(HeadwaterError):
    code = "embedder_error"


class QuestionsError(HeadwaterError):
    code = "questions_error"


class ModelError(HeadwaterError):
    """Its codes are those of `rag.writing.failures`. `detail` is what the server itself says, as
    it may be shown. Of a prompt that was too long, `room` are the tokens that one may have, and
    `most` those of an answer where that alone was too long."""

    room: int | None = None
    most: int | None = None

    def __init__(self, code: str, en: str, vi: str, *, retryable: bool, detail: str = "") -> None:
        super().__init__(en, vi)
        self.code = code
        self.retryable = retryable
        self.detail = detail


# What is said where no sentence is known: the log has the traceback.
INTERNAL: Mapping[Language, str] = {
    "en": "Something went wrong in Headwater itself; its log says what. Ask again.",
    "vi": "Headwater gặp lỗi bên trong; nhật ký có ghi chi tiết. Hãy hỏi lại.",
}


class InternalError(HeadwaterError):
    """In place of a defect."""

    code = "internal_error"
    retryable = True

    def __init__(self) -> None:
        super().__init__(INTERNAL["en"], INTERNAL["vi"])
