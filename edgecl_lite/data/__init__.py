"""Data: the digits, MNIST, Fashion-MNIST, sensors of people, and few-shot tasks.

Read images.py (lessons 01 to 04), fewshot.py (05_meta_learning), har.py (06_edge_budget). The
larger ones come by download.py.
"""

from .images import Dataset, digits, fashion_mnist, mnist
