"""What makes a chat model's proposal replayable, for the log of proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hyperllama.core.prompt.templates import Templates
from hyperllama.core.propose.chat.decoding import TOP_P, Reply
from hyperllama.core.propose.engine_session import EngineSession, token_counts
from hyperllama.core.task.prompt_options import PromptOptions


def proposal_record(
    session: EngineSession,
    options: PromptOptions,
    templates: Templates,
    replies: Sequence[Reply],
    rejected: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """The prompt, the replies, why some were rejected, the model and its settings; JSON-able.

    Args:
        replies: the last one is the proposal's.
        seconds: the whole proposal took.
    """
    if not replies:
        return {"seconds": seconds, "model": str(session.path)}
    last, info = replies[-1], session.info
    return {
        "prompt": last.prompt.text,
        "raw": last.text,
        "rejections": list(rejected),
        "attempts": [
            {"seed": r.seed, "temperature": r.temperature, "raw": r.text, "config": r.config,
             "reasoning": r.reasoning}
            for r in replies
        ],
        "seed": last.seed,
        "model": str(session.path),
        "sha256": session.sha256,
        "settings": {
            **vars(session.settings),
            "context_length": info.context_length,
            "threads": info.threads,
            "gpu_layers": info.gpu_layers,
            "temperature": last.temperature,
            "top_p": TOP_P,
        },
        "tokens": {**_tokens(replies, seconds), "parts": _parts(session, last)},
        "plan": last.prompt.plan.record(),
        "prompt_options": vars(options),
        "prompt_version": last.prompt.version,
        "own_templates": list(templates.own),
        "seconds": seconds,
    }  # fmt: skip


def _parts(session: EngineSession, reply: Reply) -> dict[str, int]:
    """The context after a reply, in tokens by part."""
    reasoned = session.count(reply.reasoning) if reply.reasoning else 0
    replied = sum(m.generated_tokens // len(m.completions) for m in reply.made)
    used = max((m.context_used for m in reply.made), default=0)
    return reply.prompt.plan.parts(used, replied, min(reasoned, replied))


def _tokens(replies: Sequence[Reply], seconds: float) -> dict[str, float]:
    """Counts over all runs for one proposal; the prompt's are the first run's."""
    runs = [made for reply in replies for made in reply.made]
    if not runs:
        return {}
    generated = sum(r.generated_tokens for r in runs)
    decode_s = sum(r.decode_s for r in runs)
    return {
        **token_counts(runs[0]),
        "evaluated": sum(r.evaluated_tokens for r in runs),
        "generated": generated,
        "context_used": max(r.context_used for r in runs),
        "context_length": runs[-1].context_length,
        "per_s": generated / decode_s if decode_s > 0 else 0.0,
        "seconds": seconds,
    }
