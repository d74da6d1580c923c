"""The helper module of the course: set-up, data, figures and the checks of the labs.

Importing it is cheap (no TensorFlow, no Matplotlib). It must come before the first
``import keras``, because TensorFlow reads these variables when it is loaded.
"""

import os

__version__ = "0.1.0"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up log lines: errors only
