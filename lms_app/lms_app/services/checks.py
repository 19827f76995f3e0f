"""What a lesson or a course lacks before pupils may see it.

Pure: nothing here needs a site.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from lms_app.services import completion, markup, recipe

# A fault: the number of the block from 1 on, 0 for the lesson itself, and its reason.
Fault = tuple[int, str]

NO_BLOCKS, NO_TEXT, NO_FILE, NO_TITLE, NO_ALT_TEXT = "no_blocks", "no_text", "no_file", "no_title", "no_alt_text"
NO_CAPTIONS, NO_TRANSCRIPT, NO_VIDEO, NO_DURATION = "no_captions", "no_transcript", "no_video", "no_duration"
NOT_EMBEDDABLE, BAD_RECIPE, NOT_SEEN = "not_embeddable", "bad_recipe", "not_seen"
NO_SUMMARY, NO_LEAD, NO_LESSON, NO_PRICE = "no_summary", "no_lead", "no_lesson", "no_price"
NO_QUIZ, NO_ASSIGNMENT = "no_quiz", "no_assignment"

Block = Mapping[str, Any]

# What a reader sees of the text of each kind that is one.
TEXTS: Mapping[Any, Callable[[str | None], str]] = {
    "Rich Text": markup.words,
    "Markdown": lambda body: markup.words(markup.from_markdown(body)),
    "Code": lambda body: body or "",
    "Callout": lambda body: markup.words(markup.from_markdown(body)),
}


def of_lesson(lesson: Block, blocks: Sequence[Block], captioned: Collection[str]) -> list[Fault]:
    """Return the faults of a lesson.

    lesson: kind, completion_rule, quiz and assignment. blocks: rows of its blocks. captioned: anchors of the blocks
    with captions.
    """
    kind, rule = lesson.get("kind"), lesson.get("completion_rule")
    faults = [] if blocks or kind in ("Quiz", "Assignment") else [(0, NO_BLOCKS)]
    if (kind == "Quiz" or rule == completion.QUIZ) and not lesson.get("quiz"):
        faults.append((0, NO_QUIZ))
    if (kind == "Assignment" or rule in (completion.SUBMITTED, completion.GRADED)) and not lesson.get("assignment"):
        faults.append((0, NO_ASSIGNMENT))
    faults += [(number, reason) for number, block in enumerate(blocks, 1) for reason in of_block(block, captioned)]
    video = next((block for block in blocks if block.get("kind") == "Video"), None)
    if kind == "Video" and video is None:
        faults.append((0, NO_VIDEO))
    if rule == completion.VIDEO:
        if video is None:
            faults.append((0, NO_VIDEO))
        elif _has(video, "url") and not video.get("file"):
            # The player of another host does not say how far it is.
            faults.append((blocks.index(video) + 1, NOT_SEEN))
        elif not video.get("duration"):
            faults.append((blocks.index(video) + 1, NO_DURATION))
    return list(dict.fromkeys(faults))


def of_block(block: Block, captioned: Collection[str]) -> Iterator[str]:
    """Yield what a block lacks."""
    kind = block.get("kind")
    has_file, has_speech = bool(block.get("file")), not block.get("has_no_speech")
    if kind in TEXTS and not TEXTS[kind](block.get("body")).strip():
        yield NO_TEXT
    if kind in ("Image", "Audio", "File") and not has_file:
        yield NO_FILE
    if kind in ("File", "Embed") and not _has(block, "title"):
        yield NO_TITLE
    if kind == "Image" and not (block.get("is_decorative") or _has(block, "alt_text")):
        yield NO_ALT_TEXT
    if kind == "Video":
        yield from _of_video(block, has_file=has_file, has_captions=block.get("anchor") in captioned)
    if kind == "Audio" and has_speech and not _has(block, "transcript"):
        yield NO_TRANSCRIPT
    if kind == "Embed" and markup.embed(block.get("url")) is None:
        yield NOT_EMBEDDABLE
    if kind == "Recipe" and not _is_recipe(block.get("recipe")):
        yield BAD_RECIPE


def of_course(course: Block, *, has_lead: bool, has_lesson: bool) -> list[str]:
    """Return what a course lacks: reasons."""
    lacks_price = course.get("enrolment_mode") == "Paid" and not (course.get("price") and course.get("currency"))
    return [
        reason
        for reason, lacks in (
            (NO_SUMMARY, not _has(course, "summary")),
            (NO_LEAD, not has_lead),
            (NO_LESSON, not has_lesson),
            (NO_PRICE, lacks_price),
        )
        if lacks
    ]


def _of_video(block: Block, *, has_file: bool, has_captions: bool) -> Iterator[str]:
    if not has_file and markup.embed(block.get("url")) is None:
        yield NOT_EMBEDDABLE if _has(block, "url") else NO_FILE
    if not has_file and not _has(block, "title"):
        # A frame without a name is a riddle to those who hear the page.
        yield NO_TITLE
    if block.get("has_no_speech"):
        return
    # Captions of a video elsewhere are that host's, and cannot be seen from here.
    if has_file and not has_captions:
        yield NO_CAPTIONS
    elif not has_file and not _has(block, "transcript"):
        yield NO_TRANSCRIPT


def _has(row: Block, field: str) -> bool:
    return bool((row.get(field) or "").strip())


def _is_recipe(data: Any) -> bool:
    try:
        recipe.read(data)
    except recipe.InvalidRecipeError:
        return False
    return True
