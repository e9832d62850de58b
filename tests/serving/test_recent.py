"""What the last answers were like."""

from __future__ import annotations

from rag.serving.recent import ANSWERS, Recent


def test_only_the_questions_of_the_last_minute_count() -> None:
    times = [0.0]
    recent = Recent(lambda: times[-1])
    for seconds in (0.0, 30.0, 59.0):
        times.append(seconds)
        recent.ask()
    assert recent.asked == 3
    times.append(60.0)
    assert recent.asked == 2
    times.append(200.0)
    assert recent.asked == 0


def test_half_of_the_first_words_took_no_longer_than_the_median() -> None:
    recent = Recent()
    assert recent.as_json()["first_word"] == {"answers": 0, "p50": None, "p95": None}
    for tenths in range(1, 21):
        recent.answer(tenths / 10)
    assert recent.as_json()["first_word"] == {"answers": 20, "p50": 1.0, "p95": 1.9}


def test_the_oldest_first_words_are_forgotten() -> None:
    recent = Recent()
    for seconds in [9.0] * ANSWERS + [1.0] * ANSWERS:
        recent.answer(seconds)
    assert recent.as_json()["first_word"] == {"answers": ANSWERS, "p50": 1.0, "p95": 1.0}
