"""How the embedded models were trained: one script a model, run as `python -m course_utils.model_training.<script>`."""
