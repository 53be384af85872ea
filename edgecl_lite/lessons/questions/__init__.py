"""The exercises of each lesson, with the misconceptions they know: content, found by itself."""
