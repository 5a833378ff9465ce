"""The practice engine: exercises with checks, predictions, quizzes and the learner's own progress.

What a lesson uses: `exercise`, `investigation`, `check`, `prediction`, `quiz`, `progress`. What stands behind a check:
`task`, `stubs`, `sandbox`, `matching`, `verdict`. Each lesson's content is in its own module.
"""
