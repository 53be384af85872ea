"""The exercises of each lesson, with the misconceptions they know: content, found by itself."""


def letters(answer):
    """The letters that an answer names, as one sorted word.

    As a set, list, tuple, array or word, "B, D", {"B": True}, or the functions of these names.
    """
    if callable(answer) and len(getattr(answer, "__name__", "")) > 1:  # it gives back the answer
        answer = answer()
    if isinstance(answer, dict):
        answer = [name for name, yes in answer.items() if yes]
    named = [answer] if callable(answer) else answer
    words = [str(getattr(one, "__name__", one)).upper() for one in named]
    return "".join(sorted({c for word in words for c in word if c.isalnum()}))
