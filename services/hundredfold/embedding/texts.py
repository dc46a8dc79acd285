"""The half of dual encoders that embeds texts: always in this process, since texts are few."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import EMBEDDING, TOKENS, ModelCard, TextHalf
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.embedding.domain.vectors import unit_vectors

MOST_TEXTS = 256
MOST_CHARACTERS = 2_000
_MOST_TOKENIZER_BYTES = 64 << 20


def check_texts(texts: Sequence[str]) -> None:
    """Refuse none or too many texts, and empty or too long ones: InvalidArgument."""
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise InvalidArgument(f"{len(texts)} texts are not 1 to {MOST_TEXTS}", field="texts")
    for number, text in enumerate(texts):
        if not text.strip():
            raise InvalidArgument(f"text {number} is empty", field="texts")
        if len(text) > MOST_CHARACTERS:
            raise InvalidArgument(
                f"text {number} has {len(text):,} characters, at most {MOST_CHARACTERS:,} are taken",
                field="texts",
            )


class Tokenizer:
    """From texts to the tokens of one model. Safe for threads.

    Args:
        file: of the library `tokenizers`.
        half: how long texts are.

    Raises:
        ModuleNotFoundError: the extra `text` is not installed.
        RuntimeError: the file is no tokenizer, or has not the token that pads.
        OSError: it can't be read.
    """

    def __init__(self, file: Path, half: TextHalf) -> None:
        import tokenizers  # noqa: PLC0415  comes with an extra of its own

        if file.stat().st_size > _MOST_TOKENIZER_BYTES:
            raise RuntimeError(f"{file.name} has more than {_MOST_TOKENIZER_BYTES:,} bytes")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(file.read_text("utf-8"))
        except Exception as error:  # the library raises no other
            raise RuntimeError(f"{file.name} is no tokenizer: {str(error)[:300]}") from error
        token = self._tokenizer.id_to_token(half.pad)
        if token is None:
            raise RuntimeError(f"{file.name} has no token {half.pad}, which is to pad")
        self._tokenizer.enable_truncation(half.length)
        self._tokenizer.enable_padding(length=half.length, pad_id=half.pad, pad_token=token)

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The tokens of texts: int64 [n, length]; what is too long is cut at its end."""
        encoded = self._tokenizer.encode_batch(list(texts))
        return np.array([each.ids for each in encoded], np.int64)


class TextEncoders:
    """Embeds texts with the models of a repository that have a half for it; keeps what it has loaded.

    Args:
        repository: where the models are.
    """

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._loaded: dict[str, tuple[Tokenizer, onnxruntime.InferenceSession]] = {}
        self._lock = threading.Lock()

    def embed(self, card: ModelCard, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length 1 in the model's space: float32 [n, d].

        Raises:
            Conflict: NO_TEXT, the model has no such half, names those that have; NO_TOKENIZERS, the extra
                is not installed; or its files do not run.
            InvalidArgument: NO_VECTOR, the model gives a text no direction.
        """
        tokenizer, session = self._of(card)
        (raw,) = session.run([EMBEDDING], {TOKENS: tokenizer.tokens(texts)})
        vectors, good = unit_vectors(np.asarray(raw))
        if not good.all():
            raise InvalidArgument(
                f"{card.model} gives text {int(np.argmin(good))} no direction",
                reason="NO_VECTOR",
                field="texts",
            )
        return vectors

    def _of(self, card: ModelCard) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
        with self._lock:
            if card.model not in self._loaded:
                self._loaded[card.model] = self._load(card)
            return self._loaded[card.model]

    def _load(self, card: ModelCard) -> tuple[Tokenizer, onnxruntime.InferenceSession]:
        graph, file = self._repository.text_files(card)
        assert card.text is not None  # noqa: S101  text_files has refused the others
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            tokenizer = Tokenizer(file, card.text)
            session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except ModuleNotFoundError as error:
            raise Conflict(
                "the tokenizers of texts are not installed: pip install 'hundredfold[text]'",
                reason="NO_TOKENIZERS",
            ) from error
        except Exception as error:  # the runtime's own errors have no common base
            raise Conflict(
                f"the text half of {card.model} does not run: {str(error)[:300]}"
            ) from error
        return tokenizer, session
